//! Reading API objects as untyped JSON: what is absent reads as empty.

use serde_json::{Map, Value};

/// The text of a field; `""` when it is absent or no text.
pub(crate) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}

/// The elements of a list; none when it is absent or no list.
pub(crate) fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// The entries of a map; none when it is absent or no map.
pub(crate) fn entries(map: &Value) -> impl Iterator<Item = (&String, &Value)> {
    map.as_object().into_iter().flat_map(Map::iter)
}

/// Whether a field is absent, null, or an empty text, list or map.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Takes a field away, if the object has it.
pub(crate) fn remove(object: &mut Value, field: &str) {
    if let Some(map) = object.as_object_mut() {
        map.remove(field);
    }
}

/// Gives a field a value where it has none: absent, null, or an empty text.
pub(crate) fn default(object: &mut Value, field: &str, value: impl Into<Value>) {
    if !object.is_object() {
        return;
    }
    let current = &mut object[field];
    if current.is_null() || current.as_str() == Some("") {
        *current = value.into();
    }
}

/// Gives a field the value that another object has there, absence included.
pub(crate) fn carry(object: &mut Value, from: &Value, field: &str) {
    match from.get(field) {
        Some(value) => object[field] = value.clone(),
        None => remove(object, field),
    }
}

/// Whether two values say the same, the absent and the empty list being the same.
pub(crate) fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(left), Value::Object(right)) => {
            let only_right = right.keys().filter(|name| !left.contains_key(*name));
            left.keys().chain(only_right).all(|name| is_same(&one[name.as_str()], &other[name.as_str()]))
        }
        (Value::Null, Value::Array(list)) | (Value::Array(list), Value::Null) => list.is_empty(),
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_empty_list_says_no_more_than_none() {
        assert!(is_same(&json!({"a": {"b": []}}), &json!({"a": {}})));
        assert!(!is_same(&json!({"emptyDir": {}}), &json!({})));
        assert!(!is_same(&json!({"a": [1]}), &json!({"a": []})));
    }
}
