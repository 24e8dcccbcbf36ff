//! Defaults: those that the schema declares, then those that need code.

use serde_json::Value;

use crate::kind::Cx;
use crate::tables::{Schema, Type};

/// Fills in what upstream fills in when it decodes an object. Doing it twice changes nothing.
pub fn defaulted(object: &mut Value, cx: &Cx<'_>) {
    declared(object, cx.resource.schema());
    cx.resource.strategy.default(object, cx);
}

/// The defaults that fields declare (`+default=`), wherever the object around them is present.
fn declared(object: &mut Value, schema: &Type) {
    let Some(map) = object.as_object_mut() else { return };
    for (name, value) in map.iter_mut() {
        if let Some(field) = schema.field(name) {
            inside(value, &field.schema);
        }
    }
    for field in &schema.fields {
        let Some(default) = field.declared_default() else { continue };
        if map.get(field.name.as_ref()).is_none_or(Value::is_null) {
            map.insert(field.name.to_string(), default.clone());
        }
    }
}

fn inside(value: &mut Value, schema: &Schema) {
    match (schema, value) {
        (Schema::Object(inner), value) => declared(value, inner),
        (Schema::Array(element), Value::Array(list)) => list.iter_mut().for_each(|one| inside(one, element)),
        (Schema::Map(element), Value::Object(map)) => map.values_mut().for_each(|one| inside(one, element)),
        _ => {}
    }
}
