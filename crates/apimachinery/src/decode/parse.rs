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

/// The first key that a YAML text gives twice, as upstream's reader tells it.
pub(super) fn repeated_in_yaml(body: &[u8]) -> Option<String> {
    use serde_saphyr::options::DuplicateKeyPolicy;
    let text = std::str::from_utf8(body).ok()?;
    let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::Error, with_snippet: false };
    let error = serde_saphyr::from_str_with_options::<Value>(text, options).err()?;
    let serde_saphyr::Error::DuplicateMappingKey { key: Some(key), location } = error else { return None };
    let line = location.line();
    Some(format!(
        "error converting YAML to JSON: yaml: unmarshal errors:\n  line {line}: key \"{key}\" already set in map"
    ))
}

/// Findings about a JSON text, each of which names its field last and in quotes, in the order in which the text brings
/// the fields about.
pub(super) fn in_document_order(body: &[u8], mut findings: Vec<String>) -> Vec<String> {
    let notes = Notes { trail: Some(RefCell::default()), ..Notes::default() };
    let mut reader = serde_json::Deserializer::from_slice(body);
    let _ = Node { path: Path::of(""), notes: &notes }.deserialize(&mut reader);
    let trail = notes.trail.map(RefCell::into_inner).unwrap_or_default();
    findings.sort_by_key(|finding| {
        let field = finding.split_once('"').and_then(|(_, rest)| rest.strip_suffix('"'));
        let mut places = (0..trail.len()).filter(|at| Some(trail[*at].as_str()) == field);
        // What is given twice is noticed when it comes again.
        let nth = usize::from(finding.starts_with("duplicate"));
        places.nth(nth).unwrap_or(trail.len())
    });
    findings
}

fn read<E>(deserialize: impl FnOnce(Node<'_>) -> Result<Value, E>) -> Result<Parsed, E> {
    let notes = Notes::default();
    let object = deserialize(Node { path: Path::of(""), notes: &notes })?;
    Ok(Parsed { object, repeated: notes.repeated.into_inner() })
}

/// What is noted while reading.
#[derive(Default)]
struct Notes {
    /// `duplicate field "…"`
    repeated: RefCell<Vec<String>>,
    /// The path of every field, in the order of the text, if that is asked for.
    trail: Option<RefCell<Vec<String>>>,
}

/// A value being read, at its place.
struct Node<'a> {
    path: Path<'a>,
    notes: &'a Notes,
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
            access.next_element_seed(Node { path: self.path.index(list.len()), notes: self.notes })?
        {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let path = self.path.child(&key);
            if let Some(trail) = &self.notes.trail {
                trail.borrow_mut().push(path.to_string());
            }
            let value = access.next_value_seed(Node { path, notes: self.notes })?;
            if map.contains_key(&key) {
                self.notes.repeated.borrow_mut().push(format!("duplicate field \"{path}\""));
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
    fn a_key_that_yaml_repeats_is_told_with_its_line() {
        let text = b"kind: A\nspec:\n  foo: 1\n  foo: 2\n";
        let told = "error converting YAML to JSON: yaml: unmarshal errors:\n  line 4: key \"foo\" already set in map";
        assert_eq!(repeated_in_yaml(text).unwrap(), told);
        assert_eq!(repeated_in_yaml(b"kind: A\nspec: {foo: 1}\n"), None);
        assert_eq!(yaml(text).unwrap().object, json!({"kind": "A", "spec": {"foo": 2}}));
    }

    #[test]
    fn findings_are_told_in_the_order_of_the_text() {
        let text =
            br#"{"spec": {"unknown": 1, "list": [{"b": 1, "b": 2, "c": 3}], "unknown2": 1, "b": 1, "b": 2}}"#;
        let told = |kind: &str, field: &str| format!("{kind} field \"{field}\"");
        let wanted = [
            told("unknown", "spec.unknown"),
            told("duplicate", "spec.list[0].b"),
            told("unknown", "spec.list[0].c"),
            told("unknown", "spec.unknown2"),
            told("duplicate", "spec.b"),
        ];
        let mut mixed = wanted.to_vec();
        mixed.sort();
        assert_eq!(in_document_order(text, mixed), wanted);
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
