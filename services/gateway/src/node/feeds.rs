//! Serves the nodes' feeds: publishes the steps that `rutter_log::feed` decides, and answers who missed some. Any gateway
//! may serve any node; readers drop what they have.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use rutter_apimachinery::status::Status;
use rutter_log::feed::{Feeds, Happened, PodFacts, SHARED, Sync, Target, Update};
use rutter_projection::{ListQuery, Snapshot};
use rutter_runtime::view::{Applied, Subscription};
use rutter_schemas::protocol::node::{Feed, FeedChange, FeedMessage, FeedSync};
use rutter_schemas::{Key, Op, Revision, limits, subjects};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::QUEUE;
use crate::Gateway;
use crate::store::{failed, unready};

/// How often readers are told how far the feed is, so that they notice what they missed.
const BEAT_EVERY: Duration = Duration::from_secs(10);
/// An answer is cut into parts of about this size.
const PART_BYTES: usize = 1 << 20;

/// Between two beginnings, while the view can't be read.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves feeds until `stop`; begins anew when the view was away or too fast.
///
/// # Errors
/// When the broker refuses the subscription.
pub async fn run(gateway: Gateway, stop: CancellationToken) -> Result<(), Status> {
    let subscribed = gateway.nats.queue_subscribe(subjects::node::all("sync"), QUEUE.to_owned()).await;
    let mut syncs = subscribed.map_err(|error| failed(&error))?;
    loop {
        let ended = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            ended = serve(&gateway, &mut syncs) => ended,
        };
        let Err(status) = ended else { return Ok(()) };
        tracing::warn!(why = %status.message, "the feeds begin anew");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Serves until the broker's connection ends.
///
/// # Errors
/// When the view can't be read, or was too fast.
async fn serve(gateway: &Gateway, syncs: &mut async_nats::Subscriber) -> Result<(), Status> {
    let mut beat = tokio::time::interval(BEAT_EVERY);
    let (mut feeds, mut frames) = begin(gateway).await?;
    loop {
        tokio::select! {
            frame = frames.next() => {
                let frame = frame.map_err(|end| Status::unavailable(end.to_string()))?;
                publish_steps(gateway, &mut feeds, &frame).await;
            }
            message = syncs.next() => match message {
                Some(message) => answer(gateway, &feeds, message),
                None => return Ok(()),
            },
            _ = beat.tick() => publish_beats(gateway, &feeds).await,
        }
    }
}

/// The feeds as they are, and the frames that come.
async fn begin(gateway: &Gateway) -> Result<(Feeds, Subscription), Status> {
    let (snapshot, frames) = gateway.store.view().subscribe().map_err(unready)?;
    let loaded = tokio::task::spawn_blocking(move || load(&snapshot)).await;
    let feeds = loaded.map_err(|error| failed(&error))??;
    Ok((feeds, frames))
}

fn load(snapshot: &Snapshot) -> Result<Feeds, Status> {
    let mut pods = Vec::new();
    for listed in snapshot.list(&ListQuery::of("", "pods")) {
        let (key, record) = listed.map_err(|error| failed(&error))?;
        if record.meta.fields.get("spec.nodeName").is_some_and(|node| !node.is_empty()) {
            let pod: Value = serde_json::from_slice(&record.object).map_err(|error| failed(&error))?;
            pods.push((key, PodFacts::of(&pod)));
        }
    }
    Ok(Feeds::load(snapshot.revision(), pods))
}

async fn publish_steps(gateway: &Gateway, feeds: &mut Feeds, frame: &Arc<Applied>) {
    // Of an object that changed twice, the last counts.
    let last: BTreeMap<_, _> = frame.facts().iter().map(|fact| (&fact.key, fact)).collect();
    let happened: Vec<Happened> = last
        .into_iter()
        .map(|(key, fact)| match fact.after_of("", "pods") {
            _ if fact.op == Op::Delete => Happened::Gone { key: key.clone() },
            Some(pod) => Happened::Pod { key: key.clone(), facts: PodFacts::of(pod) },
            None => Happened::Put { key: key.clone() },
        })
        .collect();
    let updates = feeds.apply(frame.revision, happened);
    if updates.is_empty() {
        return;
    }
    let traceparent = frame.frame.commits.iter().find_map(|commit| commit.header.traceparent.clone());
    let Ok(snapshot) = gateway.store.snapshot() else { return };
    for update in updates {
        match changes_of(gateway, &snapshot, &update) {
            Ok(changes) => publish(gateway, &update, changes, traceparent.clone()).await,
            // The reader notices the gap and asks.
            Err(status) => tracing::warn!(why = %status.message, "a feed's step was not sent"),
        }
    }
}

async fn publish_beats(gateway: &Gateway, feeds: &Feeds) {
    publish(gateway, &feeds.beat(Target::Shared), Vec::new(), None).await;
    let Ok(snapshot) = gateway.store.snapshot() else { return };
    let nodes: Vec<Key> =
        snapshot.list(&ListQuery::of("", "nodes")).filter_map(Result::ok).map(|(key, _)| key).collect();
    for node in nodes {
        publish(gateway, &feeds.beat(Target::Node(node.name)), Vec::new(), None).await;
    }
}

/// Publishes a step. One above the broker's bound is left to the next beat, behind which its reader asks.
async fn publish(gateway: &Gateway, update: &Update, changes: Vec<FeedChange>, traceparent: Option<String>) {
    let (subject, feed) = match &update.target {
        Target::Node(node) => (subjects::node::feed(node), Feed::Own),
        Target::Shared => (subjects::SHARED_FEED.to_owned(), Feed::Shared),
    };
    let message = FeedMessage { changes, traceparent, ..step(feed, update.revision, update.prior) };
    let text = serde_json::to_vec(&message).expect("plain data");
    if text.len() > limits::FRAME {
        return;
    }
    if let Err(error) = gateway.nats.publish(subject, text.into()).await {
        tracing::debug!(%error, "a feed's step was not sent");
    }
}

fn step(feed: Feed, revision: Revision, prior: Revision) -> FeedMessage {
    FeedMessage {
        feed,
        revision,
        prior,
        snapshot: false,
        end: false,
        part: 0,
        changes: Vec::new(),
        traceparent: None,
    }
}

/// Reading and sending an answer must not hold up the steps.
fn answer(gateway: &Gateway, feeds: &Feeds, message: async_nats::Message) {
    let Some(reply_to) = message.reply else { return };
    let Some(node) = subjects::node::name_in(&message.subject) else { return };
    let Ok(asked) = serde_json::from_slice::<FeedSync>(&message.payload) else { return };
    let target = match asked.feed {
        Feed::Own => Target::Node(node),
        Feed::Shared => Target::Shared,
    };
    let sync = feeds.sync(target, asked.cursor);
    let gateway = gateway.clone();
    tokio::spawn(async move {
        if let Err(status) = send(gateway, reply_to, asked.feed, sync).await {
            tracing::warn!(why = %status.message, "a feed's reader got no answer");
        }
    });
}

async fn send(gateway: Gateway, to: async_nats::Subject, feed: Feed, sync: Sync) -> Result<(), Status> {
    let nats = gateway.nats.clone();
    let made = tokio::task::spawn_blocking(move || parts(&gateway, feed, sync)).await;
    for part in made.map_err(|error| failed(&error))?? {
        let text = serde_json::to_vec(&part).expect("plain data");
        nats.publish(to.clone(), text.into()).await.map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// The messages of an answer; none while the reader has seen more than we have: it asks again.
fn parts(gateway: &Gateway, feed: Feed, sync: Sync) -> Result<Vec<FeedMessage>, Status> {
    let snapshot = gateway.store.snapshot()?;
    match sync {
        Sync::Behind { .. } => Ok(Vec::new()),
        Sync::Since(update) => {
            let changes = changes_of(gateway, &snapshot, &update)?;
            Ok(cut(step(feed, update.revision, update.prior), changes))
        }
        Sync::Snapshot { target, revision, keys } => {
            let changes = match target {
                Target::Node(_) => own(gateway, &snapshot, keys)?,
                Target::Shared => shared(gateway, &snapshot)?,
            };
            let lead = FeedMessage { snapshot: true, ..step(feed, revision, Revision::NONE) };
            Ok(cut(lead, changes))
        }
    }
}

fn own(
    gateway: &Gateway,
    snapshot: &Snapshot,
    keys: impl IntoIterator<Item = Key>,
) -> Result<Vec<FeedChange>, Status> {
    let changes = keys.into_iter().map(|key| change(gateway, snapshot, &key, true));
    changes.filter(|change| !matches!(change, Ok(FeedChange::Gone { .. }))).collect()
}

fn shared(gateway: &Gateway, snapshot: &Snapshot) -> Result<Vec<FeedChange>, Status> {
    let mut changes = Vec::new();
    for (group, resource) in SHARED {
        for listed in snapshot.list(&ListQuery::of(group, resource)) {
            let (key, record) = listed.map_err(|error| failed(&error))?;
            changes.push(put(gateway, key, &record.object)?);
        }
    }
    Ok(changes)
}

/// Cuts an answer into numbered parts; the last says that it is.
fn cut(lead: FeedMessage, changes: Vec<FeedChange>) -> Vec<FeedMessage> {
    let mut parts = Vec::new();
    let mut current = lead.clone();
    let mut size = 0;
    for change in changes {
        if size > PART_BYTES {
            let part = current.part + 1;
            parts.push(std::mem::replace(&mut current, FeedMessage { part, ..lead.clone() }));
            size = 0;
        }
        if let FeedChange::Put { object, .. } = &change {
            size += object.get().len();
        }
        current.changes.push(change);
    }
    current.end = true;
    parts.push(current);
    parts
}

fn changes_of(gateway: &Gateway, snapshot: &Snapshot, update: &Update) -> Result<Vec<FeedChange>, Status> {
    update.changes.iter().map(|(key, belongs)| change(gateway, snapshot, key, *belongs)).collect()
}

/// An object as it is now, if it belongs to the feed and is there.
fn change(gateway: &Gateway, snapshot: &Snapshot, key: &Key, belongs: bool) -> Result<FeedChange, Status> {
    let found = match belongs {
        true => snapshot.get_object(key).map_err(|error| failed(&error))?,
        false => None,
    };
    match found {
        Some(object) => put(gateway, key.clone(), &object),
        None => Ok(FeedChange::Gone { key: key.clone() }),
    }
}

/// Secrets travel unsealed, inside the connection of the one node that may read them.
fn put(gateway: &Gateway, key: Key, object: &Bytes) -> Result<FeedChange, Status> {
    let registry = gateway.registry();
    let known = |resource: &&Arc<rutter_apimachinery::registry::Resource>| {
        *resource.group == *key.group && *resource.plural == *key.resource
    };
    let text = match registry.resources().iter().find(known) {
        Some(resource) => gateway.store.served(resource, object)?,
        None => object.clone(),
    };
    let text = String::from_utf8(text.to_vec()).map_err(|error| failed(&error))?;
    let object = RawValue::from_string(text).map_err(|error| failed(&error))?;
    Ok(FeedChange::Put { key, object })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_answer_is_cut_into_numbered_parts_and_only_the_last_ends_it() {
        let object = RawValue::from_string(format!("\"{}\"", "x".repeat(600_000))).expect("JSON");
        let put = |n: usize| FeedChange::Put {
            key: Key::new("", "services", "a", &n.to_string()),
            object: object.clone(),
        };
        let parts = cut(step(Feed::Shared, Revision(9), Revision(3)), (0..5).map(put).collect());
        let seen: Vec<(u32, usize, bool)> =
            parts.iter().map(|part| (part.part, part.changes.len(), part.end)).collect();
        assert_eq!(seen, [(0, 2, false), (1, 2, false), (2, 1, true)]);
        assert_eq!(cut(step(Feed::Own, Revision(1), Revision(0)), Vec::new()).len(), 1);
    }
}
