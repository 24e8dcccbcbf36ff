//! What a label selector is and what it matches (`k8s.io/apimachinery/pkg/labels/selector.go`,
//! `k8s.io/apimachinery/pkg/apis/meta/v1/helpers.go`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::parse;
use crate::status::{Path, Status, quoted};
use crate::validation::{label_value_faults, qualified_name_faults};

/// A set of conditions on labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelSelector {
    /// Matches no object: what an absent `metav1.LabelSelector` means.
    Nothing,
    /// Matches what meets all of these, in the order of their keys; every object when there are none.
    All(Vec<Requirement>),
}

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requirement {
    pub key: String,
    pub test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Test {
    Equals(String),
    NotEquals(String),
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Exists,
    DoesNotExist,
    GreaterThan(i64),
    LessThan(i64),
}

impl Default for LabelSelector {
    fn default() -> Self {
        LabelSelector::everything()
    }
}

impl LabelSelector {
    #[must_use]
    pub const fn everything() -> LabelSelector {
        LabelSelector::All(Vec::new())
    }

    /// Parses `app=web,tier in (a, b),!legacy`.
    ///
    /// # Errors
    /// 400 with what was found and what was expected.
    pub fn parse(text: &str) -> Result<LabelSelector, Status> {
        parse::requirements(text).map(LabelSelector::of).map_err(Status::bad_request)
    }

    /// Reads a `metav1.LabelSelector`: null means nothing, an empty one everything.
    ///
    /// # Errors
    /// 400 for an operator or a value that no selector may have.
    pub fn from_value(selector: &Value) -> Result<LabelSelector, Status> {
        if selector.is_null() {
            return Ok(LabelSelector::Nothing);
        }
        let labels = equalities(&selector["matchLabels"]);
        let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
        let requirements: Result<Vec<_>, String> =
            labels.map(Ok).chain(expressions.map(expression)).collect();
        requirements.map(LabelSelector::of).map_err(Status::bad_request)
    }

    /// The selector that a plain map of labels stands for, as Services and ReplicationControllers have it.
    #[must_use]
    pub fn from_labels(labels: &Value) -> LabelSelector {
        LabelSelector::of(equalities(labels).collect())
    }

    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.matches_by(|key| labels.get(key).map(String::as_str))
    }

    /// Like [`LabelSelector::matches`], for labels in a JSON object.
    #[must_use]
    pub fn matches_value(&self, labels: &Value) -> bool {
        self.matches_by(|key| labels.get(key).and_then(Value::as_str))
    }

    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self, LabelSelector::All(requirements) if requirements.is_empty())
    }

    /// The conditions; none for a selector that matches nothing.
    #[must_use]
    pub fn requirements(&self) -> &[Requirement] {
        match self {
            LabelSelector::Nothing => &[],
            LabelSelector::All(requirements) => requirements,
        }
    }

    fn of(mut requirements: Vec<Requirement>) -> LabelSelector {
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        LabelSelector::All(requirements)
    }

    fn matches_by<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        match self {
            LabelSelector::Nothing => false,
            LabelSelector::All(requirements) => {
                requirements.iter().all(|one| one.test.accepts(label(&one.key)))
            }
        }
    }
}

impl Test {
    /// Whether a label of this value, or its absence, passes.
    #[must_use]
    pub fn accepts(&self, label: Option<&str>) -> bool {
        match (self, label) {
            (Test::Equals(wanted), label) => label == Some(wanted),
            (Test::NotEquals(unwanted), label) => label != Some(unwanted),
            (Test::In(wanted), label) => label.is_some_and(|label| wanted.contains(label)),
            (Test::NotIn(unwanted), label) => !label.is_some_and(|label| unwanted.contains(label)),
            (Test::Exists, label) => label.is_some(),
            (Test::DoesNotExist, label) => label.is_none(),
            (Test::GreaterThan(bound), label) => number(label).is_some_and(|number| number > *bound),
            (Test::LessThan(bound), label) => number(label).is_some_and(|number| number < *bound),
        }
    }
}

impl Requirement {
    /// A condition as it is written: an operator (`in`, `=`, `exists`, `gt` …) and its values.
    /// Refuses what upstream's `labels.NewRequirement` refuses.
    pub(super) fn new(key: &str, operator: &str, values: Vec<String>) -> Result<Requirement, String> {
        check_key(key)?;
        let test = test_of(operator, &values)?;
        check_values(key, &values)?;
        Ok(Requirement { key: key.to_owned(), test })
    }
}

fn test_of(operator: &str, values: &[String]) -> Result<Test, String> {
    let path = Path::of("values");
    let refused = |why: &str| Err(path.invalid(values.to_vec(), why).to_string());
    let one = |why: &str| match values {
        [value] => Ok(value.clone()),
        _ => refused(why).and(Ok(String::new())),
    };
    const EXACT: &str = "exact-match compatibility requires one single value";
    Ok(match operator {
        "in" | "notin" if values.is_empty() => {
            return refused("for 'in', 'notin' operators, values set can't be empty");
        }
        "exists" | "!" if !values.is_empty() => {
            return refused("values set must be empty for exists and does not exist");
        }
        "in" => Test::In(values.iter().cloned().collect()),
        "notin" => Test::NotIn(values.iter().cloned().collect()),
        "=" | "==" => Test::Equals(one(EXACT)?),
        "!=" => Test::NotEquals(one(EXACT)?),
        "exists" => Test::Exists,
        "!" => Test::DoesNotExist,
        "gt" => Test::GreaterThan(bound(values)?),
        "lt" => Test::LessThan(bound(values)?),
        other => return Err(format!("{} is not a valid label selector operator", quoted(other))),
    })
}

