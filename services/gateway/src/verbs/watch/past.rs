//! What a watch tells before the live events: the state, or what changed since a revision. Both are read from a snapshot
//! where blocking hurts nobody, as quickly as the client takes it.

use bytes::BytesMut;
use rutter_apimachinery::status::Status;
use rutter_log::watch::Kind;
use rutter_projection::Snapshot;
use rutter_schemas::{Key, Meta, Revision};

use super::events::{self, Event};
use super::{Begin, Watch, encoding};
use crate::store::{failed, read};

/// Events are sent in pieces of about this size.
pub(super) const CHUNK: usize = 64 * 1024;

/// Why the past was not told to its end.
pub(super) enum Stop {
    Gone,
    Failed(Status),
}

impl From<Status> for Stop {
    fn from(status: Status) -> Stop {
        Stop::Failed(status)
    }
}

/// Whether what happened after `revision` is known here.
///
/// # Errors
/// 410 for what is no longer kept or never was, 504 for the future.
pub(super) fn check(snapshot: &Snapshot, revision: Revision) -> Result<(), Status> {
    snapshot.changes_since(revision).map(drop).map_err(read::refused)
}

/// Tells the past; answers the revision from which the live events go on.
pub(super) fn tell(watch: &Watch) -> Result<Revision, Stop> {
    match &watch.begin {
        Begin::State { snapshot, say_when_done } => {
            state(watch, snapshot)?;
            if *say_when_done {
                let line =
                    encoding::bookmark(snapshot.revision(), true, watch.encoding, &watch.call.resource)?;
                send(watch, BytesMut::from(&line[..]))?;
            }
            Ok(snapshot.revision())
        }
        Begin::Since { revision, snapshot } => {
            changes(watch, *revision, snapshot)?;
            Ok(snapshot.revision())
        }
    }
}

fn state(watch: &Watch, snapshot: &Snapshot) -> Result<(), Stop> {
    let (store, resource) = (&watch.call.gateway.store, &*watch.call.resource);
    let walk = watch.selection.walk(snapshot, snapshot.revision()).map_err(read::refused)?;
    let mut chunk = BytesMut::new();
    for found in walk {
        let (key, record) = found.map_err(|error| failed(&error))?;
        if !watch.interest.covers(&key) {
            continue;
        }
        let served = store.served(resource, &record.object)?;
        let word = events::word(Kind::Added);
        chunk.extend_from_slice(&encoding::event(word, served, watch.next_encoding(), resource)?);
        chunk = sent_if_large(watch, chunk)?;
    }
    send(watch, chunk)
}

fn changes(watch: &Watch, revision: Revision, snapshot: &Snapshot) -> Result<(), Stop> {
    let (store, resource) = (&watch.call.gateway.store, &*watch.call.resource);
    let selects = |key: &Key, meta: &Meta| watch.selection.selects(key, meta);
    let mut chunk = BytesMut::new();
    for change in snapshot.changes_since(revision).map_err(read::refused)? {
        let event = Event::new(change.map_err(|error| failed(&error))?);
        let Some(kind) = event.concerns(&watch.interest, &selects) else { continue };
        chunk.extend_from_slice(&event.encoded(kind, watch.next_encoding(), resource, store)?);
        chunk = sent_if_large(watch, chunk)?;
    }
    send(watch, chunk)
}

fn sent_if_large(watch: &Watch, chunk: BytesMut) -> Result<BytesMut, Stop> {
    if chunk.len() < CHUNK {
        return Ok(chunk);
    }
    send(watch, chunk)?;
    Ok(BytesMut::new())
}

fn send(watch: &Watch, chunk: BytesMut) -> Result<(), Stop> {
    if chunk.is_empty() {
        return Ok(());
    }
    watch.out.blocking_send(Ok(chunk.freeze())).map_err(|_| Stop::Gone)
}
