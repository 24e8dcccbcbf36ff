//! What a controller learns: one event of the log, or one record of a snapshot, about one object; and what commits count.
//!
//! The object is parsed at most once, and only for a controller that looks at it.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use rutter_schemas::{Count, Event, Key, Meta, Op, Revision};
use serde_json::Value;

/// Under what counters go; no object has such a key.
const COUNTERS: (&str, &str) = ("rutter.dev", "counters");

/// One change of one object, or of one counter. Cheap to clone: the text and the parsed object are shared.
#[derive(Clone, Debug)]
pub struct Fact {
    /// The revision of the event; of a snapshot's record, the revision at which the object got this state.
    pub revision: Revision,
    /// Of a snapshot's record, [`Op::Create`].
    pub op: Op,
    pub key: Key,
    pub uid: String,
    pub meta: Arc<Meta>,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    text: Bytes,
    parsed: OnceLock<Value>,
}

impl Fact {
    /// `text` is the object's JSON, with or without its resourceVersion; of a deletion, the last one.
    pub fn new(
        revision: Revision,
        op: Op,
        key: Key,
        uid: String,
        meta: impl Into<Arc<Meta>>,
        text: Bytes,
    ) -> Fact {
        Fact {
            revision,
            op,
            key,
            uid,
            meta: meta.into(),
            state: Arc::new(State { text, parsed: OnceLock::new() }),
        }
    }

    /// The fact that `event` is at its place in the log.
    pub fn of_event(event: &Event, revision: Revision) -> Fact {
        let text = Bytes::copy_from_slice(event.state.get().as_bytes());
        Fact::new(revision, event.op, event.object.key(), event.object.uid.clone(), event.meta.clone(), text)
    }

    /// That something was added to a counter, or stands in it where a snapshot begins.
    pub fn of_count(revision: Revision, count: &Count) -> Fact {
        let key = Key::new(COUNTERS.0, COUNTERS.1, "", &count.name);
        let text = Bytes::from(count.delta.to_string());
        Fact::new(revision, Op::Update, key, String::new(), Meta::default(), text)
    }

    /// By how much which counter changed, if that is what it tells.
    pub fn count(&self) -> Option<(&str, i64)> {
        let delta = || self.object().as_i64().unwrap_or_default();
        self.is(COUNTERS.0, COUNTERS.1).then(|| (self.key.name.as_str(), delta()))
    }

    /// The object after the change; none when the change was its deletion.
    pub fn after(&self) -> Option<&Value> {
        (self.op != Op::Delete).then(|| self.object())
    }

    /// The same, for who looks at one resource only.
    pub fn after_of(&self, group: &str, resource: &str) -> Option<&Value> {
        if self.is(group, resource) { self.after() } else { None }
    }

    /// The object after the change; of a deletion, its last state. Null when the text is no JSON, which the ledger
    /// does not let into the log.
    pub fn object(&self) -> &Value {
        self.state.parsed.get_or_init(|| serde_json::from_slice(&self.state.text).unwrap_or(Value::Null))
    }

    /// Whether the fact is about an object of this resource, such as `("apps", "deployments")`.
    pub fn is(&self, group: &str, resource: &str) -> bool {
        self.key.resource == resource && self.key.group == group
    }
}
