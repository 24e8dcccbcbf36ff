//! Whether a value fulfils its schema, in the words of upstream's validator
//! (`k8s.io/kube-openapi/pkg/validation/validate`, `errors/schema.go`; field errors as
//! `k8s.io/apiextensions-apiserver/pkg/apiserver/validation/validation.go` makes them).
//!
//! On an update what was wrong before and did not change is tolerated (KEP-4008, `validation/ratcheting.go`): a value is
//! compared with the one it replaces, wherever maps and lists tell which that is.

mod format;
mod scalar;

use serde_json::Value;

use super::{Additional, Checks, List, Structural};
use crate::status::{Fault, FieldError};

pub(crate) use format::is_known as is_known_format;

/// Everything that is wrong with `value` at `path` (`""`: the object itself). With `old`, what stood there before.
pub(crate) fn faults(value: &Value, old: Option<&Value>, schema: &Structural, path: &str) -> Vec<FieldError> {
    node(value, old, schema, path).errors
}

/// What a check came to: errors, and how much was looked at, by which the best of several alternatives is chosen.
#[derive(Default)]
struct Outcome {
    errors: Vec<FieldError>,
    count: usize,
}

impl Outcome {
    fn merge(&mut self, other: Outcome) {
        self.errors.extend(other.errors);
        self.count += other.count;
    }

    fn add(&mut self, error: Option<FieldError>) {
        self.errors.extend(error);
    }
}

fn node(value: &Value, old: Option<&Value>, schema: &Structural, path: &str) -> Outcome {
    let mut outcome = checked(value, old, schema, path);
    if !outcome.errors.is_empty() && old == Some(value) {
        outcome.errors.clear();
    }
    outcome
}

fn checked(value: &Value, old: Option<&Value>, schema: &Structural, path: &str) -> Outcome {
    let mut outcome = Outcome { count: 1, ..Outcome::default() };
    outcome.add(scalar::of_type(value, schema, path));
    outcome.add(scalar::of_enum(value, &schema.checks, path));
    if value.is_null() {
        return outcome;
    }
    combined(value, old, &schema.checks, path, &mut outcome);
    match value {
        Value::String(text) => {
            outcome.count += 1;
            scalar::string(text, schema, path, &mut outcome.errors);
        }
        Value::Number(_) => {
            outcome.count += 1;
            scalar::number(value, &schema.checks, path, &mut outcome.errors);
        }
        Value::Array(list) => elements(list, old, schema, path, &mut outcome),
        Value::Object(_) => properties(value, old, schema, path, &mut outcome),
        Value::Null | Value::Bool(_) => {}
    }
    outcome
}

/// allOf, anyOf, oneOf, not.
fn combined(value: &Value, old: Option<&Value>, checks: &Checks, path: &str, outcome: &mut Outcome) {
    let tried = |schemas: &[Structural]| -> Vec<Outcome> {
        schemas.iter().map(|schema| checked(value, old, schema, path)).collect()
    };
    if !checks.any_of.is_empty() {
        let tried = tried(&checks.any_of);
        if !tried.iter().any(|one| one.errors.is_empty()) {
            outcome.errors.push(composite(path, "must validate at least one schema (anyOf)"));
            outcome.merge(best(tried));
        }
    }
    if !checks.one_of.is_empty() {
        let tried = tried(&checks.one_of);
        match tried.iter().filter(|one| one.errors.is_empty()).count() {
            1 => {}
            0 => {
                let words = "must validate one and only one schema (oneOf). Found none valid";
                outcome.errors.push(composite(path, words));
                outcome.merge(best(tried));
            }
            many => {
                let words =
                    format!("must validate one and only one schema (oneOf). Found {many} valid alternatives");
                outcome.errors.push(composite(path, &words));
            }
        }
    }
    if !checks.all_of.is_empty() {
        let tried = tried(&checks.all_of);
        let valid = tried.iter().filter(|one| one.errors.is_empty()).count();
        let all = tried.len();
        tried.into_iter().for_each(|one| outcome.merge(one));
        if valid != all {
            let none = if valid == 0 { ". None validated" } else { "" };
            outcome.errors.push(composite(path, &format!("must validate all the schemas (allOf){none}")));
        }
    }
    if let Some(not) = &checks.not
        && checked(value, old, not, path).errors.is_empty()
    {
        outcome.errors.push(composite(path, "must not validate the schema (not)"));
    }
}

