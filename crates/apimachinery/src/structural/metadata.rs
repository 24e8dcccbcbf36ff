//! The metadata of objects and of resources embedded in them: brought into shape, and checked
//! (upstream: `pkg/apiserver/schema/objectmeta`).

use serde_json::{Value, json};

use super::Structural;
use crate::decode::shape;
use crate::json::text;
use crate::status::{FieldError, Path};
use crate::tables::{self, TypeRef};
use crate::validation::{self, NameRule, service_name_faults};

/// What of the metadata can't be kept.
pub(crate) type Malformed = FieldError;

/// Brings kind, version and metadata of an object and of every embedded resource into shape; gives what was unknown in
/// the metadata. With `lenient`, what is malformed is left out (an object that was stored), else it is refused.
pub(crate) fn coerce(
    object: &mut Value,
    schema: &Structural,
    lenient: bool,
) -> Result<Vec<String>, Box<Malformed>> {
    let mut coercer = Coercer { unknown: Vec::new(), lenient };
    coercer.below(object, Some(schema), true, &Path::of(""))?;
    coercer.unknown.sort();
    Ok(coercer.unknown)
}

struct Coercer {
    unknown: Vec<String>,
    lenient: bool,
}

impl Coercer {
    fn below(
        &mut self,
        value: &mut Value,
        schema: Option<&Structural>,
        is_resource: bool,
        at: &Path<'_>,
    ) -> Result<(), Box<Malformed>> {
        let Some(schema) = schema else { return Ok(()) };
        match value {
            Value::Object(_) => {
                if is_resource {
                    self.resource(value, at)?;
                }
                let Some(map) = value.as_object_mut() else { return Ok(()) };
                for (name, value) in map.iter_mut() {
                    let (below, at) = match schema.properties.get(name) {
                        Some(property) => (Some(property), at.child(name)),
                        None => (schema.of_any_key(), at.key(name)),
                    };
                    self.below(value, below, below.is_some_and(|schema| schema.embedded), &at)?;
                }
            }
            Value::Array(list) => {
                let items = schema.items.as_deref();
                for (index, value) in list.iter_mut().enumerate() {
                    self.below(value, items, items.is_some_and(|schema| schema.embedded), &at.index(index))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn resource(&mut self, value: &mut Value, at: &Path<'_>) -> Result<(), Box<Malformed>> {
        for name in ["apiVersion", "kind"] {
            let Some(found) = value.get(name) else { continue };
            if !found.is_string() {
                if !self.lenient {
                    return Err(Box::new(at.child(name).invalid(found.clone(), "must be a string")));
                }
                crate::json::remove(value, name);
            }
        }
        let Some(found) = value.get("metadata").cloned() else { return Ok(()) };
        let at = at.child("metadata");
        let mut metadata = found.clone();
        match shape::conform_at(&mut metadata, &object_meta(), &at) {
            Ok(unknown) => self.unknown.extend(unknown),
            Err(_) if self.lenient => metadata = without_malformed(found),
            Err(error) => return Err(Box::new(at.invalid(found, &error.to_string()))),
        }
        value["metadata"] = metadata;
        Ok(())
    }
}

/// Field by field, what can be read.
fn without_malformed(metadata: Value) -> Value {
    let Value::Object(fields) = metadata else { return json!({}) };
    let readable = fields.into_iter().filter_map(|(name, value)| {
        let mut alone = json!({ &*name: value });
        shape::conform_at(&mut alone, &object_meta(), &Path::of("metadata")).ok()?;
        let value = alone.as_object_mut()?.remove(&name)?;
        Some((name, value))
    });
    Value::Object(readable.collect())
}

pub(crate) fn object_meta() -> TypeRef {
    tables::types()
        .get("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
        .expect("every version of the API has ObjectMeta")
}

/// Adds an error for everything that is wrong with embedded resources. The object itself is checked elsewhere.
pub(crate) fn embedded(object: &Value, schema: &Structural, errors: &mut Vec<FieldError>) {
    walk(object, Some(schema), &Path::of(""), errors, false);
}

/// As [`embedded`], of a value that may itself be one.
pub(crate) fn embedded_at(value: &Value, schema: &Structural, at: &Path<'_>, errors: &mut Vec<FieldError>) {
    walk(value, Some(schema), at, errors, schema.embedded);
}

fn walk(
    value: &Value,
    schema: Option<&Structural>,
    at: &Path<'_>,
    errors: &mut Vec<FieldError>,
    is_resource: bool,
) {
    let Some(schema) = schema else { return };
    match value {
        Value::Object(map) => {
            if is_resource {
                resource(value, at, errors);
            }
            for (name, value) in map {
                match schema.properties.get(name) {
                    Some(property) => walk(value, Some(property), &at.child(name), errors, property.embedded),
                    None => {
                        let any = schema.of_any_key();
                        walk(value, any, &at.key(name), errors, any.is_some_and(|any| any.embedded));
                    }
                }
            }
        }
        Value::Array(list) => {
            let items = schema.items.as_deref();
            for (index, value) in list.iter().enumerate() {
                walk(value, items, &at.index(index), errors, items.is_some_and(|items| items.embedded));
            }
        }
        _ => {}
    }
}

fn resource(value: &Value, at: &Path<'_>, errors: &mut Vec<FieldError>) {
    let version = at.child("apiVersion");
    match value.get("apiVersion") {
        None => errors.push(version.required("")),
        Some(Value::String(text)) if text.is_empty() => {
            errors.push(version.invalid("", "must not be empty"));
        }
        Some(Value::String(text)) if text.matches('/').count() > 1 => {
            let why = format!("unexpected GroupVersion string: {text}");
            errors.push(version.invalid(text.as_str(), &why));
        }
        Some(Value::String(_)) => {}
        Some(other) => errors.push(version.invalid(other.clone(), "must be a string")),
    }
    let kind = at.child("kind");
    match value.get("kind") {
        None => errors.push(kind.required("")),
        Some(Value::String(text)) if text.is_empty() => errors.push(kind.invalid("", "must not be empty")),
        Some(Value::String(text)) => {
            let faults = service_name_faults(&text.to_lowercase());
            if !faults.is_empty() {
                let why = format!("may have mixed case, but should otherwise match: {}", faults.join(","));
                errors.push(kind.invalid(text.as_str(), &why));
            }
        }
        Some(other) => errors.push(kind.invalid(other.clone(), "must be a string")),
    }
    if let Some(metadata) = value.get("metadata") {
        let mut metadata = metadata.clone();
        if text(&metadata, "name").is_empty() {
            metadata["name"] = json!("fakename");
        }
        let namespaced = !text(&metadata, "namespace").is_empty();
        validation::metadata_at(&metadata, namespaced, NameRule::PathSegment, &at.child("metadata"), errors);
    }
}
