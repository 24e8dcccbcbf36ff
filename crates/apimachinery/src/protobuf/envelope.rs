//! The envelope around an encoded object, and the frames of a watch.

use serde_json::{Map, Value};

use super::error::{ProtobufError, Reason};
use super::wire::{Datum, Reader, put_bytes, put_nested};
use super::{DEPTH, from_json, from_text, to_json};
use crate::tables::{self, GroupVersionKind, MessageRef};

/// The bytes that every encoded object begins with.
pub const PREFIX: [u8; 4] = *b"k8s\0";

/// Whether a body begins as an encoded object does.
#[must_use]
pub fn is_enveloped(body: &[u8]) -> bool {
    body.starts_with(&PREFIX)
}

/// The object in a body. `default` stands in for a kind or version that the body leaves out, as the path of a request does.
///
/// # Errors
/// [`Reason::NoPrefix`], [`Reason::NoKind`], [`Reason::UnknownKind`], or what is wrong with the message.
pub fn decode(body: &[u8], default: Option<&GroupVersionKind>) -> Result<Value, ProtobufError> {
    decode_within(body, default, DEPTH)
}

/// As [`decode`], for an object within others.
pub(super) fn decode_within(
    body: &[u8],
    default: Option<&GroupVersionKind>,
    depth: u32,
) -> Result<Value, ProtobufError> {
    let unknown = Unknown::read(body.strip_prefix(&PREFIX).ok_or(Reason::NoPrefix)?)?;
    let kind = or_default(unknown.kind, default, |default| default.kind.to_string());
    let api_version = or_default(unknown.api_version, default, GroupVersionKind::api_version);
    if kind.is_empty() {
        return Err(Reason::NoKind.into());
    }
    let message = message_of(&api_version, &kind)?;
    let mut object = Map::new();
    object.insert("kind".to_owned(), Value::String(kind));
    object.insert("apiVersion".to_owned(), Value::String(api_version));
    to_json::decode_into(&message, unknown.raw, &mut object, depth)?;
    Ok(Value::Object(object))
}

fn or_default(
    said: &str,
    default: Option<&GroupVersionKind>,
    part: impl Fn(&GroupVersionKind) -> String,
) -> String {
    match default {
        Some(default) if said.is_empty() => part(default),
        _ => said.to_owned(),
    }
}

/// The body of an object, whose kind and version say which message it is.
///
/// What the message has no field for is left out, as upstream's typed objects leave it out.
///
/// # Errors
/// [`Reason::UnknownKind`] for a kind without a message (a custom resource), [`Reason::Type`] for a value of the wrong type.
pub fn encode(object: &Value) -> Result<Vec<u8>, ProtobufError> {
    let said = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or("");
    let (api_version, kind) = (said("apiVersion"), said("kind"));
    let message = message_of(api_version, kind)?;
    envelop(api_version, kind, 1024, |out| from_json::encode_into(&message, object, out, DEPTH))
}

/// As [`encode`], of an object's JSON text: what a server does with objects that it keeps as text.
///
/// # Errors
/// As [`encode`], and [`Reason::RawJson`] when the text is not JSON.
pub fn encode_object_text(api_version: &str, kind: &str, json: &[u8]) -> Result<Vec<u8>, ProtobufError> {
    let message = message_of(api_version, kind)?;
    envelop(api_version, kind, json.len(), |out| from_text::encode_text(message, json, out))
}

fn envelop(
    api_version: &str,
    kind: &str,
    capacity: usize,
    message: impl FnOnce(&mut Vec<u8>) -> Result<(), ProtobufError>,
) -> Result<Vec<u8>, ProtobufError> {
    let mut out = Vec::with_capacity(capacity);
    out.extend_from_slice(&PREFIX);
    put_nested(&mut out, 1, |out| {
        put_bytes(out, 1, api_version.as_bytes());
        put_bytes(out, 2, kind.as_bytes());
        Ok::<_, ProtobufError>(())
    })?;
    put_nested(&mut out, 2, message)?;
    put_bytes(&mut out, 3, b"");
    put_bytes(&mut out, 4, b"");
    Ok(out)
}

/// One frame of a watch: its length in four bytes, big end first, and a `WatchEvent` around an object that is encoded already.
/// `event_type` is `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
#[must_use]
pub fn watch_frame(event_type: &str, encoded: &[u8]) -> Vec<u8> {
    let mut event = Vec::with_capacity(encoded.len() + event_type.len() + 24);
    event.extend_from_slice(&[0; 4]);
    put_bytes(&mut event, 1, event_type.as_bytes());
    let Ok(()) = put_nested(&mut event, 2, |out| {
        put_bytes(out, 1, encoded);
        Ok::<_, std::convert::Infallible>(())
    });
    let length = u32::try_from(event.len() - 4).expect("objects are bounded far below 4 GiB");
    event[..4].copy_from_slice(&length.to_be_bytes());
    event
}

fn message_of(api_version: &str, kind: &str) -> Result<MessageRef, ProtobufError> {
    let unknown = || Reason::UnknownKind { api_version: api_version.to_owned(), kind: kind.to_owned() };
    Ok(tables::messages().by_kind(api_version, kind).ok_or_else(unknown)?)
}

/// `runtime.Unknown`; what it says of content types is not looked at, as upstream does not.
#[derive(Default)]
struct Unknown<'a> {
    api_version: &'a str,
    kind: &'a str,
    raw: &'a [u8],
}

