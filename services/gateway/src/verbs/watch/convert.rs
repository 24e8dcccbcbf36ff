//! Watches of objects that somebody has to be asked about. What one frame did is asked about once for all watches of a
//! version; what comes before the live events, once for each watch.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use rutter_apimachinery::registry::{Registry, Resource};
use rutter_apimachinery::status::Status;
use rutter_log::watch::Kind;
use rutter_projection::{Change, Record, Snapshot};
use rutter_schemas::{Key, Meta, Revision};
use tokio::sync::OnceCell;

use super::events::{self, Event};
use super::hub::Batch;
use super::live::send;
use super::past::Stop;
use super::{Begin, Watch, encoding};
use crate::convert::webhook;
use crate::store::{failed, read};
use crate::verbs::list;
use crate::webhook::Webhooks;

/// Which form a batch is wanted in: the version, the definition by which it is converted, and whether selectors look at
/// what was before.
type Form = (u64, Revision, bool);

type Converted = Arc<OnceCell<Result<Arc<[Arc<Event>]>, Status>>>;

/// A batch's events in other versions.
#[derive(Debug, Default)]
pub struct Conversions(Mutex<HashMap<Form, Converted>>);

impl Conversions {
    fn of(&self, form: Form) -> Converted {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(form).or_default().clone()
    }
}

/// A batch's events as this watch speaks of them; none where they are stored so, or don't concern it.
///
/// # Errors
/// 500 when they can't be converted, for every watch that waits for them.
pub(super) async fn in_version(
    watch: &Watch,
    batch: &Batch,
    at: Revision,
) -> Result<Option<Arc<[Arc<Event>]>>, Status> {
    let resource = &watch.call.resource;
    let Some((custom, _)) = webhook::asked(resource) else { return Ok(None) };
    let concerns = |event: &Arc<Event>| event.revision() > at && watch.interest.covers(&event.change().key);
    if !batch.events.iter().any(concerns) {
        return Ok(None);
    }
    let selects = !watch.selection.is_everything();
    let cell = batch.conversions.of((watch.encoding.spoken, custom.definition.revision, selects));
    let convert = || async {
        let changes = batch.events.iter().map(|event| event.change().clone()).collect();
        let changes = seen(&watch.call.gateway.webhooks, resource, changes, selects).await?;
        Ok(changes.into_iter().map(|change| Arc::new(Event::new(change))).collect())
    };
    cell.get_or_init(convert).await.clone().map(Some)
}

/// Whether objects are converted otherwise since this watch began: upstream's watches end with their definition's storage.
/// `known` is the registry that was looked at last.
pub(super) fn is_superseded(watch: &Watch, known: &mut Option<Arc<Registry>>) -> bool {
    let Some(custom) = &watch.call.resource.custom else { return false };
    let registry = watch.call.gateway.registry();
    if known.as_ref().is_some_and(|known| Arc::ptr_eq(known, &registry)) {
        return false;
    }
    let Resource { group, version, plural, .. } = &*watch.call.resource;
    let now = registry.resource(group, version, plural);
    *known = Some(registry);
    let now = now.as_ref().and_then(|resource| resource.custom.as_ref());
    now.is_some_and(|now| now.definition.conversion != custom.definition.conversion)
}

/// Changes as if their objects rested in the version of `resource`. What was before is looked at by selectors only.
async fn seen(
    webhooks: &Webhooks,
    resource: &Arc<Resource>,
    mut changes: Vec<Change>,
    selects: bool,
) -> Result<Vec<Change>, Status> {
    let records = changes.iter_mut().flat_map(|change| sides(change, selects)).map(|record| record.clone());
    let mut seen = webhook::seen(webhooks, resource, records.collect()).await?.into_iter();
    for record in changes.iter_mut().flat_map(|change| sides(change, selects)) {
        if let Some(told) = seen.next() {
            *record = told;
        }
    }
    Ok(changes)
}

