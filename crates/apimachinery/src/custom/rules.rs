//! What a write of a custom resource has to keep (`pkg/registry/customresource/{strategy,status_strategy,validator}.go`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Custom;
use crate::json::{items, remove};
use crate::kind::{Cx, Strategy};
use crate::status::{Fault, FieldError, Path};
use crate::structural::rules::Rules;
use crate::structural::{self, value};

impl Strategy for Custom {
    fn default(&self, object: &mut Value, _: &Cx) {
        structural::default(object, self.schema());
        structural::drop_nulls(object, Some(self.schema()));
    }

    fn prepare_create(&self, object: &mut Value, _: &Cx) {
        if self.has_status {
            remove(object, "status");
        }
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, cx: &Cx) {
        if cx.is_status() {
            let managed = new["metadata"].get("managedFields").cloned();
            new["metadata"] = old["metadata"].clone();
            if let Some(managed) = managed {
                new["metadata"]["managedFields"] = managed;
            }
        }
    }

    fn validate_create(&self, object: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let schema = self.schema();
        errors.extend(value::faults(object, None, schema, ""));
        self.check_scale_spec(object, errors);
        self.check_scale_status(object, errors);
        structural::embedded(object, schema, errors);
        structural::duplicates(object, schema, errors);
        self.check_rules(object, None, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        let schema = self.schema();
        if cx.is_status() {
            self.validate_status(new, old, errors);
        } else {
            errors.extend(value::faults(new, Some(old), schema, ""));
            self.check_scale_spec(new, errors);
            self.check_scale_status(new, errors);
            structural::embedded(new, schema, errors);
        }
        let mut known = Vec::new();
        structural::duplicates(old, schema, &mut known);
        if known.is_empty() {
            structural::duplicates(new, schema, errors);
        }
        self.check_rules(new, Some(old), errors);
    }

    fn warnings(&self, object: &Value, _: &Cx) -> Vec<String> {
        items(&object["metadata"]["finalizers"])
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| !name.contains('/') && !["orphan", "foregroundDeletion"].contains(name))
            .map(|name| {
                format!(
                    "metadata.finalizers: \"{name}\": prefer a domain-qualified finalizer name including a path (/) \
                     to avoid accidental conflicts with other finalizer writers"
                )
            })
            .collect()
    }

    fn has_generation(&self) -> bool {
        true
    }

    /// Anything but metadata.
    fn bumps_generation(&self, old: &Value, new: &Value) -> bool {
        let rest = |object: &Value| {
            let mut rest = object.clone();
            remove(&mut rest, "metadata");
            rest
        };
        rest(old) != rest(new)
    }

    fn selectable(&self, object: &Value) -> BTreeMap<String, String> {
        let value = |found: Option<&&Value>| match found {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let fields = self.definition.selectable.iter();
        fields.map(|field| (field.name.clone(), value(field.path.find(object).first()))).collect()
    }

    fn refuses_selector(&self, field: &str) -> Option<String> {
        let known = self.selectable_paths().any(|path| path == field);
        (!known).then(|| format!("field label not supported: {field}"))
    }

    fn takes_any_finalizer(&self) -> bool {
        true
    }

    fn allows_unconditional_update(&self) -> bool {
        false
    }
}

impl Custom {
    fn validate_status(&self, new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
        let schema = self.schema();
        if let Some(status) = schema.properties.get("status")
            && let Some(found) = new.get("status")
        {
            errors.extend(value::faults(found, old.get("status"), status, "status"));
        }
        self.check_scale_status(new, errors);
    }

    /// Rules in CEL come last, and not at all where they could not be told what they look at.
    fn check_rules(&self, new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
        let blocks = |error: &FieldError| {
            matches!(
                error.fault,
                Fault::NotSupported | Fault::Required | Fault::TooLong | Fault::TooMany | Fault::TypeInvalid
            )
        };
        if self.has_rules() && errors.iter().any(blocks) {
            errors.push(FieldError {
                fault: Fault::Invalid,
                field: "<nil>".to_owned(),
                bad: Some(json!("null")),
                detail: "some validation rules were not checked because the object was invalid; correct the existing \
                         errors to complete validation"
                    .to_owned(),
            });
        } else if let Some(rules) = self.rules() {
            rules.run(new, old, self.schema(), "", errors);
        }
    }

    fn has_rules(&self) -> bool {
        self.rules().is_some()
    }

    /// Compiled when first needed: most definitions are served without one write.
    fn rules(&self) -> Option<&Rules> {
        self.rules.get_or_init(|| Rules::of(self.schema())).as_ref()
    }

    fn check_scale_spec(&self, object: &Value, errors: &mut Vec<FieldError>) {
        if let Some(scale) = &self.scale {
            check_count(object, &scale.spec_replicas, errors);
        }
    }

    fn check_scale_status(&self, object: &Value, errors: &mut Vec<FieldError>) {
        let Some(scale) = &self.scale else { return };
        check_count(object, &scale.status_replicas, errors);
        let Some(pointer) = &scale.label_selector else { return };
        if let Some(found) = object.pointer(pointer).filter(|found| !found.is_string() && !found.is_null()) {
            let path = pointer.replace('/', ".");
            let why =
                format!("{path} accessor error: {found} is of the type {}, expected string", go_type(found));
            errors.push(Path::of(&path).invalid("", &why));
        }
    }
}

fn check_count(object: &Value, pointer: &str, errors: &mut Vec<FieldError>) {
    let Some(found) = object.pointer(pointer).filter(|found| !found.is_null()) else { return };
    let path = pointer.replace('/', ".");
    let at = Path::of(&path);
    match found.as_i64() {
        None => {
            let why =
                format!("{path} accessor error: {found} is of the type {}, expected int64", go_type(found));
            errors.push(at.invalid(0, &why));
        }
        Some(count) if count < 0 => errors.push(at.invalid(count, "should be a non-negative integer")),
        Some(count) if count > i64::from(i32::MAX) => {
            errors.push(at.invalid(count, &format!("should be less than or equal to {}", i32::MAX)));
        }
        Some(_) => {}
    }
}

/// As Go prints the type of a decoded value.
pub(super) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// An object's Scale numbers and selector, as [`super::Scale`] finds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub wanted: Option<i64>,
    pub has: i64,
    pub selector: Option<String>,
}

impl super::Scale {
    /// Reads them off an object.
    #[must_use]
    pub fn read(&self, object: &Value) -> Found {
        Found {
            wanted: object.pointer(&self.spec_replicas).and_then(Value::as_i64),
            has: object.pointer(&self.status_replicas).and_then(Value::as_i64).unwrap_or(0),
            selector: self
                .label_selector
                .as_ref()
                .and_then(|pointer| object.pointer(pointer)?.as_str())
                .filter(|selector| !selector.is_empty())
                .map(str::to_owned),
        }
    }

    /// The object with another wanted number.
    pub fn write(&self, object: &mut Value, wanted: i64) {
        let mut place = object;
        for name in self.spec_replicas.split('/').skip(1) {
            if !place.is_object() {
                *place = json!({});
            }
            place = &mut place[name];
        }
        *place = json!(wanted);
    }
}
