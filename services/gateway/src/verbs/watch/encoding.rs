//! Watch events as text: a line of JSON, or a length and a protobuf message.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::{BufMut, Bytes, BytesMut};
use rutter_apimachinery::protobuf;
use rutter_apimachinery::registry::Resource;
use rutter_apimachinery::status::Status;
use rutter_apimachinery::table::{self, Asked, Include};
use rutter_schemas::Revision;
use serde_json::{Value, json};

use crate::encode::object;
use crate::request::{Accept, Format, Shape};
use crate::store::failed;

/// In which form a watch's events are: what is the same for two watches is encoded once for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    pub accept: Accept,
    pub include: Include,
    /// Stands for the group and version that the watch speaks of.
    pub spoken: u64,
    /// Whether a Table says its columns: upstream's first event of a watch does, the others don't.
    pub columns: bool,
}

/// A number that stands for a resource's group and version, so that an encoding stays small enough to compare often.
pub(super) fn spoken(resource: &Resource) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&resource.group, &resource.version).hash(&mut hasher);
    hasher.finish()
}

/// One event around an object as served.
pub(super) fn event(
    word: &str,
    served: Bytes,
    encoding: Encoding,
    resource: &Resource,
) -> Result<Bytes, Status> {
    let accept = Accept { pretty: false, ..encoding.accept };
    let object = match accept.shape {
        Shape::Table(version) => {
            let value: Value = serde_json::from_slice(&served).map_err(|error| failed(&error))?;
            let asked = Asked { version, include: encoding.include, now: jiff::Timestamp::now() };
            object::write(accept, &table::event(resource, value, encoding.columns, &asked))?
        }
        Shape::Object | Shape::Partial(_) | Shape::PartialList(_) => {
            object::encode(accept, resource, served, encoding.include)?
        }
    };
    Ok(framed(word, &object, accept.format))
}

/// A bookmark: an object that is only its kind and revision.
pub(super) fn bookmark(
    revision: Revision,
    initial_end: bool,
    encoding: Encoding,
    resource: &Resource,
) -> Result<Bytes, Status> {
    let mut metadata = json!({ "resourceVersion": revision.to_string(), "creationTimestamp": null });
    if initial_end {
        metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
    }
    let object = json!({ "kind": resource.kind, "apiVersion": resource.api_version(), "metadata": metadata });
    let text = serde_json::to_vec(&object).map_err(|error| failed(&error))?;
    // A Table's bookmark has no rows to look at, but its revision.
    let shape = match encoding.accept.shape {
        Shape::Table(version) => {
            let table = json!({ "kind": "Table", "apiVersion": version.api_version(), "metadata": metadata, "columnDefinitions": null, "rows": [] });
            return Ok(framed("BOOKMARK", &Bytes::from(table.to_string()), Format::Json));
        }
        shape => shape,
    };
    let accept = Accept { pretty: false, shape, ..encoding.accept };
    let object = object::encode(accept, resource, text.into(), encoding.include)?;
    Ok(framed("BOOKMARK", &object, accept.format))
}

/// The last event of a watch that fails.
pub(super) fn error(status: &Status, format: Format) -> Bytes {
    let value: Value = serde_json::to_value(status).expect("a Status can be written");
    let object = match format {
        Format::Protobuf => protobuf::encode(&value).unwrap_or_default().into(),
        Format::Json | Format::Yaml => Bytes::from(value.to_string()),
    };
    framed("ERROR", &object, format)
}

fn framed(word: &str, object: &Bytes, format: Format) -> Bytes {
    match format {
        Format::Protobuf => protobuf::watch_frame(word, object).into(),
        Format::Json | Format::Yaml => {
            let mut line = BytesMut::with_capacity(object.len() + 40);
            line.put_slice(b"{\"type\":\"");
            line.put_slice(word.as_bytes());
            line.put_slice(b"\",\"object\":");
            line.put_slice(object);
            line.put_slice(b"}\n");
            line.freeze()
        }
    }
}
