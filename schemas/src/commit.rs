//! Commits: what a service proposes, what the ledger answers.
//!
//! A commit's text is a header line and one line per event. The ledger copies that text into its frame as it came,
//! so proposing, recording and following share one encoding and nothing is re-encoded on the way.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::wire::{json_line, lines};
use crate::{Event, Key, ObjectRef, Op, Revision, Scope, WireError, limits};

/// Who caused a change, and which service carried it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The authenticated user, or the controller's name.
    pub user: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The service that proposed: `gateway`, `replicator`, …
    pub via: String,
}

/// The state of the object that a write was computed from. There is no "any": the state is whole, so a write that
/// doesn't know what it replaces would undo what it doesn't know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub enum Expect {
    Absent,
    At(Revision),
}

impl From<u64> for Expect {
    fn from(revision: u64) -> Expect {
        if revision == 0 { Expect::Absent } else { Expect::At(Revision(revision)) }
    }
}

impl From<Expect> for u64 {
    fn from(expect: Expect) -> u64 {
        match expect {
            Expect::Absent => 0,
            Expect::At(revision) => revision.0,
        }
    }
}

/// An addition to a named counter, refused when it would exceed `max`: quota'd creates commute instead of colliding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub name: String,
    pub delta: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

impl Count {
    /// The counter of an object, by its uid, for what it counts. A counter ends with the object that it belongs to.
    pub fn name_of(uid: &str, what: &str) -> String {
        format!("{uid}/{what}")
    }

    /// The object that a counter belongs to, and what it counts.
    pub fn parts_of(name: &str) -> Option<(&str, &str)> {
        name.split_once('/')
    }
}

/// All of a commit but its events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitHeader {
    /// New for every decision; the same in every resend of it.
    pub id: Uuid,
    /// The revision of the view it was decided on; the same in every resend.
    pub base: Revision,
    /// The incarnation of the log it was decided on.
    pub incarnation: u32,
    pub actor: Actor,
    /// The revision this answers, when it answers one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Revision>,
    /// One line that an operator can read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Service and version that wrote it, for readers of old events.
    pub writer: String,
    /// One per event.
    pub expects: Vec<Expect>,
    /// Refused when one of these was touched after `base`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<Scope>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counters: Vec<Count>,
}

/// Several changes that happen together or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    pub header: CommitHeader,
    pub events: Vec<Event>,
}

impl Commit {
    /// A header line and one line per event, each ended by a newline.
    pub fn encode(&self) -> Bytes {
        let states: usize = self.events.iter().map(|event| event.state.get().len()).sum();
        let mut text = Vec::with_capacity(states + 512 * (self.events.len() + 1));
        json_line(&mut text, &self.header);
        for event in &self.events {
            json_line(&mut text, event);
        }
        text.into()
    }

    pub fn decode(text: &[u8]) -> Result<Commit, WireError> {
        let mut rest = lines(text);
        let header: CommitHeader = rest.take("commit header")?;
        let events = rest.take_events(header.expects.len())?;
        rest.end()?;
        Ok(Commit { header, events })
    }
}

/// What the sequencer needs to know of one event of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteHead {
    pub key: Key,
    pub uid: String,
    pub op: Op,
    pub expect: Expect,
    pub touches: Vec<Scope>,
    /// Whether only the object's status changes, or it goes: such writes pass when the disk is nearly full.
    pub yields_space: bool,
}

/// A commit as the sequencer sees it: heads for deciding, and the text to record. States stay unparsed.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    pub header: CommitHeader,
    pub writes: Vec<WriteHead>,
    pub text: Bytes,
}

impl Proposal {
    /// Skims a commit's text: checks limits, and that operation, expectation and prior revision agree.
    pub fn decode(text: Bytes) -> Result<Proposal, WireError> {
        check(text.len(), limits::FRAME - 4096, "a commit's text in bytes")?;
        let mut rest = lines(&text);
        let header: CommitHeader = rest.take("commit header")?;
        check(header.expects.len(), limits::COMMIT_OBJECTS, "a commit's number of objects")?;
        if header.expects.is_empty() {
            return Err(WireError::Header("a commit writes at least one object"));
        }
        let mut writes = Vec::with_capacity(header.expects.len());
        for (index, expect) in header.expects.iter().enumerate() {
            let skim: Skim = rest.take("event")?;
            writes.push(skim.head(index, *expect)?);
        }
        rest.end()?;
        Ok(Proposal { header, writes, text })
    }
}