fn bound(values: &[String]) -> Result<i64, String> {
    let path = Path::of("values");
    let [value] = values else {
        let why = "for 'Gt', 'Lt' operators, exactly one value is required";
        return Err(path.invalid(values.to_vec(), why).to_string());
    };
    let why = "for 'Gt', 'Lt' operators, the value must be an integer";
    value.parse().map_err(|_| path.index(0).invalid(value.as_str(), why).to_string())
}

pub(super) fn check_key(key: &str) -> Result<(), String> {
    let faults = qualified_name_faults(key);
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Path::of("key").invalid(key, &faults.join("; ")).to_string()),
    }
}

fn check_values(key: &str, values: &[String]) -> Result<(), String> {
    let path = Path::of("values");
    for (index, value) in values.iter().enumerate() {
        let faults = label_value_faults(value);
        if !faults.is_empty() {
            return Err(path.index(index).key(key).invalid(value.as_str(), &faults.join("; ")).to_string());
        }
    }
    Ok(())
}

fn number(label: Option<&str>) -> Option<i64> {
    label?.parse().ok()
}

fn equalities(labels: &Value) -> impl Iterator<Item = Requirement> {
    let labels = labels.as_object().into_iter().flatten();
    labels.map(|(key, value)| {
        let value = value.as_str().unwrap_or_default().to_owned();
        Requirement { key: key.clone(), test: Test::Equals(value) }
    })
}

fn expression(expression: &Value) -> Result<Requirement, String> {
    let operator = match expression["operator"].as_str().unwrap_or_default() {
        "In" => "in",
        "NotIn" => "notin",
        "Exists" => "exists",
        "DoesNotExist" => "!",
        other => return Err(format!("{} is not a valid label selector operator", quoted(other))),
    };
    let values = expression["values"].as_array().into_iter().flatten();
    let values = values.filter_map(Value::as_str).map(str::to_owned).collect();
    Requirement::new(expression["key"].as_str().unwrap_or_default(), operator, values)
}

/// As upstream prints it; a Scale's `status.selector` is this text.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements().iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let list =
            |values: &BTreeSet<String>| values.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        match &self.test {
            Test::Equals(value) => write!(f, "{key}={value}"),
            Test::NotEquals(value) => write!(f, "{key}!={value}"),
            Test::In(values) => write!(f, "{key} in ({})", list(values)),
            Test::NotIn(values) => write!(f, "{key} notin ({})", list(values)),
            Test::Exists => write!(f, "{key}"),
            Test::DoesNotExist => write!(f, "!{key}"),
            Test::GreaterThan(bound) => write!(f, "{key}>{bound}"),
            Test::LessThan(bound) => write!(f, "{key}<{bound}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn matches(selector: &str, labels: Value) -> bool {
        LabelSelector::parse(selector).unwrap().matches_value(&labels)
    }

    #[test]
    fn a_selector_matches_what_meets_every_condition() {
        let web = json!({"app": "web", "tier": "front", "n": "5", "empty": ""});
        let cases = [
            ("", true),
            ("app=web", true),
            ("app==web,tier=front", true),
            ("app=web,tier=back", false),
            ("app!=db", true),
            ("app!=web", false),
            ("missing!=x", true),
            ("app in (web, db)", true),
            ("app in (db)", false),
            ("app notin (db)", true),
            ("missing notin (db)", true),
            ("app", true),
            ("missing", false),
            ("!missing", true),
            ("!app", false),
            ("n>4", true),
            ("n<5", false),
            ("app>1", false),
            ("empty=", true),
            ("empty", true),
            ("missing=", false),
            ("empty in (,a)", true),
            (" app = web , ! missing ", true),
            ("in in (in)", false),
        ];
        for (selector, expected) in cases {
            assert_eq!(matches(selector, web.clone()), expected, "{selector}");
        }
    }

    #[test]
    fn an_absent_selector_object_matches_nothing_and_an_empty_one_everything() {
        assert!(!LabelSelector::from_value(&Value::Null).unwrap().matches_value(&json!({})));
        assert!(LabelSelector::from_value(&json!({})).unwrap().matches_value(&json!({"a": "b"})));
    }

    #[test]
    fn a_selector_object_joins_its_labels_and_its_expressions() {
        let selector = LabelSelector::from_value(
            &json!({"matchLabels": {"app": "web"}, "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["b", "a"]}, {"key": "old", "operator": "DoesNotExist"},
            {"key": "x", "operator": "NotIn", "values": ["y"]}, {"key": "app", "operator": "Exists"}]}),
        );
        let selector = selector.unwrap();
        assert_eq!(selector.to_string(), "app=web,app,!old,tier in (a,b),x notin (y)");
        assert!(selector.matches_value(&json!({"app": "web", "tier": "a"})));
        assert!(!selector.matches_value(&json!({"app": "web", "tier": "a", "old": "1"})));
    }

    #[test]
    fn what_no_selector_may_say_is_refused() {
        let bad = |value: Value| LabelSelector::from_value(&value).unwrap_err().message;
        assert_eq!(
            bad(json!({"matchExpressions": [{"key": "a", "operator": "Near"}]})),
            "\"Near\" is not a valid label selector operator"
        );
        assert_eq!(
            bad(json!({"matchExpressions": [{"key": "a", "operator": "In"}]})),
            "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"
        );
    }
}
