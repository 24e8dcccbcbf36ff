//! What policies and bindings match, and what they take as parameters.

use serde_json::{Value, json};

use crate::json::{default, items, text};
use crate::status::{FieldError, Path};
use crate::validation::{path_segment_faults, qualified_name_faults, selector};

/// `SetDefaults_MatchResources` and `SetDefaults_Rule`.
pub(super) fn default_match(matched: &mut Value) {
    if !matched.is_object() {
        return;
    }
    default(matched, "matchPolicy", "Equivalent");
    default(matched, "namespaceSelector", json!({}));
    default(matched, "objectSelector", json!({}));
    for list in ["resourceRules", "excludeResourceRules"] {
        for rule in matched.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            default(rule, "scope", "*");
        }
    }
}

/// `validateMatchResources`; nothing is wrong with what is absent.
pub(super) fn match_resources(matched: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if matched.is_null() {
        return;
    }
    match text(matched, "matchPolicy") {
        "" => errors.push(path.child("matchPolicy").required("")),
        "Equivalent" | "Exact" => {}
        other => errors.push(path.child("matchPolicy").not_supported(other, &["Equivalent", "Exact"])),
    }
    for field in ["namespaceSelector", "objectSelector"] {
        match &matched[field] {
            Value::Null => errors.push(path.child(field).required("")),
            found => selector(found, &path.child(field), errors),
        }
    }
    for field in ["resourceRules", "excludeResourceRules"] {
        let list = path.child(field);
        for (index, rule) in items(&matched[field]).iter().enumerate() {
            resource_names(&rule["resourceNames"], &list.index(index).child("resourceNames"), errors);
            operations(rule, &list.index(index), errors);
        }
    }
}

fn resource_names(names: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let mut seen = Vec::new();
    for (index, name) in items(names).iter().filter_map(Value::as_str).enumerate() {
        let path = path.index(index);
        errors.extend(path_segment_faults(name).iter().map(|fault| path.invalid(name, fault)));
        if seen.contains(&name) {
            errors.push(path.duplicate(name));
        }
        seen.push(name);
    }
}

/// `validateRuleWithOperations`.
fn operations(rule: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const KNOWN: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
    const SCOPES: [&str; 3] = ["*", "Cluster", "Namespaced"];
    let list = path.child("operations");
    let asked = required(rule, "operations", path, "operations", errors);
    for (index, operation) in asked.iter().enumerate() {
        let word = operation.as_str().unwrap_or_default();
        if !KNOWN.contains(&word) {
            errors.push(list.index(index).not_supported(word, &KNOWN));
        }
    }
    required(rule, "apiGroups", path, "API groups", errors);
    let versions = path.child("apiVersions");
    for (index, version) in required(rule, "apiVersions", path, "API versions", errors).iter().enumerate() {
        if version == "" {
            errors.push(versions.index(index).required(""));
        }
    }
    resources(rule, path, errors);
    let scope = text(rule, "scope");
    if !SCOPES.contains(&scope) {
        errors.push(path.child("scope").not_supported(scope, &SCOPES));
    }
}

/// A list that must not be empty, and in which `*` stands alone.
fn required<'a>(
    rule: &'a Value,
    field: &str,
    path: &Path<'_>,
    others: &str,
    errors: &mut Vec<FieldError>,
) -> &'a [Value] {
    let list = items(&rule[field]);
    if list.is_empty() {
        errors.push(path.child(field).required(""));
    }
    if list.len() > 1 && list.iter().any(|item| item == "*") {
        let why = format!("if '*' is present, must not specify other {others}");
        errors.push(path.child(field).invalid(rule[field].clone(), &why));
    }
    list
}

/// `validateResources`: what a wildcard covers may not be named again.
fn resources(rule: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let list = path.child("resources");
    let asked = items(&rule["resources"]);
    if asked.is_empty() {
        errors.push(list.required(""));
    }
    let names: Vec<&str> = asked.iter().filter_map(Value::as_str).collect();
    let mut clashes: Vec<&&str> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let place = list.index(index);
        if name.is_empty() {
            errors.push(place.required(""));
        }
        let (resource, subresource) = name.split_once('/').unwrap_or((name, ""));
        if name.contains('/') && subresource.is_empty() {
            errors.push(place.invalid(*name, "must be of the form resource/subresource"));
        }
        if resource == "*" && !subresource.is_empty() && subresource != "*" {
            clashes.extend(names.iter().filter(|other| {
                **other != *name && other.split_once('/').is_some_and(|(_, sub)| sub == subresource)
            }));
        }
        if subresource == "*" && resource != "*" {
            let prefix = format!("{resource}/");
            clashes.extend(names.iter().filter(|other| **other != *name && other.starts_with(&prefix)));
        }
    }
    for clash in clashes {
        let why = "must not be specified beside a wildcard that covers it";
        errors.push(list.invalid(*clash, why));
    }
    if names.len() > 1 && names.contains(&"*/*") {
        let why = "if '*/*' is present, must not specify other resources";
        errors.push(list.invalid(rule["resources"].clone(), why));
    }
}

/// `validateMatchConditions`, but for what is wrong inside an expression.
pub(super) fn match_conditions(conditions: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const MOST: usize = 64;
    let conditions = items(conditions);
    if conditions.len() > MOST {
        errors.push(path.too_many(conditions.len(), MOST));
    }
    let mut seen = Vec::new();
    for (index, condition) in conditions.iter().enumerate() {
        let path = path.index(index);
        if text(condition, "expression").trim().is_empty() {
            errors.push(path.child("expression").required(""));
        }
        let (name, place) = (text(condition, "name"), path.child("name"));
        if name.is_empty() {
            errors.push(place.required(""));
            continue;
        }
        errors.extend(qualified_name_faults(name).iter().map(|fault| place.invalid(name, fault)));
        if seen.contains(&name) {
            errors.push(place.duplicate(name));
        }
        seen.push(name);
    }
}

/// `validateParamRef`.
pub(super) fn param_ref(reference: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if reference.is_null() {
        return;
    }
    const BOTH: &str = "name and selector are mutually exclusive";
    let name = text(reference, "name");
    let chosen = !reference["selector"].is_null();
    if !name.is_empty() {
        errors.extend(path_segment_faults(name).iter().map(|fault| path.child("name").invalid(name, fault)));
        if chosen {
            errors.push(path.child("name").forbidden(BOTH));
        }
    }
    if chosen {
        selector(&reference["selector"], &path.child("selector"), errors);
        if !name.is_empty() {
            errors.push(path.child("selector").forbidden(BOTH));
        }
    }
    if name.is_empty() && !chosen {
        errors.push(path.required("one of name or selector must be specified"));
    }
    let action = path.child("parameterNotFoundAction");
    match text(reference, "parameterNotFoundAction") {
        "" => errors.push(action.required("")),
        "Allow" | "Deny" => {}
        other => errors.push(action.not_supported(other, &["Deny", "Allow"])),
    }
}
