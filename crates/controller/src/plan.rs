//! Plans: what a controller wants done, and the premises it was decided on.

use jiff::Timestamp;
use rutter_apimachinery::recorder::Note;
use rutter_schemas::{Count, Key, Revision, Scope};
use serde_json::Value;

/// A commit in the making: all of it happens or none of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// One line that an operator can read: why this is done, or why nothing is.
    pub why: String,
    /// Several intents on one object are carried out one after the other, and recorded as one event.
    pub intents: Vec<Intent>,
    /// Refused when one of these was touched after `base`.
    pub guards: Vec<Scope>,
    pub counters: Vec<Count>,
    /// The revision of the view it was decided on. The [`crate::Machine`] fills it in.
    pub base: Revision,
    /// The revision it answers: the newest fact that woke its key, unless the controller knows better.
    pub cause: Option<Revision>,
    /// When to look again although nothing happens.
    pub look_again: Option<Timestamp>,
    /// What operators are told in Events once the commit is in the log. Nothing rests on them.
    pub notes: Vec<Note>,
    /// What they are told when the rules (admission, quota) refuse it; the refusal's words are put behind.
    pub if_refused: Option<Note>,
}

/// One change of one object. Whoever executes a plan turns intents into events through the same defaulting,
/// validation and admission that a person's request passes.
#[derive(Clone, Debug, PartialEq)]
pub enum Intent {
    /// A new object, complete with apiVersion, kind, name and namespace.
    Create { object: Value },
    /// A JSON merge patch (RFC 7396) on the object as it was at `expect`. Without a subresource the status is left
    /// alone, as upstream does.
    Merge { key: Key, expect: Revision, patch: Value, subresource: Option<&'static str> },
    /// The object whole, in the place of the one that stood at `expect`.
    Replace { key: Key, expect: Revision, object: Value, subresource: Option<&'static str> },
    /// The object as it stood at `expect`, recorded once more: for commits that only count.
    Restate { key: Key, expect: Revision },
    /// A deletion, which may be graceful or wait for finalizers, as the kind has it.
    Delete {
        key: Key,
        expect: Revision,
        /// Refused when the object by that name is another one.
        uid: Option<String>,
        grace_seconds: Option<i64>,
        propagation: Option<Propagation>,
    },
}

/// Why the rules would not have a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In the words that a person would get.
    pub words: String,
    /// How many of its births, in their order, the rules would have had.
    pub fitting: usize,
}

/// What becomes of the dependents of a deleted object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    Background,
    Foreground,
    Orphan,
}

impl Propagation {
    /// As `DeleteOptions.propagationPolicy` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        }
    }
}

impl Plan {
    /// Nothing to do, and why.
    pub fn idle(why: impl Into<String>) -> Plan {
        Plan { why: why.into(), ..Plan::default() }
    }

    pub fn because(why: impl Into<String>) -> Plan {
        Plan::idle(why)
    }

    pub fn is_idle(&self) -> bool {
        self.intents.is_empty()
    }

    pub fn guard(&mut self, scope: Scope) {
        if !self.guards.contains(&scope) {
            self.guards.push(scope);
        }
    }

    pub fn create(&mut self, object: Value) {
        self.intents.push(Intent::Create { object });
    }

    pub fn merge(&mut self, key: Key, expect: Revision, patch: Value) {
        self.intents.push(Intent::Merge { key, expect, patch, subresource: None });
    }

    pub fn merge_status(&mut self, key: Key, expect: Revision, status: Value) {
        let patch = serde_json::json!({ "status": status });
        self.intents.push(Intent::Merge { key, expect, patch, subresource: Some("status") });
    }

    /// Adds to a counter, without a bound.
    pub fn count(&mut self, name: String, delta: i64) {
        self.counters.push(Count { name, delta, max: None });
    }

    pub fn delete(&mut self, key: Key, expect: Revision, uid: &str) {
        self.intents.push(Intent::Delete {
            key,
            expect,
            uid: Some(uid.to_owned()),
            grace_seconds: None,
            propagation: Some(Propagation::Background),
        });
    }

    pub fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    /// Look again at `when`, or earlier if that was already said.
    pub fn look_again_at(&mut self, when: Timestamp) {
        self.look_again = Some(self.look_again.map_or(when, |earlier| earlier.min(when)));
    }
}
