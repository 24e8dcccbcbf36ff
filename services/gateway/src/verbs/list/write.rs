//! Writing a list: the walk on one side, chunks of the answer on the other. Runs where blocking hurts nobody.

use bytes::{Bytes, BytesMut};
use rutter_apimachinery::protobuf::ProtobufError;
use rutter_apimachinery::registry::Resource;
use rutter_apimachinery::status::Status;
use rutter_apimachinery::table::{self, Asked, Include, Version};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Page, Token, Wanted};
use crate::chain::Call;
use crate::encode::object;
use crate::encode::protobuf_list::List;
use crate::request::accept::SUPPORTED;
use crate::request::{Format, Shape};
use crate::store::{failed, read};

/// The answer goes out in pieces of this size.
const CHUNK: usize = 64 * 1024;

/// Collects bytes and hands them over chunk by chunk.
pub struct Sink {
    chunk: BytesMut,
    sender: mpsc::Sender<Result<Bytes, Status>>,
}

/// The client has gone.
#[derive(Debug)]
pub struct Gone;

/// Why a list stops early: the client's going is nobody's failure.
enum Stop {
    Gone,
    Status(Status),
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Stop {
        Stop::Gone
    }
}

impl From<Status> for Stop {
    fn from(status: Status) -> Stop {
        Stop::Status(status)
    }
}

impl Sink {
    pub fn new(sender: mpsc::Sender<Result<Bytes, Status>>) -> Sink {
        Sink { chunk: BytesMut::with_capacity(CHUNK + CHUNK / 4), sender }
    }

    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    pub fn flush(&mut self) -> Result<(), Gone> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, BytesMut::with_capacity(CHUNK + CHUNK / 4));
        self.sender.blocking_send(Ok(chunk.freeze())).map_err(|_| Gone)
    }

    fn fail(self, status: Status) {
        let _ = self.sender.blocking_send(Err(status));
    }
}

/// Writes the whole answer.
pub(super) fn list(call: &Call, mut wanted: Wanted, include: Include, mut sink: Sink) {
    let written = written(call, &mut wanted, include, &mut sink);
    match written.and_then(|()| sink.flush().map_err(Stop::from)) {
        Ok(()) | Err(Stop::Gone) => {}
        Err(Stop::Status(status)) => sink.fail(status),
    }
}

fn written(call: &Call, wanted: &mut Wanted, include: Include, sink: &mut Sink) -> Result<(), Stop> {
    if let Some(page) = wanted.gathered.take() {
        let metadata = page_metadata(call, wanted, &page)?;
        return encoded(call, metadata, page.objects.into_iter().map(Ok), include, sink);
    }
    if wanted.limit > 0 {
        let walk = wanted.selection.walk(&wanted.snapshot, wanted.revision).map_err(read::refused)?;
        let page = Page::take(walk, wanted.limit).map_err(read::refused)?;
        let metadata = page_metadata(call, wanted, &page)?;
        return encoded(call, metadata, page.objects.into_iter().map(Ok), include, sink);
    }
    let metadata = json!({ "resourceVersion": wanted.revision.to_string() });
    if let Some(query) = wanted.selection.walks_blindly(&wanted.snapshot, wanted.revision) {
        let objects = wanted.snapshot.list_objects(query).map(|found| found.map_err(|error| failed(&error)));
        return encoded(call, metadata, objects, include, sink);
    }
    let walk = wanted.selection.walk(&wanted.snapshot, wanted.revision).map_err(read::refused)?;
    let objects = walk.map(|found| found.map(|(_, record)| record.object).map_err(|error| failed(&error)));
    encoded(call, metadata, objects, include, sink)
}

fn page_metadata(call: &Call, wanted: &Wanted, page: &Page) -> Result<Value, Status> {
    let mut metadata = json!({ "resourceVersion": wanted.revision.to_string() });
    let Some(last) = &page.more_behind else { return Ok(metadata) };
    let remaining = remaining(wanted, page)?;
    call.gateway.pins.pin(&wanted.snapshot);
    metadata["continue"] = json!(Token::behind(last, wanted.revision, wanted.began, remaining).encode());
    if let Some(remaining) = remaining {
        metadata["remainingItemCount"] = json!(remaining);
    }
    Ok(metadata)
}