impl From<&Commit> for Proposal {
    fn from(commit: &Commit) -> Proposal {
        Proposal::decode(commit.encode()).expect("a commit that we built agrees with itself")
    }
}

/// An event line without what the sequencer has no use for.
#[derive(Deserialize)]
struct Skim<'a> {
    #[serde(rename = "type")]
    event_type: std::borrow::Cow<'a, str>,
    op: Op,
    object: ObjectRef,
    prior: Revision,
    touches: Vec<Scope>,
    #[serde(borrow)]
    state: &'a RawValue,
}

impl Skim<'_> {
    fn head(self, index: usize, expect: Expect) -> Result<WriteHead, WireError> {
        let key = self.object.key();
        let refuse = |problem| WireError::Write { index, key: key.to_string(), problem };
        let agrees = match (self.op, expect) {
            (Op::Create, Expect::Absent) => self.prior == Revision::NONE,
            (Op::Update | Op::Delete, Expect::At(revision)) => self.prior == revision,
            _ => false,
        };
        if !agrees {
            return Err(refuse("its operation, expectation and prior revision disagree"));
        }
        let parts = [&key.group, &key.resource, &key.namespace, &key.name];
        if key.resource.is_empty()
            || key.name.is_empty()
            || parts.iter().any(|part| part.contains(['\0', '\n']))
        {
            return Err(refuse("its key has an empty part or a control character"));
        }
        if !crate::state::is_ordered(self.state) {
            return Err(refuse("its state does not begin with kind, apiVersion and metadata"));
        }
        check(self.state.get().len(), limits::OBJECT, "an object's size in bytes")?;
        let yields_space = self.op == Op::Delete || self.event_type.ends_with("StatusChanged");
        Ok(WriteHead { key, uid: self.object.uid, op: self.op, expect, touches: self.touches, yields_space })
    }
}

fn check(size: usize, limit: usize, what: &'static str) -> Result<(), WireError> {
    if size > limit { Err(WireError::TooLarge { what, size, limit }) } else { Ok(()) }
}

/// The ledger's answer to a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Recorded as the events `first..=last`, acknowledged and synced.
    Committed {
        first: Revision,
        last: Revision,
    },
    Rejected(Rejection),
}

/// Why a commit was not recorded. Nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// The object is not as expected; `actual` is its revision, if it exists.
    Stale {
        key: Key,
        actual: Option<Revision>,
    },
    /// A guarded premise was falsified at `actual`.
    Touched {
        scope: Scope,
        actual: Revision,
    },
    /// A counter would exceed its maximum; `left` is what it could still take.
    Exhausted {
        counter: String,
        left: u64,
    },
    /// Decided on a view older than what the ledger remembers.
    TooOld {
        floor: Revision,
    },
    /// Decided on another making of the log.
    WrongIncarnation {
        current: u32,
    },
    TooLarge {
        size: usize,
        limit: usize,
    },
    /// The disk is nearly full; deletes and status still pass.
    StorageFull {
        reason: String,
    },
    /// More is waiting than the ledger will hold; try again.
    Busy,
    Malformed {
        reason: String,
    },
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejection::Stale { key, actual: Some(actual) } => write!(f, "{key} stands at r{actual}"),
            Rejection::Stale { key, actual: None } => write!(f, "{key} does not exist"),
            Rejection::Touched { scope, actual } => write!(f, "{scope} was touched at r{actual}"),
            Rejection::Exhausted { counter, left } => write!(f, "{counter} has {left} left"),
            Rejection::TooOld { floor } => write!(f, "decided before r{floor}"),
            Rejection::WrongIncarnation { current } => write!(f, "the log is in incarnation {current}"),
            Rejection::TooLarge { size, limit } => write!(f, "{size} is above the limit of {limit}"),
            Rejection::StorageFull { reason } => write!(f, "storage is nearly full: {reason}"),
            Rejection::Busy => f.write_str("too much is waiting"),
            Rejection::Malformed { reason } => f.write_str(reason),
        }
    }
}
