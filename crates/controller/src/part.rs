//! A part of an object as a view keeps it.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// A part of an object, kept as its JSON text and read when it is needed. A [`Value`] takes ten times as much: every
/// object in it is a tree with room for eleven fields. Equal parts have equal texts, since a Value's fields are in
/// order. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Part(Arc<str>);

impl Part {
    pub fn of(value: &Value) -> Part {
        Part(value.to_string().into())
    }

    pub fn of_list(values: &[Value]) -> Part {
        Part(serde_json::to_string(values).expect("values can be written").into())
    }

    pub fn value(&self) -> Value {
        serde_json::from_str(&self.0).expect("it was written from a value")
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_part_comes_back_as_it_was() {
        for value in
            [json!(null), json!([1, 2.5, -3, "a\"b"]), json!({"b": {}, "a": {"c": [true, u64::MAX]}})]
        {
            assert_eq!(Part::of(&value).value(), value);
        }
    }

    #[test]
    fn parts_are_equal_in_whatever_order_their_fields_were_written() {
        let part = |text: &str| Part::of(&serde_json::from_str(text).unwrap());
        assert_eq!(part(r#"{"a": 1, "b": {"c": 2, "d": 3}}"#), part(r#"{"b": {"d": 3, "c": 2}, "a": 1}"#));
        assert_ne!(part(r#"{"a": 1}"#), part(r#"{"a": 2}"#));
    }
}
