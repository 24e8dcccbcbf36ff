//! Pruning: fields that a schema doesn't know are left out, and told
//! (upstream: `pkg/apiserver/schema/pruning/algorithm.go`).

use serde_json::Value;

use super::{META_FIELDS, Structural};

/// Prunes a whole object; gives the paths of what was taken out, in their order: `spec.a`, `spec.list[0].b`.
pub(crate) fn prune_root(object: &mut Value, schema: &Structural) -> Vec<String> {
    let mut pruner = Pruner { unknown: Vec::new() };
    pruner.resource(object, schema, &mut String::new());
    pruner.unknown.sort();
    pruner.unknown
}

/// Prunes a value; whether anything was taken out.
pub(crate) fn prune(value: &mut Value, schema: &Structural) -> bool {
    let mut pruner = Pruner { unknown: Vec::new() };
    match schema.embedded {
        true => pruner.resource(value, schema, &mut String::new()),
        false => pruner.value(value, Some(schema), &mut String::new()),
    }
    !pruner.unknown.is_empty()
}

struct Pruner {
    unknown: Vec<String>,
}

impl Pruner {
    /// A resource keeps its kind, version and metadata, whatever the schema says.
    fn resource(&mut self, value: &mut Value, schema: &Structural, at: &mut String) {
        match schema.preserves_unknown {
            true => self.kept(value, schema, true, at),
            false => self.known(value, Some(schema), true, at),
        }
    }

    fn value(&mut self, value: &mut Value, schema: Option<&Structural>, at: &mut String) {
        match schema {
            Some(schema) if schema.preserves_unknown => self.kept(value, schema, schema.embedded, at),
            schema => self.known(value, schema, schema.is_some_and(|schema| schema.embedded), at),
        }
    }

    fn known(&mut self, value: &mut Value, schema: Option<&Structural>, is_resource: bool, at: &mut String) {
        match value {
            Value::Object(map) => {
                let mut unknown = Vec::new();
                for (key, value) in map.iter_mut() {
                    if is_resource && META_FIELDS.contains(&key.as_str()) {
                        continue;
                    }
                    let Some(schema) = schema else {
                        unknown.push(key.clone());
                        continue;
                    };
                    match (schema.properties.get(key), &schema.additional) {
                        (Some(property), _) => self.below(value, Some(property), key, at),
                        (None, Some(_)) => self.below(value, schema.of_any_key(), key, at),
                        (None, None) => unknown.push(key.clone()),
                    }
                }
                for key in unknown {
                    map.remove(&key);
                    self.unknown.push(if at.is_empty() { key } else { format!("{at}.{key}") });
                }
            }
            Value::Array(list) => {
                let schema = schema.and_then(|schema| schema.items.as_deref());
                self.elements(list, at, |pruner, value, at| pruner.value(value, schema, at));
            }
            _ => {}
        }
    }

    /// Unknown fields stay; what is specified below is pruned all the same.
    fn kept(&mut self, value: &mut Value, schema: &Structural, is_resource: bool, at: &mut String) {
        match value {
            Value::Object(map) => {
                for (key, value) in map.iter_mut() {
                    if is_resource && META_FIELDS.contains(&key.as_str()) {
                        continue;
                    }
                    match (schema.properties.get(key), &schema.additional) {
                        (Some(property), _) => self.below(value, Some(property), key, at),
                        (None, Some(_)) => self.below(value, schema.of_any_key(), key, at),
                        (None, None) => {}
                    }
                }
            }
            Value::Array(list) => {
                let Some(items) = &schema.items else { return };
                self.elements(list, at, |pruner, value, at| {
                    pruner.kept(value, items, items.embedded, at);
                });
            }
            _ => {}
        }
    }

    fn below(&mut self, value: &mut Value, schema: Option<&Structural>, key: &str, at: &mut String) {
        // `additionalProperties: true` keeps what it can't describe: nothing, as upstream has it.
        let length = at.len();
        if !at.is_empty() {
            at.push('.');
        }
        at.push_str(key);
        self.value(value, schema, at);
        at.truncate(length);
    }

    fn elements(
        &mut self,
        list: &mut [Value],
        at: &mut String,
        prune: impl Fn(&mut Pruner, &mut Value, &mut String),
    ) {
        let length = at.len();
        for (index, value) in list.iter_mut().enumerate() {
            at.push_str(&format!("[{index}]"));
            prune(self, value, at);
            at.truncate(length);
        }
    }
}
