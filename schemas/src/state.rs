//! The text of an object's state: `{"kind":…,"apiVersion":…,"metadata":{…},…}` without a resourceVersion.
//!
//! The order is fixed so that the resourceVersion can be spliced in once, without parsing, when a projection
//! applies the event: from then on the bytes are served as they are.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::Revision;

const METADATA: &str = "\"metadata\":{";

/// Writes an object in the order of this module, without its resourceVersion.
///
/// # Panics
/// If the value is not an object: callers hold decoded API objects.
pub fn encode(object: &Value) -> Box<RawValue> {
    let map = object.as_object().expect("an API object is a JSON object");
    serde_json::value::to_raw_value(&Ordered(map)).expect("a JSON value can be written")
}

/// Puts the resourceVersion into a state's text: the bytes the API serves.
pub fn splice(state: &RawValue, revision: Revision) -> Bytes {
    let text = state.get();
    let Some(found) = text.find(METADATA) else { return Bytes::copy_from_slice(text.as_bytes()) };
    let at = found + METADATA.len();
    let mut out = BytesMut::with_capacity(text.len() + 48);
    out.put_slice(&text.as_bytes()[..at]);
    out.put_slice(format!("\"resourceVersion\":\"{revision}\"").as_bytes());
    if !text[at..].starts_with('}') {
        out.put_u8(b',');
    }
    out.put_slice(&text.as_bytes()[at..]);
    out.freeze()
}

/// Whether a text stands in this module's order, which is what [`splice`] relies on.
pub fn is_ordered(state: &RawValue) -> bool {
    let Some((head, _)) = state.get().split_once(",\"metadata\":{") else { return false };
    head.starts_with("{\"kind\":\"")
        && head.contains("\",\"apiVersion\":\"")
        && head.matches('{').count() == 1
}

struct Ordered<'a>(&'a Map<String, Value>);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        for name in ["kind", "apiVersion"] {
            out.serialize_entry(name, self.0.get(name).unwrap_or(&Value::String(String::new())))?;
        }
        match self.0.get("metadata").and_then(Value::as_object) {
            Some(metadata) => out.serialize_entry("metadata", &Unversioned(metadata))?,
            None => out.serialize_entry("metadata", &Map::new())?,
        }
        for (name, value) in self.0 {
            if !matches!(name.as_str(), "kind" | "apiVersion" | "metadata") {
                out.serialize_entry(name, value)?;
            }
        }
        out.end()
    }
}

struct Unversioned<'a>(&'a Map<String, Value>);

impl Serialize for Unversioned<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().filter(|(name, _)| *name != "resourceVersion"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn kind_version_and_metadata_come_first_and_the_revision_is_spliced_in() {
        let object = json!({"apiVersion": "v1", "data": {"a": "\"metadata\":{"}, "kind": "ConfigMap",
                            "metadata": {"name": "x", "resourceVersion": "3"}});
        let state = encode(&object);
        assert_eq!(
            state.get(),
            r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"},"data":{"a":"\"metadata\":{"}}"#
        );
        assert!(is_ordered(&state));
        assert_eq!(
            splice(&state, Revision(42)),
            r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"42","name":"x"},"data":{"a":"\"metadata\":{"}}"#
        );
    }

    #[test]
    fn empty_metadata_takes_the_revision_too() {
        let state = encode(&json!({"apiVersion": "v1", "kind": "Pod"}));
        assert_eq!(
            splice(&state, Revision(1)),
            r#"{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"1"}}"#
        );
    }

    proptest! {
        #[test]
        fn splicing_adds_the_revision_and_nothing_else(name in ".*", data in ".*", revision in 1u64..) {
            let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": data}});
            let spliced: Value = serde_json::from_slice(&splice(&encode(&object), Revision(revision))).unwrap();
            object["metadata"]["resourceVersion"] = revision.to_string().into();
            prop_assert_eq!(spliced, object);
        }
    }
}