/// How many follow this page: counted once, for the first page, and then told by the token.
fn remaining(wanted: &Wanted, page: &Page) -> Result<Option<u64>, Status> {
    if !wanted.selection.is_everything() {
        return Ok(None);
    }
    let before = match wanted.remaining {
        Some(remaining) => remaining,
        None => wanted.selection.count(&wanted.snapshot).map_err(|error| failed(&error))?,
    };
    Ok(Some(before.saturating_sub(page.objects.len() as u64).max(1)))
}

fn encoded(
    call: &Call,
    metadata: Value,
    objects: impl Iterator<Item = Result<Bytes, Status>>,
    include: Include,
    sink: &mut Sink,
) -> Result<(), Stop> {
    let resource = &*call.resource;
    let served = objects.map(|object| call.gateway.store.served(resource, &object?));
    let accept = call.accept;
    match (accept.format, accept.shape) {
        (Format::Json, Shape::Object) if !accept.pretty => as_stored(resource, &metadata, served, sink),
        (Format::Json, Shape::Table(version)) if !accept.pretty => {
            as_table(resource, &metadata, served, version, include, sink)
        }
        (Format::Json, Shape::Partial(version) | Shape::PartialList(version)) if !accept.pretty => {
            as_partial(&metadata, served, version, sink)
        }
        (Format::Protobuf, Shape::Table(_)) => Err(Status::not_acceptable(&SUPPORTED).into()),
        (Format::Protobuf, Shape::Object) => as_protobuf(resource, &metadata, served, sink),
        _ => {
            let whole = whole(call, metadata, served, include)?;
            sink.put(&object::write(accept, &whole)?)?;
            Ok(())
        }
    }
}

/// `{"kind":"PodList","apiVersion":"v1","metadata":{…},"items":[…]}`, items as they are stored, without the kind and
/// version that the list says for all of them.
fn as_stored(
    resource: &Resource,
    metadata: &Value,
    objects: impl Iterator<Item = Result<Bytes, Status>>,
    sink: &mut Sink,
) -> Result<(), Stop> {
    let head = json!({ "kind": resource.list_kind, "apiVersion": resource.api_version() });
    begin(&head, metadata, "items", sink)?;
    // Upstream's lists of custom objects say kind and version of each.
    let whole = resource.custom.is_some();
    for (index, object) in objects.enumerate() {
        let object = object?;
        if index > 0 {
            sink.put(b",")?;
        }
        if whole {
            sink.put(&object)?;
        } else {
            sink.put(b"{")?;
            sink.put(item(&object))?;
        }
    }
    sink.put(b"]}\n")?;
    Ok(())
}

/// An object's text from its metadata on, without the opening brace: states begin with kind, apiVersion, metadata.
pub fn item(object: &[u8]) -> &[u8] {
    const METADATA: &[u8] = b"\"metadata\":{";
    let found = object.windows(METADATA.len()).position(|window| window == METADATA);
    &object[found.unwrap_or(1)..]
}

/// Objects are shown in batches, so that a long table needs no more memory than a short one.
fn as_table(
    resource: &Resource,
    metadata: &Value,
    objects: impl Iterator<Item = Result<Bytes, Status>>,
    version: Version,
    include: Include,
    sink: &mut Sink,
) -> Result<(), Stop> {
    let asked = Asked { version, include, now: jiff::Timestamp::now() };
    let head = json!({ "kind": "Table", "apiVersion": version.api_version() });
    let columns = table::column_definitions(resource);
    begin_with(&head, &[("metadata", metadata), ("columnDefinitions", &columns)], "rows", sink)?;
    for (index, object) in objects.enumerate() {
        let value: Value = serde_json::from_slice(&object?).map_err(|error| failed(&error))?;
        let row = table::row(resource, value, &asked);
        if index > 0 {
            sink.put(b",")?;
        }
        sink.put(row.to_string().as_bytes())?;
    }
    sink.put(b"]}\n")?;
    Ok(())
}

