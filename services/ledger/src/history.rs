//! Answers about the past, from a view with history: what happened to an object, why, and how things were.
//!
//! Any ledger answers, active or not: the past doesn't change. One that is behind says so instead of guessing.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Message};
use futures::StreamExt;
use rutter_projection::{Change, Error, EventInfo, ListQuery, Record, Snapshot};
use rutter_runtime::shutdown::Stage;
use rutter_runtime::view::View;
use rutter_schemas::protocol::ledger::{Fact, HistoryAnswer, HistoryQuery};
use rutter_schemas::{Key, Revision, limits, subjects};
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::LedgerError;

/// The queue group in which each question goes to one ledger.
const GROUP: &str = "ledgers";
/// Questions answered at once; others wait.
const AT_ONCE: usize = 4;
/// An answer is cut to about this many bytes, below what the server takes.
const ANSWER_BYTES: usize = limits::FRAME;
/// Entries of one answer, whatever was asked for.
const ENTRIES_MAX: u32 = 5_000;
/// How many causes are followed back.
const CAUSES_MAX: usize = 64;
/// How long to wait for a revision that this view doesn't have yet.
const CATCH_UP: Duration = Duration::from_secs(2);

/// Answers questions from NATS until the stage ends.
pub(crate) async fn serve(client: Client, view: View, stage: &Stage) -> Result<(), LedgerError> {
    let mut questions = client.queue_subscribe(subjects::HISTORY, GROUP.to_owned()).await?;
    let (stop, room) = (stage.token(), Arc::new(Semaphore::new(AT_ONCE)));
    stage.spawn(async move {
        loop {
            let message = tokio::select! {
                message = questions.next() => message,
                () = stop.cancelled() => None,
            };
            let Some(message) = message else { return };
            let Ok(permit) = room.clone().acquire_owned().await else { return };
            let (client, view) = (client.clone(), view.clone());
            tokio::spawn(async move {
                reply(&client, &view, message).await;
                drop(permit);
            });
        }
    });
    Ok(())
}

async fn reply(client: &Client, view: &View, message: Message) {
    let Some(to) = message.reply else { return };
    let answer = match serde_json::from_slice(&message.payload) {
        Ok(query) => ask(view, query).await,
        Err(error) => HistoryAnswer::Unknown { reason: format!("not a question about the past: {error}") },
    };
    let text = serde_json::to_vec(&answer).expect("answers are plain data");
    if let Err(error) = client.publish(to, text.into()).await {
        tracing::debug!(%error, "an answer about the past was not sent");
    }
}

/// Answers one question from a view with history.
pub async fn ask(view: &View, query: HistoryQuery) -> HistoryAnswer {
    if let Some(revision) = asked_of(&query) {
        // Still behind, the answer will say so.
        let _ = view.wait_for(revision, Instant::now() + CATCH_UP).await;
    }
    let snapshot = match view.snapshot() {
        Ok(snapshot) => snapshot,
        Err(error) => return HistoryAnswer::Unknown { reason: error.to_string() },
    };
    if let HistoryQuery::History { reaching, .. } = query
        && snapshot.revision() < reaching
    {
        return HistoryAnswer::Behind { at: snapshot.revision() };
    }
    let answered = tokio::task::spawn_blocking(move || answer(&snapshot, query)).await;
    match answered {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => HistoryAnswer::Unknown { reason: error.to_string() },
        Err(bug) => std::panic::resume_unwind(bug.into_panic()),
    }
}

fn asked_of(query: &HistoryQuery) -> Option<Revision> {
    match query {
        HistoryQuery::History { reaching, .. } => Some(*reaching),
        HistoryQuery::Why { revision }
        | HistoryQuery::GetAt { revision, .. }
        | HistoryQuery::ListAt { revision, .. } => Some(*revision),
        HistoryQuery::Log { .. } => None,
    }
}

/// Answers one question from a snapshot with history.
///
/// # Errors
/// As the snapshot's: in the future, or among what a restored log skipped.
pub fn answer(snapshot: &Snapshot, query: HistoryQuery) -> Result<HistoryAnswer, Error> {
    match query {
        HistoryQuery::History { key, after, limit, .. } => history(snapshot, &key, after, limit),
        HistoryQuery::Why { revision } => why(snapshot, revision),
        HistoryQuery::GetAt { key, revision } => {
            let record = snapshot.get_at(&key, revision)?;
            let revision = snapshot.as_of(revision)?;
            Ok(HistoryAnswer::Object { object: record.map(|record| raw(&record)), revision })
        }
        HistoryQuery::ListAt { group, resource, namespace, after, revision, limit } => {
            let query = ListQuery { namespace, after, ..ListQuery::of(&group, &resource) };
            list_at(snapshot, &query, revision, limit)
        }
        HistoryQuery::Log { after, limit } => log(snapshot, after, limit),
    }
}

