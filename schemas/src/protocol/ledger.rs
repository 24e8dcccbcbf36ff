//! Between the ledger and everybody else. All messages are JSON.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Actor, Key, Op, Revision};

/// The answer to "what is the last acknowledged revision": given only by a ledger that proved, after the question
/// arrived, that it is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NowAnswer {
    pub revision: Revision,
    pub incarnation: u32,
}

/// The active ledger's sign of life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    pub ledger: String,
    pub epoch: u64,
    /// Set on a graceful hand-over: a standby may take over at once.
    #[serde(default)]
    pub leaving: bool,
}

/// A question about the past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryQuery {
    /// Every event of one object, oldest first, at most `limit`, after `after`; by a ledger that has the log up to
    /// `reaching`.
    History {
        key: Key,
        after: Revision,
        #[serde(default)]
        reaching: Revision,
        limit: u32,
    },
    /// The event at a revision, and the events that caused it, nearest first.
    Why { revision: Revision },
    /// The object as it was at a revision.
    GetAt { key: Key, revision: Revision },
    /// A page of a collection as it was at a revision; `after` is the last key of the page before.
    ListAt {
        group: String,
        resource: String,
        namespace: Option<String>,
        after: Option<Key>,
        revision: Revision,
        limit: u32,
    },
    /// Events after a revision, oldest first.
    Log { after: Revision, limit: u32 },
}

/// One event of the past, with who, why and when.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fact {
    pub revision: Revision,
    #[serde(rename = "type")]
    pub event_type: String,
    pub op: Op,
    pub key: Key,
    pub at: String,
    pub actor: Actor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Revision>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    pub prior: Revision,
    /// The object after the event, with its resourceVersion; left out where only the facts were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Box<RawValue>>,
}

/// The answer to a [`HistoryQuery`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryAnswer {
    Facts {
        facts: Vec<Fact>,
        more: bool,
    },
    Object {
        object: Option<Box<RawValue>>,
        revision: Revision,
    },
    Objects {
        objects: Vec<Box<RawValue>>,
        next: Option<Key>,
        revision: Revision,
    },
    /// The revision lies in the future, or among those that a restored log skipped.
    Unknown {
        reason: String,
    },
    /// This ledger has the log only so far; another may have more.
    Behind {
        at: Revision,
    },
}