fn as_partial(
    metadata: &Value,
    objects: impl Iterator<Item = Result<Bytes, Status>>,
    version: Version,
    sink: &mut Sink,
) -> Result<(), Stop> {
    #[derive(serde::Deserialize)]
    struct Skim<'a> {
        #[serde(borrow)]
        metadata: &'a serde_json::value::RawValue,
    }
    let head = json!({ "kind": "PartialObjectMetadataList", "apiVersion": version.api_version() });
    begin(&head, metadata, "items", sink)?;
    let lead =
        format!(r#"{{"kind":"PartialObjectMetadata","apiVersion":"{}","metadata":"#, version.api_version());
    for (index, object) in objects.enumerate() {
        let object = object?;
        let skim: Skim<'_> = serde_json::from_slice(&object).map_err(|error| failed(&error))?;
        if index > 0 {
            sink.put(b",")?;
        }
        sink.put(lead.as_bytes())?;
        sink.put(skim.metadata.get().as_bytes())?;
        sink.put(b"}")?;
    }
    sink.put(b"]}\n")?;
    Ok(())
}

/// The length of a message stands before it, so the encoded items are held until all are there: about half of what
/// they take as JSON.
fn as_protobuf(
    resource: &Resource,
    metadata: &Value,
    objects: impl Iterator<Item = Result<Bytes, Status>>,
    sink: &mut Sink,
) -> Result<(), Stop> {
    let mut list = List::new(resource, metadata).map_err(unwritable)?;
    for object in objects {
        let value: Value = serde_json::from_slice(&object?).map_err(|error| failed(&error))?;
        list.push(&value).map_err(unwritable)?;
    }
    for piece in list.finish() {
        sink.put(&piece)?;
    }
    Ok(())
}

fn unwritable(error: ProtobufError) -> Status {
    tracing::debug!(%error, "a list that protobuf can't carry");
    Status::not_acceptable(&SUPPORTED)
}

/// The rare forms: built as one value.
fn whole(
    call: &Call,
    metadata: Value,
    objects: impl Iterator<Item = Result<Bytes, Status>>,
    include: Include,
) -> Result<Value, Status> {
    let values = objects.map(|object| serde_json::from_slice(&object?).map_err(|error| failed(&error)));
    let values: Vec<Value> = values.collect::<Result<_, _>>()?;
    Ok(match call.accept.shape {
        Shape::Object => json!({
            "kind": call.resource.list_kind,
            "apiVersion": call.resource.api_version(),
            "metadata": metadata,
            "items": values,
        }),
        Shape::Table(version) => {
            let asked = Asked { version, include, now: jiff::Timestamp::now() };
            table::table(&call.resource, values, metadata, &asked)
        }
        Shape::Partial(version) | Shape::PartialList(version) => {
            table::partial_list(values, metadata, version)
        }
    })
}

fn begin(head: &Value, metadata: &Value, items: &str, sink: &mut Sink) -> Result<(), Gone> {
    begin_with(head, &[("metadata", metadata)], items, sink)
}

fn begin_with(head: &Value, fields: &[(&str, &Value)], items: &str, sink: &mut Sink) -> Result<(), Gone> {
    let mut text = format!(r#"{{"kind":{},"apiVersion":{}"#, head["kind"], head["apiVersion"]);
    for (name, value) in fields {
        text.push_str(&format!(r#","{name}":{value}"#));
    }
    text.push_str(&format!(r#","{items}":["#));
    sink.put(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_an_object_without_the_kind_that_its_list_has() {
        let object =
            br#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":{"metadata":"{"}}"#;
        assert_eq!(item(object), br#""metadata":{"name":"a"},"data":{"metadata":"{"}}"#);
    }
}
