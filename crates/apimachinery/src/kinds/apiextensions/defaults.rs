//! Whether the defaults of a schema are right by that schema (`pkg/apiserver/schema/defaulting/validation.go`).

use serde_json::{Value, json};

use crate::status::{FieldError, Path};
use crate::structural::rules::Rules;
use crate::structural::{self, META_FIELDS, Structural, value};

pub(super) fn check(schema: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    node(&Structural::read(schema), true, None, path, errors);
}

/// `within` is the path from the metadata of the resource that the schema stands in, if it stands in one.
fn node(
    schema: &Structural,
    is_root: bool,
    within: Option<&[&str]>,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    let within = if schema.embedded { None } else { within };
    if let Some(default) = &schema.default {
        let at = path.child("default");
        match within {
            Some(steps) => in_metadata(default, steps, schema, &at, errors),
            None => one(default, schema, &at, errors),
        }
    }
    if let Some(items) = &schema.items {
        node(items, false, within, &path.child("items"), errors);
    }
    let at = path.child("properties");
    for (name, property) in &schema.properties {
        let is_meta = (is_root || schema.embedded) && META_FIELDS.contains(&name.as_str());
        let below: Option<Vec<&str>> = match within {
            Some(steps) => Some(steps.iter().copied().chain([name.as_str()]).collect()),
            None => is_meta.then(|| vec![name.as_str()]),
        };
        node(property, false, below.as_deref(), &at.key(name), errors);
    }
}

fn one(default: &Value, schema: &Structural, at: &Path<'_>, errors: &mut Vec<FieldError>) {
    let mut pruned = default.clone();
    if structural::prune(&mut pruned, schema) {
        errors.push(at.invalid(default.clone(), "must not have unknown fields"));
    }
    let before = errors.len();
    structural::embedded_at(default, schema, at, errors);
    if errors.len() == before {
        errors.extend(value::faults(default, None, schema, &at.to_string()));
    }
    if errors.len() == before
        && let Some(rules) = Rules::of(schema)
    {
        rules.run(default, None, schema, &at.to_string(), errors);
    }
}

/// A default in metadata has to make metadata that is right.
fn in_metadata(
    default: &Value,
    steps: &[&str],
    schema: &Structural,
    at: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    let mut object = default.clone();
    for step in steps.iter().rev() {
        object = json!({ *step: object });
    }
    object["apiVersion"] = object.get("apiVersion").cloned().unwrap_or_else(|| json!("validation/v1"));
    object["kind"] = object.get("kind").cloned().unwrap_or_else(|| json!("Validation"));
    let resource = Structural { embedded: true, preserves_unknown: true, ..Structural::default() };
    let mut found = Vec::new();
    match structural::coerce(&mut object, &resource, false) {
        Err(error) => found.push(*error),
        Ok(_) => structural::embedded_at(&object, &resource, &Path::of(""), &mut found),
    }
    if let Some(first) = found.first() {
        errors.push(at.invalid(default.clone(), &format!("must result in valid metadata: {first}")));
        return;
    }
    errors.extend(value::faults(default, None, schema, &at.to_string()));
}
