//! The laws of the design (§10), checked from the log and from what clients were told. The checks share no code with
//! what they check: they keep their own account of the log.

mod answers;
mod ending;
mod log;
mod quotas;
mod workloads;

use std::collections::BTreeMap;
use std::fmt;

use rutter_schemas::{Rejection, Revision, Uuid};

pub use answers::Arrival;
pub use log::Log;

use crate::stream::Entry;
use crate::time::Time;

/// What each law says, in a few words.
const LAWS: [&str; 6] = [
    "a view rebuilt from the log equals the view kept",
    "replanning on the same view gives the same plan",
    "whatever crashes, it comes to the same end",
    "no node is overcommitted, no birth or death too many",
    "after faults stop, every plan becomes idle",
    "no acknowledged write is lost, reordered or half seen, and only the active ledger answers",
];

/// A broken law.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// 1 to 6.
    pub law: usize,
    pub at: Time,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "law {} is broken at {}: {}\n  ({})", self.law, self.at, self.what, LAWS[self.law - 1])
    }
}

/// The account that is kept of a run.
#[derive(Debug, Default)]
pub struct Laws {
    pub violation: Option<Violation>,
    pub log: Log,
    /// The newest revision that anyone was told is committed.
    pub acknowledged: Revision,
    /// The frame that holds it.
    acknowledged_frame: u64,
    /// Commits that someone was told of, and the revisions they were told.
    told: BTreeMap<Uuid, (Revision, Revision)>,
    /// Proposals that were rejected, and what they were told last.
    rejected: BTreeMap<Uuid, Rejection>,
    pub rejections: u64,
}

impl Laws {
    /// The first broken law ends a run.
    pub fn break_law(&mut self, law: usize, at: Time, what: String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { law, at, what });
        }
    }

    /// A frame stands in the log for good.
    pub fn judge_frame(&mut self, at: Time, sequence: u64, entry: &Entry) {
        if let Err((law, what)) = self.log.take(sequence, entry) {
            self.break_law(law, at, what);
        }
    }

    /// Commits that someone was told of, with the revisions they were told.
    fn told(&self) -> impl Iterator<Item = (Uuid, (Revision, Revision))> {
        self.told.iter().map(|(id, told)| (*id, *told))
    }

    /// The log was cut by its operator: what stood behind the cut never was.
    pub fn restored(&mut self, at: Time, entries: &[(u64, Entry)]) {
        self.log = Log::default();
        for (sequence, entry) in entries {
            self.judge_frame(at, *sequence, entry);
        }
        let last = self.log.revision;
        self.acknowledged = self.acknowledged.min(last);
        self.acknowledged_frame = self.acknowledged_frame.min(entries.len() as u64);
        self.told.retain(|_, (_, told)| *told <= last);
    }
}
