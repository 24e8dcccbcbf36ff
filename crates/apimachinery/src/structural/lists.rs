//! Lists that are sets or maps hold everything once (upstream: `pkg/apiserver/schema/listtype/validation.go`).

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{List, Structural};
use crate::status::{FieldError, Path};

/// Adds an error for everything that a set or a map holds more than once.
pub(crate) fn duplicates(object: &Value, schema: &Structural, errors: &mut Vec<FieldError>) {
    below(object, schema, &Path::of(""), errors);
}

fn below(value: &Value, schema: &Structural, at: &Path<'_>, errors: &mut Vec<FieldError>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                if let Some(any) = schema.of_any_key() {
                    below(value, any, &at.key(name), errors);
                }
                if let Some(property) = schema.properties.get(name) {
                    below(value, property, &at.child(name), errors);
                }
            }
        }
        Value::Array(list) => {
            match &schema.list {
                List::Atomic => {}
                List::Set => repeated(list, at, errors),
                List::Map(keys) => repeated_keys(list, keys, at, errors),
            }
            if let Some(items) = &schema.items {
                for (index, value) in list.iter().enumerate() {
                    below(value, items, &at.index(index), errors);
                }
            }
        }
        _ => {}
    }
}

fn repeated(list: &[Value], at: &Path<'_>, errors: &mut Vec<FieldError>) {
    for index in second_ones(list) {
        errors.push(at.index(index).duplicate(list[index].clone()));
    }
}

fn repeated_keys(list: &[Value], keys: &[String], at: &Path<'_>, errors: &mut Vec<FieldError>) {
    for (index, value) in list.iter().enumerate() {
        if !value.is_object() && !value.is_null() {
            let why = "must be an object for an array of list-type map";
            errors.push(at.index(index).invalid(value.clone(), why));
            return;
        }
    }
    let key = |value: &Value| {
        let found = keys.iter().filter_map(|key| Some((key.clone(), value.get(key)?.clone())));
        json!(found.collect::<Map<_, _>>())
    };
    repeated(&list.iter().map(key).collect::<Vec<_>>(), at, errors);
}

/// Where a value stands for the second time; a third says no more.
fn second_ones(list: &[Value]) -> Vec<usize> {
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut found = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let times = seen.entry(value.to_string()).or_default();
        *times += 1;
        if *times == 2 {
            found.push(index);
        }
    }
    found
}
