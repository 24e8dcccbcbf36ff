//! A list in protobuf, item by item: the enveloped `XList` message with its metadata (field 1) and items (field 2).

use rutter_apimachinery::protobuf::{self, ProtobufError, Reason};
use rutter_apimachinery::registry::Resource;
use rutter_apimachinery::tables::{self, MessageRef};
use serde_json::{Value, json};

/// A list that grows.
pub struct List {
    api_version: String,
    list_kind: String,
    item: MessageRef,
    /// The message so far.
    raw: Vec<u8>,
}

const ITEMS: u8 = 2;
/// Wire type of what carries its length.
const LENGTH_DELIMITED: u8 = 2;

impl List {
    /// # Errors
    /// For a kind without a message (a custom resource).
    pub fn new(resource: &Resource, metadata: &Value) -> Result<List, ProtobufError> {
        let api_version = resource.api_version();
        let unknown =
            |kind: &str| Reason::UnknownKind { api_version: api_version.clone(), kind: kind.to_owned() };
        let list = tables::messages().by_kind(&api_version, &resource.list_kind);
        let list = list.ok_or_else(|| unknown(&resource.list_kind))?;
        let item = resource.message.ok_or_else(|| unknown(&resource.kind))?;
        let raw = protobuf::encode_message(&list, &json!({ "metadata": metadata }))?;
        Ok(List { api_version, list_kind: resource.list_kind.to_string(), item, raw })
    }

    /// # Errors
    /// For an object whose values are not what its message says.
    pub fn push(&mut self, object: &Value) -> Result<(), ProtobufError> {
        let item = protobuf::encode_message(&self.item, object)?;
        field(&mut self.raw, ITEMS, &item);
        Ok(())
    }

    /// The body, in two pieces: what stands before the message, and the message. What upstream writes behind it is
    /// empty, and stands before.
    pub fn finish(self) -> [Vec<u8>; 2] {
        let mut kind = Vec::new();
        field(&mut kind, 1, self.api_version.as_bytes());
        field(&mut kind, 2, self.list_kind.as_bytes());
        let mut head = protobuf::PREFIX.to_vec();
        field(&mut head, 1, &kind);
        field(&mut head, 3, b"");
        field(&mut head, 4, b"");
        tag(&mut head, 2, self.raw.len());
        [head, self.raw]
    }
}

fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    tag(out, number, bytes.len());
    out.extend_from_slice(bytes);
}

fn tag(out: &mut Vec<u8>, number: u8, length: usize) {
    out.push(number << 3 | LENGTH_DELIMITED);
    let mut left = length;
    while left >= 0x80 {
        out.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rutter_apimachinery::registry::Registry;

    #[test]
    fn a_list_that_grew_reads_as_one_that_was_written_at_once() {
        let registry = Registry::builtin();
        let resource = registry.resource("", "v1", "configmaps").expect("is served");
        let object = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"k": "v".repeat(200)}});
        let mut list = List::new(&resource, &json!({"resourceVersion": "7"})).expect("has a message");
        list.push(&object).expect("fits");
        list.push(&object).expect("fits");
        let read = protobuf::decode(&list.finish().concat(), None).expect("an enveloped list");
        assert_eq!(read["kind"], "ConfigMapList");
        assert_eq!(read["metadata"]["resourceVersion"], "7");
        assert_eq!(read["items"].as_array().map(Vec::len), Some(2));
        assert_eq!(read["items"][1]["data"]["k"], "v".repeat(200));
    }
}
