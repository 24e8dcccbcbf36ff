//! What the sequencer knows of the log: which object stands where, what was touched, counted and recorded.
//!
//! A commit is applied when it is decided, before it is recorded. If it never is, it is taken back: [`Applied`] holds
//! what it changed.

use std::collections::BTreeMap;

use rutter_schemas::{Count, Frame, KeyHash, Op, Proposal, Revision, Scope, Uuid};

use crate::index::Index;
use crate::marks::{Marks, scope_hash};
use crate::recent::{Entry, Recent};
use crate::settings::RecentLimits;

#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) index: Index,
    /// Touched scopes and deleted keys.
    pub(crate) marks: Marks,
    pub(crate) counters: BTreeMap<String, i64>,
    pub(crate) recent: Recent,
    /// Commits decided on a view older than this are refused: what they would have to be compared with is forgotten.
    pub(crate) floor: Revision,
    pub(crate) last: Revision,
    pub(crate) incarnation: u32,
}

/// The time of a commit that is not recorded yet.
const NOT_RECORDED: u32 = u32::MAX;

/// A commit that was applied, and how to take it back.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) entry: Entry,
    /// How many marks are among its changes.
    pub(crate) marks: usize,
    changes: Vec<Change>,
}

/// What matters of one event.
struct Write<'a> {
    key: KeyHash,
    uid: &'a str,
    op: Op,
    touches: &'a [Scope],
}

#[derive(Clone, Debug)]
enum Change {
    Key { key: KeyHash, before: Option<Revision>, after: Option<Revision> },
    Mark { mark: KeyHash, before: Option<Revision>, after: Revision },
    Count(Count),
}

impl State {
    /// Applies a proposal that was judged to be right.
    /// `keys` are the hashes of its writes' keys.
    pub(crate) fn accept(&mut self, proposal: &Proposal, keys: &[KeyHash]) -> Applied {
        let writes = proposal.writes.iter().zip(keys);
        let writes = writes.map(|(write, key)| Write {
            key: *key,
            uid: &write.uid,
            op: write.op,
            touches: &write.touches,
        });
        self.apply(proposal.header.id, writes, &proposal.header.counters, NOT_RECORDED)
    }

    /// Accepted commits were recorded at this time: the oldest `commits` of those that had not been; `tentative` are
    /// left.
    pub(crate) fn recorded(&mut self, commits: usize, tentative: usize, at_seconds: u32) {
        let end = self.recent.len() - tentative;
        self.recent.stamp(end - commits..end, at_seconds);
    }

    /// Applies a frame of the log.
    pub(crate) fn replay(&mut self, frame: &Frame, at_seconds: u32) {
        self.incarnation = frame.header.incarnation;
        self.last = Revision(frame.header.first.0 - 1);
        for commit in &frame.commits {
            let writes = commit.events.iter();
            let writes = writes.map(|event| Write {
                key: event.object.key().hash(),
                uid: &event.object.uid,
                op: event.op,
                touches: &event.touches,
            });
            self.apply(commit.header.id, writes, &commit.header.counters, at_seconds);
        }
    }

    fn apply<'a>(
        &mut self,
        id: Uuid,
        writes: impl Iterator<Item = Write<'a>>,
        counters: &[Count],
        at_seconds: u32,
    ) -> Applied {
        let first = self.last.next();
        let mut changes = Vec::new();
        for count in counters {
            self.count(&count.name, count.delta);
            changes.push(Change::Count(count.clone()));
        }
        for write in writes {
            self.last = self.last.next();
            self.write(&write, &mut changes);
        }
        let events = u32::try_from(self.last.0 + 1 - first.0).expect("a commit has at most 1,000 events");
        let entry = Entry { id, first, events, at_seconds };
        self.recent.push(entry);
        let marks = changes.iter().filter(|change| matches!(change, Change::Mark { .. })).count();
        Applied { entry, marks, changes }
    }

    fn write(&mut self, write: &Write<'_>, changes: &mut Vec<Change>) {
        let Write { key, uid, op, touches } = *write;
        let revision = self.last;
        let after = (op != Op::Delete).then_some(revision);
        changes.push(Change::Key { key, before: self.index.set(key, after), after });
        let deleted = (op == Op::Delete).then_some(key);
        for mark in touches.iter().map(scope_hash).chain(deleted) {
            changes.push(Change::Mark { mark, before: self.marks.set(mark, revision), after: revision });
        }
        if op == Op::Delete {
            self.end_counters_of(uid, changes);
        }
    }

    /// Counters end with the object that they belong to.
    fn end_counters_of(&mut self, uid: &str, changes: &mut Vec<Change>) {
        let first = Count::name_of(uid, "");
        let of_it = self.counters.range(first.clone()..).take_while(|(name, _)| name.starts_with(&first));
        let ended: Vec<Count> =
            of_it.map(|(name, value)| Count { name: name.clone(), delta: -value, max: None }).collect();
        for count in ended {
            self.count(&count.name, count.delta);
            changes.push(Change::Count(count));
        }
    }

    /// Takes back the last commit that was not taken back.
    pub(crate) fn take_back(&mut self, applied: &Applied) {
        for change in applied.changes.iter().rev() {
            match change {
                Change::Key { key, before, .. } => drop(self.index.set(*key, *before)),
                Change::Mark { mark, before, .. } => self.marks.unset(*mark, *before),
                Change::Count(Count { name, delta, .. }) => self.count(name, -delta),
            }
        }
        self.recent.pop_last();
        self.last = Revision(applied.entry.first.0 - 1);
    }

    /// Applies again what was taken back.
    pub(crate) fn put_back(&mut self, applied: &Applied) {
        for change in &applied.changes {
            match change {
                Change::Key { key, after, .. } => drop(self.index.set(*key, *after)),
                Change::Mark { mark, after, .. } => drop(self.marks.set(*mark, *after)),
                Change::Count(Count { name, delta, .. }) => self.count(name, *delta),
            }
        }
        self.recent.push(applied.entry);
        self.last = applied.entry.last();
    }

    /// Forgets what is too old or too much, by the time of the last recorded frame, so that every ledger forgets
    /// alike. The last `tentative` commits are not recorded yet and don't count.
    pub(crate) fn forget(&mut self, limits: &RecentLimits, tentative: &Tentative, at_seconds: u32) {
        let recorded_marks = self.marks.len() - tentative.marks;
        let mut forgotten_marks = 0;
        loop {
            let recorded = self.recent.len() - tentative.commits;
            let Some(oldest) = self.recent.first().filter(|_| recorded > 0) else { break };
            let too_old = oldest.at_seconds.saturating_add(limits.seconds) < at_seconds;
            let too_many = recorded > limits.ids || recorded_marks - forgotten_marks > limits.marks;
            if !too_old && !too_many {
                break;
            }
            self.floor = oldest.last();
            self.recent.pop_first();
            let before = self.marks.len();
            self.marks.forget(self.floor);
            forgotten_marks += before - self.marks.len();
        }
    }

    fn count(&mut self, name: &str, delta: i64) {
        let value = self.counters.entry(name.to_owned()).or_default();
        *value = value.wrapping_add(delta);
        if *value == 0 {
            self.counters.remove(name);
        }
    }
}

/// How much of the state is not recorded yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tentative {
    pub(crate) commits: usize,
    pub(crate) marks: usize,
}
