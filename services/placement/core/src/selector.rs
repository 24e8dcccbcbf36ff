//! Node selectors: `spec.nodeSelector` and the required part of `spec.affinity.nodeAffinity`.

use std::collections::BTreeMap;

use rutter_controller::read::{list, text, texts};
use serde_json::Value;

/// Which nodes a pod accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct NodeSelector {
    labels: BTreeMap<String, String>,
    /// One of these terms has to hold; none: every node will do.
    terms: Option<Vec<Term>>,
}

/// All requirements of a term have to hold; a term without any holds for no node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Term {
    labels: Vec<Requirement>,
    /// On `metadata.name`, the only field there is.
    names: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Requirement {
    key: String,
    operator: String,
    values: Vec<String>,
}

impl NodeSelector {
    pub(crate) fn read(pod: &Value) -> NodeSelector {
        let required =
            &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        NodeSelector {
            labels: texts(pod, "/spec/nodeSelector"),
            terms: required
                .is_object()
                .then(|| list(required, "/nodeSelectorTerms").iter().map(read_term).collect()),
        }
    }

    pub(crate) fn matches(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        let wanted = |(key, value): (&String, &String)| labels.get(key) == Some(value);
        let term_holds = |term: &Term| term.matches(name, labels);
        self.labels.iter().all(wanted) && self.terms.as_ref().is_none_or(|terms| terms.iter().any(term_holds))
    }
}

impl Term {
    fn matches(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        if self.labels.is_empty() && self.names.is_empty() {
            return false;
        }
        self.labels.iter().all(|one| one.accepts(labels.get(&one.key).map(String::as_str)))
            && self.names.iter().all(|one| one.key == "metadata.name" && one.accepts(Some(name)))
    }
}

impl Requirement {
    fn accepts(&self, found: Option<&str>) -> bool {
        let is_among = || found.is_some_and(|found| self.values.iter().any(|value| value == found));
        let compares = |how: fn(&i64, &i64) -> bool| {
            let found = found.and_then(|found| found.parse().ok());
            let bound = self.values.first().and_then(|bound| bound.parse().ok());
            found.zip(bound).is_some_and(|(found, bound)| how(&found, &bound))
        };
        match self.operator.as_str() {
            "In" => is_among(),
            "NotIn" => !is_among(),
            "Exists" => found.is_some(),
            "DoesNotExist" => found.is_none(),
            "Gt" => compares(i64::gt),
            "Lt" => compares(i64::lt),
            _ => false,
        }
    }
}

fn read_term(term: &Value) -> Term {
    let read = |path: &str| list(term, path).iter().map(read_requirement).collect();
    Term { labels: read("/matchExpressions"), names: read("/matchFields") }
}

fn read_requirement(requirement: &Value) -> Requirement {
    Requirement {
        key: text(requirement, "/key").to_owned(),
        operator: text(requirement, "/operator").to_owned(),
        values: list(requirement, "/values").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn matches(spec: Value, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        NodeSelector::read(&json!({ "spec": spec })).matches("n1", &labels)
    }

    fn required(terms: Value) -> Value {
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}})
    }

    #[test]
    fn every_label_of_the_node_selector_has_to_be_there() {
        let spec = json!({"nodeSelector": {"disk": "ssd"}});
        assert!(
            matches(spec.clone(), &[("disk", "ssd"), ("zone", "a")]) && !matches(spec, &[("disk", "hdd")])
        );
    }

    #[test]
    fn one_term_has_to_hold_and_in_it_everything() {
        let spec = required(json!([
            {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}, {"key": "gpu", "operator": "Exists"}]},
            {"matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["8"]}]},
        ]));
        assert!(matches(spec.clone(), &[("zone", "a"), ("gpu", "")]));
        assert!(matches(spec.clone(), &[("cores", "16")]));
        assert!(!matches(spec.clone(), &[("zone", "a"), ("cores", "8")]));
    }

    #[test]
    fn names_match_and_empty_terms_do_not() {
        let by_name =
            json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]);
        assert!(matches(required(by_name), &[]));
        assert!(!matches(required(json!([{}])), &[]) && !matches(required(json!([])), &[]));
    }
}
