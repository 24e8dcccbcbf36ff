//! `metadata`, at creation and on update (`k8s.io/apimachinery/pkg/api/validation/objectmeta.go`).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::names::{NameRule, label_value_faults, qualified_name_faults};
use super::{FieldError, Path};

/// The most that all keys and values of `metadata.annotations` may hold together, in bytes.
const ANNOTATIONS_MAX: usize = 256 * 1024;
const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// Checks the metadata of any object.
pub fn metadata(meta: &Value, namespaced: bool, rule: NameRule, errors: &mut Vec<FieldError>) {
    let path = Path::of("metadata");
    metadata_at(meta, namespaced, rule, &path, errors);
    standard_finalizers(&meta["finalizers"], &path.child("finalizers"), errors);
}

/// Kubernetes' own kinds take no finalizer that is neither known nor somebody's by its name
/// (`pkg/apis/core/validation/validation.go`, validateKubeFinalizerName).
fn standard_finalizers(finalizers: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for name in strings(finalizers) {
        if !name.contains('/') && ![ORPHAN, FOREGROUND, "kubernetes"].contains(&name) {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(path.invalid(name, why));
        }
    }
}

/// Checks the metadata of any object, custom ones included, at a path that may lie deep within another object.
pub fn metadata_at(
    meta: &Value,
    namespaced: bool,
    rule: NameRule,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    names(meta, rule, path, errors);
    namespace(meta, namespaced, path, errors);
    non_negative(&meta["generation"], &path.child("generation"), errors);
    labels(&meta["labels"], &path.child("labels"), errors);
    annotations(&meta["annotations"], &path.child("annotations"), errors);
    owners(&meta["ownerReferences"], &path.child("ownerReferences"), errors);
    finalizers(&meta["finalizers"], &path.child("finalizers"), errors);
}

/// Checks what an update may not do to metadata. What only the server sets has been carried over before.
pub fn metadata_update(new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let path = Path::of("metadata");
    if !old["deletionTimestamp"].is_null() {
        new_finalizers(&new["finalizers"], &old["finalizers"], &path.child("finalizers"), errors);
    }
    for name in
        ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"]
    {
        immutable(&new[name], &old[name], &path.child(name), errors);
    }
}

/// Refuses a difference. The words are upstream's `ValidateImmutableField`.
pub fn immutable(new: &Value, old: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if new != old {
        errors.push(path.invalid(new.clone(), "field is immutable"));
    }
}

/// Refuses a number below zero. Absent is right.
pub fn non_negative(value: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if value.as_i64().is_some_and(|number| number < 0) {
        errors.push(path.invalid(value.clone(), "must be greater than or equal to 0"));
    }
}

/// Checks a map of labels.
pub fn labels(labels: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for (key, value) in entries(labels) {
        let text = value.as_str().unwrap_or_default();
        errors.extend(qualified_name_faults(key).iter().map(|fault| path.invalid(key.as_str(), fault)));
        errors.extend(label_value_faults(text).iter().map(|fault| path.invalid(text, fault)));
    }
}

/// Checks a `metav1.LabelSelector` (`pkg/apis/meta/v1/validation/validation.go`, ValidateLabelSelector).
pub fn selector(selector: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    labels(&selector["matchLabels"], &path.child("matchLabels"), errors);
    let expressions = path.child("matchExpressions");
    for (index, expression) in selector["matchExpressions"].as_array().into_iter().flatten().enumerate() {
        selector_expression(expression, &expressions.index(index), errors);
    }
}

fn selector_expression(expression: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let values = expression["values"].as_array().map_or(&[][..], Vec::as_slice);
    let operator = expression["operator"].as_str().unwrap_or_default();
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            errors
                .push(path.child("values").required("must be specified when `operator` is 'In' or 'NotIn'"));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(path.child("values").forbidden(why));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => errors.push(path.child("operator").invalid(other, "not a valid selector operator")),
    }
    let key = expression["key"].as_str().unwrap_or_default();
    errors.extend(qualified_name_faults(key).iter().map(|fault| path.child("key").invalid(key, fault)));
    let at = path.child("values");
    for (index, value) in values.iter().enumerate() {
        let text = value.as_str().unwrap_or_default();
        errors.extend(label_value_faults(text).iter().map(|fault| at.index(index).invalid(text, fault)));
    }
}

fn names(meta: &Value, rule: NameRule, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let prefix = meta["generateName"].as_str().unwrap_or_default();
    if !prefix.is_empty() {
        let faults = rule.faults(prefix, true);
        errors.extend(faults.iter().map(|fault| path.child("generateName").invalid(prefix, fault)));
    }
    match meta["name"].as_str().unwrap_or_default() {
        "" => errors.push(path.child("name").required("name or generateName is required")),
        name => {
            let faults = rule.faults(name, false);
            errors.extend(faults.iter().map(|fault| path.child("name").invalid(name, fault)));
        }
    }
}

fn namespace(meta: &Value, namespaced: bool, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let path = path.child("namespace");
    match (meta["namespace"].as_str().unwrap_or_default(), namespaced) {
        ("", true) => errors.push(path.required("")),
        ("", false) => {}
        (_, false) => errors.push(path.forbidden("not allowed on this type")),
        (name, true) => {
            errors.extend(NameRule::Label.faults(name, false).iter().map(|fault| path.invalid(name, fault)));
        }
    }
}