impl<'a> Unknown<'a> {
    fn read(body: &'a [u8]) -> Result<Unknown<'a>, Reason> {
        let mut unknown = Unknown::default();
        let mut reader = Reader(body);
        while let Some(field) = reader.next()? {
            match field {
                (1, Datum::Bytes(type_meta)) => unknown.read_type_meta(type_meta)?,
                (2, Datum::Bytes(raw)) => unknown.raw = raw,
                (3 | 4, Datum::Bytes(_)) => {}
                (number, _) => {
                    return Err(Reason::UnknownField {
                        message: "k8s.io.apimachinery.pkg.runtime.Unknown",
                        number,
                    });
                }
            }
        }
        Ok(unknown)
    }

    fn read_type_meta(&mut self, body: &'a [u8]) -> Result<(), Reason> {
        let mut reader = Reader(body);
        while let Some(field) = reader.next()? {
            let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Reason::NotUtf8);
            match field {
                (1, Datum::Bytes(api_version)) => self.api_version = text(api_version)?,
                (2, Datum::Bytes(kind)) => self.kind = text(kind)?,
                (number, _) => {
                    return Err(Reason::UnknownField {
                        message: "k8s.io.apimachinery.pkg.runtime.TypeMeta",
                        number,
                    });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Value {
        json!({ "kind": "Pod", "apiVersion": "v1", "metadata": { "name": "a" }, "spec": { "containers": [{ "name": "c" }] } })
    }

    #[test]
    fn a_kind_that_the_body_leaves_out_is_that_of_the_request() {
        let mut body = PREFIX.to_vec();
        body.extend_from_slice(&encode(&pod()).unwrap()[4 + 2 + 9..]);
        let default = GroupVersionKind { group: "".into(), version: "v1".into(), kind: "Pod".into() };
        assert_eq!(decode(&body, Some(&default)).unwrap()["kind"], "Pod");
        assert_eq!(decode(&body, None).unwrap_err().reason, Reason::NoKind);
    }

    #[test]
    fn what_go_always_holds_is_shown_though_it_was_not_sent() {
        let pod = decode(&encode(&pod()).unwrap(), None).unwrap();
        assert_eq!(pod["status"], json!({}));
        assert_eq!(pod["spec"]["containers"][0], json!({ "name": "c", "resources": {} }));
        assert_eq!(pod["metadata"], json!({ "name": "a" }));
    }

    #[test]
    fn a_zero_that_was_set_stays() {
        let deployment = json!({ "kind": "Deployment", "apiVersion": "apps/v1", "spec": { "replicas": 0 } });
        let deployment = decode(&encode(&deployment).unwrap(), None).unwrap();
        assert_eq!(deployment["spec"]["replicas"], 0);
        assert_eq!(deployment["spec"].get("minReadySeconds"), None);
    }

    #[test]
    fn a_field_number_that_nobody_knows_is_an_error_that_names_it() {
        let mut spec = Vec::new();
        put_bytes(&mut spec, 999, b"new");
        let mut raw = Vec::new();
        put_bytes(&mut raw, 2, &spec);
        let mut body = encode(&pod()).unwrap()[..4 + 2 + 9].to_vec();
        put_bytes(&mut body, 2, &raw);
        let error = decode(&body, None).unwrap_err();
        assert_eq!(error.to_string(), "spec: message k8s.io.api.core.v1.PodSpec has no field number 999");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_an_error_that_says_where() {
        let mut pod = pod();
        pod["spec"]["containers"][0]["ports"] = json!([{ "containerPort": "http" }]);
        let error = encode(&pod).unwrap_err();
        assert_eq!(
            error.to_string(),
            "spec.containers.0.ports.0.containerPort: expected an integer, found a string"
        );
    }

    #[test]
    fn schemas_that_nest_without_end_are_refused() {
        let nest = |depth| {
            let schema = (0..depth).fold(json!({ "type": "object" }), |inner, _| json!({ "not": inner }));
            let validation = json!({ "openAPIV3Schema": schema });
            let version = json!({ "name": "v1", "schema": validation });
            json!({
                "kind": "CustomResourceDefinition",
                "apiVersion": "apiextensions.k8s.io/v1",
                "spec": { "versions": [version] },
            })
        };
        assert!(decode(&encode(&nest(100)).unwrap(), None).is_ok());
        assert_eq!(encode(&nest(200)).unwrap_err().reason, Reason::TooDeep);
        let deep = (0..10_000).fold(Vec::new(), |inner, _| {
            let mut outer = Vec::with_capacity(inner.len() + 8);
            put_bytes(&mut outer, 28, &inner);
            outer
        });
        let props = tables::messages()
            .get("k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps");
        assert_eq!(to_json::decode_message(&props.unwrap(), &deep).unwrap_err().reason, Reason::TooDeep);
    }

    #[test]
    fn an_object_within_a_list_may_bring_its_own_envelope() {
        let mut item = Vec::new();
        put_bytes(&mut item, 1, &encode(&pod()).unwrap());
        let mut list = Vec::new();
        put_bytes(&mut list, 2, &item);
        let message = tables::messages().by_kind("v1", "List").unwrap();
        assert_eq!(to_json::decode_message(&message, &list).unwrap()["items"][0]["metadata"]["name"], "a");
    }

    #[test]
    fn a_watch_frame_is_its_length_and_a_watch_event() {
        let encoded = encode(&pod()).unwrap();
        let frame = watch_frame("ADDED", &encoded);
        let length = u32::from_be_bytes(frame[..4].try_into().unwrap());
        assert_eq!(length as usize, frame.len() - 4);
        let message = tables::messages().by_kind("v1", "WatchEvent").unwrap();
        let event = to_json::decode_message(&message, &frame[4..]).unwrap();
        assert_eq!(event["type"], "ADDED");
        assert_eq!(event["object"]["kind"], "Pod");
    }
}
