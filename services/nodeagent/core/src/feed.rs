//! What a feed brings, taken in: each object it names is whole, a snapshot replaces everything of its feed.
//!
//! What was seen already, and what was missed, is the business of the feed's reader (`rutter_log::feed`).

use std::collections::BTreeSet;
use std::sync::Arc;

use rutter_schemas::Key;
use rutter_schemas::protocol::node::{Feed, FeedChange, FeedMessage};

use crate::objects::Objects;

/// Takes in what a reader of the feed let through, all together; gives the keys of what changed, appeared or went.
/// Messages of a snapshot come first: what they don't name is gone.
pub fn take_in(feed: Feed, messages: Vec<FeedMessage>, objects: &mut Objects) -> Vec<Key> {
    let snapshot = messages.iter().take_while(|message| message.snapshot).count();
    let missing =
        if snapshot > 0 { forget_unnamed(&messages[..snapshot], feed, objects) } else { Vec::new() };
    let mut changed = apply(messages, objects);
    changed.extend(missing);
    changed
}

fn apply(messages: Vec<FeedMessage>, objects: &mut Objects) -> Vec<Key> {
    let changes = messages.into_iter().flat_map(|message| message.changes);
    changes
        .map(|change| match change {
            FeedChange::Put { key, object } => {
                objects.put(key.clone(), Arc::from(object));
                key
            }
            FeedChange::Gone { key } => {
                objects.remove(&key);
                key
            }
        })
        .collect()
}

fn forget_unnamed(parts: &[FeedMessage], feed: Feed, objects: &mut Objects) -> Vec<Key> {
    let named: BTreeSet<&Key> = parts
        .iter()
        .flat_map(|part| &part.changes)
        .map(|change| match change {
            FeedChange::Put { key, .. } | FeedChange::Gone { key } => key,
        })
        .collect();
    let known: Vec<Key> = objects.iter().map(|(key, _)| key.clone()).collect();
    let gone: Vec<Key> =
        known.into_iter().filter(|key| feed_of(key) == feed && !named.contains(key)).collect();
    for key in &gone {
        objects.remove(key);
    }
    gone
}

/// Which feed brings an object.
pub fn feed_of(key: &Key) -> Feed {
    match key.resource.as_str() {
        "services" | "endpointslices" | "namespaces" | "podcidrs" => Feed::Shared,
        _ => Feed::Own,
    }
}

#[cfg(test)]
mod tests {
    use rutter_schemas::Revision;

    use super::*;

    fn raw() -> Box<serde_json::value::RawValue> {
        serde_json::value::RawValue::from_string("{}".into()).expect("JSON")
    }

    fn put(name: &str) -> FeedChange {
        FeedChange::Put { key: Key::new("", "pods", "default", name), object: raw() }
    }

    fn message(snapshot: bool, changes: Vec<FeedChange>) -> FeedMessage {
        FeedMessage {
            feed: Feed::Own,
            revision: Revision(9),
            prior: Revision(5),
            snapshot,
            end: false,
            part: 0,
            changes,
            traceparent: None,
        }
    }

    fn held() -> Objects {
        let mut objects = Objects::default();
        objects.put(Key::new("", "pods", "default", "old"), Arc::from(raw()));
        objects.put(Key::new("", "services", "default", "kept"), Arc::from(raw()));
        objects
    }

    fn names(objects: &Objects) -> Vec<&str> {
        objects.iter().map(|(key, _)| key.name.as_str()).collect()
    }

    #[test]
    fn a_step_changes_what_it_names() {
        let mut objects = held();
        let gone = FeedChange::Gone { key: Key::new("", "pods", "default", "old") };
        let changed = take_in(Feed::Own, vec![message(false, vec![put("a"), gone])], &mut objects);
        assert_eq!((changed.len(), names(&objects)), (2, vec!["a", "kept"]));
    }

    #[test]
    fn a_snapshot_in_parts_replaces_its_feed_and_steps_behind_it_go_on() {
        let mut objects = held();
        let parts = vec![
            message(true, vec![put("a")]),
            message(true, vec![put("b")]),
            message(false, vec![FeedChange::Gone { key: Key::new("", "pods", "default", "a") }]),
        ];
        let changed = take_in(Feed::Own, parts, &mut objects);
        assert_eq!(changed.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["a", "b", "a", "old"]);
        assert_eq!(names(&objects), ["b", "kept"]);
    }
}
