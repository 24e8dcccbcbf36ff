//! Reading a feed: what was seen is dropped, what was missed is noticed, a snapshot replaces everything.
//!
//! The reader keeps no object itself; it says what to do with [`Objects`]. Live messages may come from several
//! gateways, in part repeated. A message that starts at or before where the reader stands and ends after it is good:
//! each object it names is whole.

use std::sync::Arc;

use rutter_schemas::protocol::node::{Feed, FeedChange, FeedMessage, FeedSync};
use rutter_schemas::{Key, Revision};

use crate::objects::Objects;

/// Where a reader stands in one feed.
#[derive(Clone, Debug)]
pub struct Reader {
    feed: Feed,
    at: Option<Revision>,
    parts: Vec<FeedMessage>,
}

/// What a message meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// These objects changed, appeared or went.
    Changed(Vec<Key>),
    /// Known already, or a part of an answer whose end has not come.
    Nothing,
    /// Something was missed: ask for [`Reader::sync`].
    Behind,
}

impl Reader {
    /// Has seen nothing, or stands at `at` (of a feed kept on disk).
    pub fn new(feed: Feed, at: Option<Revision>) -> Reader {
        Reader { feed, at, parts: Vec::new() }
    }

    pub fn at(&self) -> Option<Revision> {
        self.at
    }

    /// The question that brings this reader up to date. Forgets an answer that was under way.
    pub fn sync(&mut self) -> FeedSync {
        self.parts.clear();
        FeedSync { feed: self.feed, cursor: self.at }
    }

    /// A live message.
    pub fn live(&mut self, message: FeedMessage, objects: &mut Objects) -> Read {
        let Some(at) = self.at else { return Read::Behind };
        if message.revision <= at {
            return Read::Nothing;
        }
        if message.prior > at {
            return Read::Behind;
        }
        self.at = Some(message.revision);
        Read::Changed(apply(vec![message], objects))
    }

    /// A part of the answer to [`Reader::sync`].
    pub fn answered(&mut self, message: FeedMessage, objects: &mut Objects) -> Read {
        if usize::try_from(message.part) != Ok(self.parts.len()) {
            self.parts.clear();
            return Read::Behind;
        }
        let (end, revision, snapshot) = (message.end, message.revision, message.snapshot);
        self.parts.push(message);
        if !end {
            return Read::Nothing;
        }
        let parts = std::mem::take(&mut self.parts);
        if !snapshot && self.at.is_some_and(|at| revision < at) {
            return Read::Nothing;
        }
        self.at = Some(revision);
        let missing = if snapshot { forget_unnamed(&parts, self.feed, objects) } else { Vec::new() };
        let mut changed = apply(parts, objects);
        changed.extend(missing);
        Read::Changed(changed)
    }
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
    let named: std::collections::BTreeSet<&Key> = parts
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
    use super::*;

    fn put(name: &str) -> FeedChange {
        let object = serde_json::value::RawValue::from_string("{}".into()).expect("JSON");
        FeedChange::Put { key: Key::new("", "pods", "default", name), object }
    }

    fn message(prior: u64, revision: u64, changes: Vec<FeedChange>) -> FeedMessage {
        FeedMessage {
            feed: Feed::Own,
            revision: Revision(revision),
            prior: Revision(prior),
            snapshot: false,
            end: false,
            part: 0,
            changes,
            traceparent: None,
        }
    }

    fn names(objects: &Objects) -> Vec<&str> {
        objects.iter().map(|(key, _)| key.name.as_str()).collect()
    }

    #[test]
    fn a_repeat_is_dropped_and_a_gap_asks_for_a_sync() {
        let mut objects = Objects::default();
        let mut reader = Reader::new(Feed::Own, Some(Revision(5)));
        assert_eq!(reader.live(message(3, 5, vec![put("a")]), &mut objects), Read::Nothing);
        assert_eq!(reader.live(message(7, 9, vec![put("a")]), &mut objects), Read::Behind);
        assert!(matches!(reader.live(message(4, 7, vec![put("a")]), &mut objects), Read::Changed(_)));
        assert_eq!(reader.at(), Some(Revision(7)));
    }

    #[test]
    fn a_snapshot_in_parts_replaces_everything_at_its_end() {
        let mut objects = Objects::default();
        objects.put(Key::new("", "pods", "default", "old"), Arc::from(put_raw()));
        objects.put(Key::new("", "services", "default", "kept"), Arc::from(put_raw()));
        let mut reader = Reader::new(Feed::Own, None);
        let first = FeedMessage { snapshot: true, ..message(0, 9, vec![put("a")]) };
        let last = FeedMessage { snapshot: true, end: true, part: 1, ..message(0, 9, vec![put("b")]) };
        assert_eq!(reader.answered(first, &mut objects), Read::Nothing);
        assert_eq!(names(&objects), ["old", "kept"]);
        assert!(matches!(reader.answered(last, &mut objects), Read::Changed(keys) if keys.len() == 3));
        assert_eq!(names(&objects), ["a", "b", "kept"]);
    }

    #[test]
    fn a_lost_part_spoils_the_answer() {
        let mut objects = Objects::default();
        let mut reader = Reader::new(Feed::Own, None);
        let second = FeedMessage { snapshot: true, end: true, part: 1, ..message(0, 9, vec![put("b")]) };
        assert_eq!(reader.answered(second, &mut objects), Read::Behind);
        assert_eq!(reader.at(), None);
    }

    fn put_raw() -> Box<serde_json::value::RawValue> {
        serde_json::value::RawValue::from_string("{}".into()).expect("JSON")
    }
}