/// Checks a map of annotations.
pub fn annotations(annotations: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let mut size = 0;
    for (key, value) in entries(annotations) {
        let faults = qualified_name_faults(&key.to_lowercase());
        errors.extend(faults.iter().map(|fault| path.invalid(key.as_str(), fault)));
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS_MAX {
        errors.push(path.too_long(ANNOTATIONS_MAX));
    }
}

fn owners(owners: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let mut controller: Option<&str> = None;
    for owner in owners.as_array().into_iter().flatten() {
        one_owner(owner, path, errors);
        if owner["controller"] != Value::Bool(true) {
            continue;
        }
        let name = owner["name"].as_str().unwrap_or_default();
        if let Some(first) = controller {
            let why = format!(
                "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {name}"
            );
            errors.push(path.invalid(owners.clone(), &why));
        }
        controller = Some(name);
    }
}

fn one_owner(owner: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let text = |name: &str| owner[name].as_str().unwrap_or_default();
    let version = text("apiVersion").rsplit('/').next().unwrap_or_default();
    if version.is_empty() {
        errors.push(path.child("apiVersion").invalid(text("apiVersion"), "version must not be empty"));
    }
    for name in ["kind", "name", "uid"] {
        if text(name).is_empty() {
            errors.push(path.child(name).invalid("", "must not be empty"));
        }
    }
    if text("kind") == "Event" && ["v1", "events.k8s.io/v1"].contains(&text("apiVersion")) {
        let why = format!("{}, Kind=Event is disallowed from being an owner", text("apiVersion"));
        errors.push(path.invalid(owner.clone(), &why));
    }
}

fn finalizers(finalizers: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let names = strings(finalizers);
    for name in &names {
        errors.extend(qualified_name_faults(name).iter().map(|fault| path.invalid(*name, fault)));
    }
    if names.contains(ORPHAN) && names.contains(FOREGROUND) {
        let why = format!("finalizer {ORPHAN} and {FOREGROUND} cannot be both set");
        errors.push(path.invalid(finalizers.clone(), &why));
    }
}

fn new_finalizers(new: &Value, old: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let (new, old) = (strings(new), strings(old));
    let added: Vec<&str> = new.difference(&old).copied().collect();
    if !added.is_empty() {
        let list: Vec<String> = added.iter().map(|name| format!("\"{name}\"")).collect();
        errors.push(path.forbidden(&format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            list.join(", ")
        )));
    }
}

fn entries(map: &Value) -> impl Iterator<Item = (&String, &Value)> {
    map.as_object().into_iter().flat_map(Map::iter)
}

fn strings(list: &Value) -> BTreeSet<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(meta: &Value) -> Vec<String> {
        let mut errors = Vec::new();
        metadata(meta, true, NameRule::Subdomain, &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    fn with(name: &str, value: Value) -> Value {
        let mut meta = json!({"name": "a", "namespace": "b"});
        meta[name] = value;
        meta
    }

    #[test]
    fn good_metadata_passes() {
        let meta = json!({"name": "a", "namespace": "b", "labels": {"x/y": "Z"}, "annotations": {"Any.Case/K": "ü\n"},
            "finalizers": ["orphan", "example.com/f"],
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u", "controller": true}]});
        assert_eq!(said(&meta), [""; 0]);
    }

    #[test]
    fn bad_metadata_is_refused_field_by_field() {
        let owner = |controller: bool| json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": controller});
        let cases = [
            (json!({"namespace": "b"}), "metadata.name: Required value: name or generateName is required"),
            (json!({"name": "a"}), "metadata.namespace: Required value"),
            (
                with("name", json!("A")),
                "metadata.name: Invalid value: \"A\": a lowercase RFC 1123 subdomain must",
            ),
            (
                with("generation", json!(-1)),
                "metadata.generation: Invalid value: -1: must be greater than or equal to 0",
            ),
            (
                with("labels", json!({"a b": ""})),
                "metadata.labels: Invalid value: \"a b\": name part must consist of",
            ),
            (
                with("labels", json!({"a": "b c"})),
                "metadata.labels: Invalid value: \"b c\": a valid label must be",
            ),
            (
                with("annotations", json!({"a": "x".repeat(262_144)})),
                "metadata.annotations: Too long: may not be more than 262144 bytes",
            ),
            (
                with("finalizers", json!(["mine"])),
                "metadata.finalizers: Invalid value: \"mine\": name is neither a standard finalizer name nor is it fully qualified",
            ),
            (
                with("ownerReferences", json!([{"apiVersion": "", "kind": "Pod", "name": "p", "uid": "u"}])),
                "metadata.ownerReferences.apiVersion: Invalid value: \"\": version must not be empty",
            ),
            (
                with("ownerReferences", json!([owner(true), owner(true)])),
                "metadata.ownerReferences: Invalid value: [{",
            ),
        ];
        for (meta, expected) in cases {
            let said = said(&meta);
            assert!(said.len() == 1 && said[0].starts_with(expected), "{said:?} is not {expected}");
        }
    }

    #[test]
    fn an_update_keeps_identity_and_adds_no_finalizer_to_what_is_going() {
        let old = json!({"name": "a", "uid": "1", "deletionTimestamp": "t", "finalizers": ["a/b"]});
        let new = json!({"name": "a", "uid": "2", "deletionTimestamp": "t", "finalizers": ["a/b", "c/d"]});
        let mut errors = Vec::new();
        metadata_update(&new, &old, &mut errors);
        let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"c/d\"}",
                "metadata.uid: Invalid value: \"2\": field is immutable",
            ]
        );
    }

    #[test]
    fn a_selector_is_checked_expression_by_expression() {
        let mut errors = Vec::new();
        let value =
            json!({"matchExpressions": [{"key": "a", "operator": "In"}, {"key": "b", "operator": "Near"}]});
        selector(&value, &Path::of("spec.selector"), &mut errors);
        let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
                "spec.selector.matchExpressions[1].operator: Invalid value: \"Near\": not a valid selector operator",
            ]
        );
    }
}