/// The failure that got furthest; the first of equals.
fn best(tried: Vec<Outcome>) -> Outcome {
    let mut best = Outcome::default();
    for (index, one) in tried.into_iter().enumerate() {
        if index == 0 || one.count > best.count {
            best = one;
        }
    }
    best
}

/// What no single field is to blame for; upstream has no path for it.
fn composite(path: &str, words: &str) -> FieldError {
    let detail = format!("{} {words}", crate::status::quoted(path));
    FieldError { fault: Fault::Invalid, field: "<nil>".to_owned(), bad: Some("".into()), detail }
}

fn elements(list: &[Value], old: Option<&Value>, schema: &Structural, path: &str, outcome: &mut Outcome) {
    outcome.count += 1;
    if let Some(items) = &schema.items {
        for (index, value) in list.iter().enumerate() {
            let before = old.and_then(|old| counterpart(value, old, &schema.list));
            outcome.merge(node(value, before, items, &format!("{path}[{index}]")));
        }
    }
    let Checks { min_items, max_items, unique_items, .. } = &schema.checks;
    let size = list.len() as u64;
    if let Some(least) = min_items.filter(|least| size < *least) {
        let words = format!("{path} in body should have at least {least} items");
        outcome.errors.push(error(Fault::Invalid, path, Some(size.into()), words));
    }
    if let Some(most) = max_items.filter(|most| size > *most) {
        outcome.errors.push(too_many(path, size, most));
    }
    if *unique_items && (1..list.len()).any(|index| list[..index].contains(&list[index])) {
        let words = format!("{path} in body shouldn't contain duplicates");
        outcome.errors.push(error(Fault::Invalid, path, Some("".into()), words));
    }
}

fn too_many(path: &str, size: u64, most: u64) -> FieldError {
    let items = if most == 1 { "item" } else { "items" };
    error(Fault::TooMany, path, Some(size.into()), format!("must have at most {most} {items}"))
}

/// The element of the old list that one of the new list replaces: by its keys. Other lists don't tell.
pub(crate) fn counterpart<'v>(value: &Value, old: &'v Value, list: &List) -> Option<&'v Value> {
    let List::Map(keys) = list else { return None };
    let same = |other: &&Value| keys.iter().all(|key| other.get(key) == value.get(key));
    old.as_array()?.iter().find(same)
}

fn properties(value: &Value, old: Option<&Value>, schema: &Structural, path: &str, outcome: &mut Outcome) {
    outcome.count += 1;
    let Some(map) = value.as_object() else { return };
    let Checks { min_properties, max_properties, required, .. } = &schema.checks;
    let size = map.len() as u64;
    if let Some(least) = min_properties.filter(|least| size < *least) {
        let words = format!("{path} in body should have at least {least} properties");
        outcome.errors.push(error(Fault::Invalid, path, Some(size.into()), words));
    }
    if let Some(most) = max_properties.filter(|most| size > *most) {
        outcome.errors.push(too_many(path, size, most));
    }
    for (name, value) in map {
        // Kind and version of the object itself are never ratcheted.
        let is_type = path.is_empty() && matches!(name.as_str(), "kind" | "apiVersion");
        let before = old.and_then(|old| old.get(name)).filter(|_| !is_type);
        match (schema.properties.get(name), &schema.additional) {
            (Some(property), _) => outcome.merge(node(value, before, property, &joined(path, name))),
            (None, Some(Additional::Of(any))) => {
                outcome.merge(node(value, before, any, &format!("{path}.{name}")));
            }
            (None, Some(Additional::Any(false))) => {
                let words = format!("{path}.{name} in body is a forbidden property");
                outcome.errors.push(error(Fault::Invalid, path, Some(name.as_str().into()), words));
            }
            (None, _) => {}
        }
    }
    for name in required.iter().filter(|name| !map.contains_key(*name)) {
        outcome.errors.push(error(Fault::Required, &format!("{path}.{name}"), None, String::new()));
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// An error at a path as upstream spells it: a leading dot goes, and no path is `<nil>`.
fn error(fault: Fault, path: &str, bad: Option<Value>, detail: String) -> FieldError {
    let field = match path.trim_start_matches('.') {
        "" => "<nil>".to_owned(),
        path => path.to_owned(),
    };
    FieldError { fault, field, bad, detail }
}