fn history(snapshot: &Snapshot, key: &Key, after: Revision, limit: u32) -> Result<HistoryAnswer, Error> {
    let mut versions = Vec::new();
    for version in snapshot.versions(key) {
        let version = version?;
        if version.record.revision <= after {
            break;
        }
        versions.push(version.record);
    }
    let mut page = Page::new(limit);
    for record in versions.into_iter().rev() {
        let Some(event) = snapshot.event(record.revision)? else { continue };
        if !page.push(fact(event, Some(&record))) {
            break;
        }
    }
    Ok(page.answer())
}

/// The event, and what caused it, nearest first.
fn why(snapshot: &Snapshot, revision: Revision) -> Result<HistoryAnswer, Error> {
    snapshot.as_of(revision)?;
    let mut facts = Vec::new();
    let mut next = Some(revision);
    while let Some(revision) = next.filter(|_| facts.len() < CAUSES_MAX) {
        let Some(event) = snapshot.event(revision)? else { break };
        // A cause lies before its effect, so this ends.
        next = event.cause.filter(|cause| *cause < revision);
        facts.push(fact(event, None));
    }
    Ok(HistoryAnswer::Facts { facts, more: next.is_some() })
}

fn list_at(
    snapshot: &Snapshot,
    query: &ListQuery,
    revision: Revision,
    limit: u32,
) -> Result<HistoryAnswer, Error> {
    let (mut objects, mut bytes, mut last) = (Vec::new(), 0, None);
    let limit = bounded(limit);
    for entry in snapshot.list_at(query, revision)? {
        let (key, record) = entry?;
        if objects.len() >= limit || bytes > ANSWER_BYTES {
            return Ok(HistoryAnswer::Objects { objects, next: last, revision: snapshot.as_of(revision)? });
        }
        bytes += record.object.len();
        objects.push(raw(&record));
        last = Some(key);
    }
    Ok(HistoryAnswer::Objects { objects, next: None, revision: snapshot.as_of(revision)? })
}

fn log(snapshot: &Snapshot, after: Revision, limit: u32) -> Result<HistoryAnswer, Error> {
    let mut page = Page::new(limit);
    for change in snapshot.changes_since(after)? {
        let Change { revision, after, last, .. } = change?;
        let Some(event) = snapshot.event(revision)? else { continue };
        if !page.push(fact(event, after.or(last).as_ref())) {
            break;
        }
    }
    Ok(page.answer())
}

/// An event as it is told; with its object where that was asked for.
pub(crate) fn fact(event: EventInfo, record: Option<&Record>) -> Fact {
    Fact {
        revision: event.revision,
        event_type: event.event_type,
        op: event.op,
        key: event.key,
        at: event.at,
        actor: event.actor,
        cause: event.cause,
        why: event.why,
        traceparent: event.traceparent,
        prior: event.prior,
        object: record.map(raw),
    }
}

/// The stored bytes as they are: JSON, with its resourceVersion.
pub(crate) fn raw(record: &Record) -> Box<RawValue> {
    let text = String::from_utf8_lossy(&record.object).into_owned();
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn bounded(limit: u32) -> usize {
    let limit = if limit == 0 { ENTRIES_MAX } else { limit.min(ENTRIES_MAX) };
    limit as usize
}

/// Facts up to a number and a size.
struct Page {
    limit: usize,
    bytes: usize,
    facts: Vec<Fact>,
    more: bool,
}

impl Page {
    fn new(limit: u32) -> Page {
        Page { limit: bounded(limit), bytes: 0, facts: Vec::new(), more: false }
    }

    /// Whether it was taken; the first one that isn't ends the page.
    fn push(&mut self, fact: Fact) -> bool {
        if self.facts.len() >= self.limit || self.bytes > ANSWER_BYTES {
            self.more = true;
            return false;
        }
        self.bytes += fact.object.as_ref().map_or(0, |object| object.get().len()) + 512;
        self.facts.push(fact);
        true
    }

    fn answer(self) -> HistoryAnswer {
        HistoryAnswer::Facts { facts: self.facts, more: self.more }
    }
}