fn sides(change: &mut Change, selects: bool) -> impl Iterator<Item = &mut Record> {
    let Change { before, after, last, .. } = change;
    let is_told = after.is_none() && last.is_none();
    let before = before.as_mut().filter(|_| selects || is_told);
    before.into_iter().chain(after).chain(last)
}

/// Tells what comes before the live events; answers the revision from which those go on.
pub(super) async fn tell(watch: &Watch) -> Result<Revision, Stop> {
    match &watch.begin {
        Begin::State { snapshot, say_when_done } => {
            state(watch, snapshot).await?;
            if *say_when_done {
                let resource = &watch.call.resource;
                send(watch, encoding::bookmark(snapshot.revision(), true, watch.encoding, resource)?).await?;
            }
            Ok(snapshot.revision())
        }
        Begin::Since { revision, snapshot } => {
            changes(watch, *revision, snapshot).await?;
            Ok(snapshot.revision())
        }
    }
}

async fn state(watch: &Watch, snapshot: &Snapshot) -> Result<(), Stop> {
    let (call, resource) = (&watch.call, &*watch.call.resource);
    let all = list::gathered(call, snapshot, snapshot.revision(), &watch.selection, 0).await?;
    let mut chunk = BytesMut::new();
    for (_, record) in all.found.into_iter().filter(|(key, _)| watch.interest.covers(key)) {
        let served = call.gateway.store.served(resource, &record.object)?;
        let word = events::word(Kind::Added);
        chunk.extend_from_slice(&encoding::event(word, served, watch.next_encoding(), resource)?);
        chunk = sent_if_large(watch, chunk).await?;
    }
    sent(watch, chunk).await
}

async fn changes(watch: &Watch, revision: Revision, snapshot: &Snapshot) -> Result<(), Stop> {
    let (call, resource) = (&watch.call, &watch.call.resource);
    let selects = |key: &Key, meta: &Meta| watch.selection.selects(key, meta);
    let mut waiting = past_changes(watch, revision, snapshot).await?.into_iter().peekable();
    let mut chunk = BytesMut::new();
    while waiting.peek().is_some() {
        let mut size = 0;
        let together = std::iter::from_fn(|| {
            let change = waiting.next_if(|_| size <= webhook::TOGETHER_BYTES)?;
            size += change.after.as_ref().or(change.last.as_ref()).map_or(0, |record| record.object.len());
            Some(change)
        });
        let together = together.collect();
        let everything = watch.selection.is_everything();
        for change in seen(&call.gateway.webhooks, resource, together, !everything).await? {
            let event = Event::new(change);
            let Some(kind) = event.concerns(&watch.interest, &selects) else { continue };
            let encoding = watch.next_encoding();
            chunk.extend_from_slice(&event.encoded(kind, encoding, resource, &call.gateway.store)?);
            chunk = sent_if_large(watch, chunk).await?;
        }
    }
    sent(watch, chunk).await
}

/// What changed that the watch is about, before selectors are asked.
async fn past_changes(watch: &Watch, revision: Revision, snapshot: &Snapshot) -> Result<Vec<Change>, Stop> {
    let (snapshot, interest) = (snapshot.clone(), watch.interest.clone());
    let read = move || {
        let changes = snapshot.changes_since(revision).map_err(read::refused)?;
        let covered = changes.filter(|change| match change {
            Ok(change) => interest.covers(&change.key),
            Err(_) => true,
        });
        covered.map(|change| change.map_err(|error| failed(&error))).collect::<Result<Vec<_>, Status>>()
    };
    let read = tokio::task::spawn_blocking(read).await;
    Ok(read.map_err(|error| Status::internal(&error.to_string()))??)
}

async fn sent_if_large(watch: &Watch, chunk: BytesMut) -> Result<BytesMut, Stop> {
    if chunk.len() < super::past::CHUNK {
        return Ok(chunk);
    }
    sent(watch, chunk).await?;
    Ok(BytesMut::new())
}

async fn sent(watch: &Watch, chunk: BytesMut) -> Result<(), Stop> {
    if chunk.is_empty() {
        return Ok(());
    }
    send(watch, Bytes::from(chunk)).await
}
