//! Defaults that a schema declares, and nulls that it doesn't allow
//! (upstream: `pkg/apiserver/schema/defaulting/{algorithm,prunenulls}.go`).

use serde_json::Value;

use super::Structural;

/// Fills in every default whose field is absent, or null where null is no value. Doing it twice changes nothing.
pub(crate) fn default(value: &mut Value, schema: &Structural) {
    match value {
        Value::Object(map) => {
            for (name, property) in &schema.properties {
                let Some(default) = &property.default else { continue };
                match map.get(name) {
                    None => {}
                    Some(found) if is_forbidden_null(found, property) => {}
                    Some(_) => continue,
                }
                map.insert(name.clone(), default.clone());
            }
            for (name, value) in map.iter_mut() {
                match schema.properties.get(name) {
                    Some(property) => self::default(value, property),
                    None => in_place(value, schema.of_any_key()),
                }
            }
        }
        Value::Array(list) => {
            for value in list {
                in_place(value, schema.items.as_deref());
            }
        }
        _ => {}
    }
}

fn in_place(value: &mut Value, schema: Option<&Structural>) {
    let Some(schema) = schema else { return };
    if is_forbidden_null(value, schema) {
        *value = schema.default.clone().unwrap_or_default();
    }
    default(value, schema);
}

/// Takes away every null that is neither allowed nor has a default in its place.
pub(crate) fn drop_nulls(value: &mut Value, schema: Option<&Structural>) {
    match value {
        Value::Object(map) => map.retain(|name, value| {
            let schema = schema.and_then(|schema| schema.of_key(name));
            let goes =
                schema.is_some_and(|schema| is_forbidden_null(value, schema) && schema.default.is_none());
            if !goes {
                drop_nulls(value, schema);
            }
            !goes
        }),
        Value::Array(list) => {
            let schema = schema.and_then(|schema| schema.items.as_deref());
            list.iter_mut().for_each(|value| drop_nulls(value, schema));
        }
        _ => {}
    }
}

fn is_forbidden_null(value: &Value, schema: &Structural) -> bool {
    value.is_null() && !schema.nullable
}
