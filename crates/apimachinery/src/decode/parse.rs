//! JSON and YAML to values, noting what is given twice. The last one wins, as in Go.
//!
//! Depth is bounded by the readers (128 levels of JSON; the YAML reader's own budget, which also bounds aliases).

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::Parsed;
use crate::status::Path;

pub(super) fn json(body: &[u8]) -> Result<Parsed, String> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let parsed = read(|node| node.deserialize(&mut reader)).map_err(|error| error.to_string())?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(parsed)
}

pub(super) fn yaml(body: &[u8]) -> Result<Parsed, String> {
    use serde_saphyr::options::DuplicateKeyPolicy;
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    let options =
        serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::PassThrough, with_snippet: false };
    read(|node| {
        serde_saphyr::with_deserializer_from_str_with_options(text, options, |reader| {
            node.deserialize(reader)
        })
    })
    .map_err(|error| error.to_string())
}

fn read<E>(deserialize: impl FnOnce(Node<'_>) -> Result<Value, E>) -> Result<Parsed, E> {
    let repeated = RefCell::new(Vec::new());
    let root = Path::of("");
    let object = deserialize(Node { path: root, repeated: &repeated })?;
    Ok(Parsed { object, repeated: repeated.into_inner() })
}

/// A value being read, at its place.
struct Node<'a> {
    path: Path<'a>,
    repeated: &'a RefCell<Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = serde_json::Number::from_f64(value);
        number.map(Value::Number).ok_or_else(|| E::custom("a number that JSON has no text for"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) =
            access.next_element_seed(Node { path: self.path.index(list.len()), repeated: self.repeated })?
        {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let path = self.path.child(&key);
            let value = access.next_value_seed(Node { path, repeated: self.repeated })?;
            if map.contains_key(&key) {
                self.repeated.borrow_mut().push(format!("duplicate field \"{path}\""));
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_of_a_repeated_field_wins_and_is_told_with_its_path() {
        let parsed = json(br#"{"spec": {"a": 1, "list": [{"b": 1, "b": 2}], "a": 3}}"#).unwrap();
        assert_eq!(parsed.object, json!({"spec": {"a": 3, "list": [{"b": 2}]}}));
        assert_eq!(parsed.repeated, [r#"duplicate field "spec.list[0].b""#, r#"duplicate field "spec.a""#]);
    }

    #[test]
    fn yaml_is_read_as_json() {
        let text = "a: 1\nb: \"2\"\nc: true\nd:\n- x\n- {y: null}\ne: 1.5\nf: 0644\na: 2\n1: one\n";
        let parsed = yaml(text.as_bytes()).unwrap();
        let object = parsed.object;
        assert_eq!(object["a"], 2);
        assert_eq!((&object["b"], &object["c"], &object["e"]), (&json!("2"), &json!(true), &json!(1.5)));
        assert_eq!(object["d"], json!(["x", {"y": null}]));
        assert_eq!(object["1"], "one");
        assert_eq!(parsed.repeated, [r#"duplicate field "a""#]);
    }

    #[test]
    fn what_is_too_deep_is_refused_and_nothing_overflows() {
        let deep = "[".repeat(100_000);
        assert!(json(deep.as_bytes()).is_err());
        assert!(yaml(deep.as_bytes()).is_err());
    }

    #[test]
    fn text_after_the_object_is_refused() {
        assert!(json(b"{} {}").is_err());
        assert!(json(b"").is_err());
    }
}
