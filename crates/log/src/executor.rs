//! One write, from the first decision to an outcome that can be told.
//!
//! What it keeps true:
//! - A commit that may have reached the ledger is only ever sent again as it was: same bytes, id and base, so that it is
//!   recorded once. A new decision has a new id, and is made only after a definite rejection.
//! - After a rejection the view first catches up with what the ledger knew, so that no decision is made twice on the
//!   same stale premise.
//! - It ends: by an outcome, by running out of attempts, or by the deadline. If a commit was sent and never answered,
//!   the end says that it may have been applied.
//!
//! ```text
//!              decided            Committed                 the view has it
//!   Deciding ──────────▶ Sending ───────────▶ Settling ─────────────────────▶ Ended
//!      ▲                 │  ▲  │                                                ▲
//!      │                 │  └──┘ no answer, busy: the same again                │
//!      │ the view has it ▼                                                      │
//!   Behind ◀──────── rejected: stale, touched, exhausted ──── conflict, full ───┘
//! ```
//! Who doesn't need its write in the view ([`Executor::unseen`]) ends where it would begin to settle.

mod status;

pub use status::MAY_HAVE_BEEN_APPLIED;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use rutter_schemas::protocol::ledger::NowAnswer;
use rutter_schemas::{Key, Outcome, Rejection, Revision, Uuid};

/// The first pause before a commit is sent again; doubled up to the longest.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_millis(20);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_millis(640);

/// How long one write may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many decisions may be made; at least 1.
    pub attempts: u32,
    pub deadline: Timestamp,
}

/// What the caller decided on its view.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Propose this commit: an encoded [`rutter_schemas::Commit`] with a new id.
    Propose { id: Uuid, text: Bytes },
    /// There is nothing to change, so nothing is recorded.
    Nothing,
}

/// What has to be done next. Asking again without having done it gives the same step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Decide on the view as it is now, then say [`Executor::decided`]. `attempt` counts from 1.
    Decide {
        attempt: u32,
    },
    /// Send these bytes, then say [`Executor::answered`] or, when no answer came in time, [`Executor::unanswered`].
    Propose {
        id: Uuid,
        text: Bytes,
    },
    /// Wait until the view stands at this revision, then say [`Executor::seen`].
    Await {
        revision: Revision,
    },
    /// Ask the ledger where it stands and say [`Executor::learned`]; the rejection did not tell how far the view lags.
    Learn,
    /// Nothing before this time.
    Pause {
        until: Timestamp,
    },
    End(End),
}

/// How a write ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// Recorded as these events. `seen`: the view has them.
    Committed {
        first: Revision,
        last: Revision,
        seen: bool,
    },
    /// There was nothing to change.
    Unchanged,
    Failed(Failure),
}

/// Why a write was not made, or is not known to have been.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// The caller named the resourceVersion it wants to replace, and it is another by now.
    Conflict { key: Key, actual: Option<Revision> },
    /// Others were quicker each time.
    Contended { attempts: u32, last: Rejection },
    /// The ledger refused for a reason that a new decision doesn't change: a size, a full disk, bad bytes.
    Refused(Rejection),
    /// The deadline passed before anything was sent: nothing was recorded.
    TimedOut,
    /// It was sent and no answer came: it may have been applied, or may be yet.
    Unknown,
}

/// Drives one write. It reads no clock: [`Executor::step`] brings the time.
#[derive(Clone, Debug)]
pub struct Executor {
    limits: Limits,
    /// The object whose resourceVersion the caller named.
    pinned: Option<Key>,
    /// Whether the view has to have what was recorded.
    settles: bool,
    attempts: u32,
    /// The last rejection that led to a new decision.
    rejected: Option<Rejection>,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    Deciding,
    Sending(Sending),
    /// Rejected; a new decision needs the view to stand here, once it is known where.
    Behind {
        revision: Option<Revision>,
    },
    /// Committed; the view doesn't have it yet.
    Settling {
        first: Revision,
        last: Revision,
    },
    Ended(End),
}

#[derive(Clone, Debug)]
struct Sending {
    id: Uuid,
    text: Bytes,
    /// Whether a copy of it is under way, and whether one was never answered.
    under_way: bool,
    uncertain: bool,
    pause: SignedDuration,
    pausing: Pausing,
}

#[derive(Clone, Copy, Debug)]
enum Pausing {
    No,
    Wanted,
    Until(Timestamp),
}

impl Executor {
    /// A write that follows the newest state: rejections lead to new decisions.
    pub fn new(limits: Limits) -> Executor {
        Executor { limits, pinned: None, settles: true, attempts: 0, rejected: None, stage: Stage::Deciding }
    }

    /// A write that names the resourceVersion of `key` it wants to replace: it is not decided again when that is stale.
    pub fn pinned(limits: Limits, key: Key) -> Executor {
        Executor { pinned: Some(key), ..Executor::new(limits) }
    }

    /// Ends with the outcome, before the view has it: for who reads, and is refused, only by views that are current.
    #[must_use]
    pub fn unseen(self) -> Executor {
        Executor { settles: false, ..self }
    }

    /// What to do next at `now`.
    pub fn step(&mut self, now: Timestamp) -> Step {
        if now >= self.limits.deadline {
            self.expire();
        }
        match &mut self.stage {
            Stage::Deciding => Step::Decide { attempt: self.attempts + 1 },
            Stage::Sending(sending) => sending.step(now),
            Stage::Behind { revision: Some(revision) } => Step::Await { revision: *revision },
            Stage::Behind { revision: None } => Step::Learn,
            Stage::Settling { last, .. } => Step::Await { revision: *last },
            Stage::Ended(end) => Step::End(end.clone()),
        }
    }

    pub fn decided(&mut self, decision: Decision) {
        if !matches!(self.stage, Stage::Deciding) {
            return;
        }
        self.attempts += 1;
        self.stage = match decision {
            Decision::Propose { id, text } => Stage::Sending(Sending::new(id, text)),
            Decision::Nothing => Stage::Ended(End::Unchanged),
        };
    }

    /// The ledger answered the commit `id`. Late answers to earlier ones are dropped.
    pub fn answered(&mut self, id: Uuid, outcome: Outcome) {
        let Stage::Sending(sending) = &mut self.stage else { return };
        if sending.id != id {
            return;
        }
        match outcome {
            Outcome::Committed { first, last } if self.settles => {
                self.stage = Stage::Settling { first, last }
            }
            Outcome::Committed { first, last } => {
                self.stage = Stage::Ended(End::Committed { first, last, seen: false });
            }
            Outcome::Rejected(Rejection::Busy) => sending.slow_down(),
            Outcome::Rejected(rejection) => {
                let uncertain = sending.uncertain;
                self.stage = self.rejected(rejection, uncertain);
            }
        }
    }

    /// No answer to the commit `id` came in time: the same is sent again.
    pub fn unanswered(&mut self, id: Uuid) {
        let Stage::Sending(sending) = &mut self.stage else { return };
        if sending.id == id {
            sending.uncertain = true;
            sending.slow_down();
        }
    }

    /// The view stands at `revision`.
    pub fn seen(&mut self, revision: Revision) {
        match self.stage {
            Stage::Behind { revision: Some(needed) } if revision >= needed => self.stage = Stage::Deciding,
            Stage::Settling { first, last } if revision >= last => {
                self.stage = Stage::Ended(End::Committed { first, last, seen: true });
            }
            _ => {}
        }
    }

    /// The ledger stood there, after it had rejected.
    pub fn learned(&mut self, now: NowAnswer) {
        if let Stage::Behind { revision: revision @ None } = &mut self.stage {
            *revision = Some(now.revision);
        }
    }

    /// What becomes of the write after a definite rejection. One exception is not definite: a floor or an incarnation
    /// that moved over a commit which was sent before without an answer hides that commit's outcome.
    fn rejected(&mut self, rejection: Rejection, uncertain: bool) -> Stage {
        let needed = match &rejection {
            Rejection::Stale { key, actual } if self.pinned.as_ref() == Some(key) => {
                let failure = Failure::Conflict { key: key.clone(), actual: *actual };
                return Stage::Ended(End::Failed(failure));
            }
            Rejection::TooOld { .. } | Rejection::WrongIncarnation { .. } if uncertain => {
                return Stage::Ended(End::Failed(Failure::Unknown));
            }
            Rejection::Stale { actual, .. } => *actual,
            Rejection::Touched { actual, .. } => Some(*actual),
            Rejection::TooOld { floor } => Some(*floor),
            // A view that has what the ledger had shows what is left, and whoever decides on it says so better.
            Rejection::WrongIncarnation { .. } | Rejection::Exhausted { .. } => None,
            Rejection::TooLarge { .. }
            | Rejection::StorageFull { .. }
            | Rejection::Busy
            | Rejection::Malformed { .. } => {
                return Stage::Ended(End::Failed(Failure::Refused(rejection)));
            }
        };
        if self.attempts >= self.limits.attempts {
            let failure = Failure::Contended { attempts: self.attempts, last: rejection };
            return Stage::Ended(End::Failed(failure));
        }
        self.rejected = Some(rejection);
        Stage::Behind { revision: needed }
    }

    fn expire(&mut self) {
        let end = match &self.stage {
            Stage::Ended(_) => return,
            Stage::Settling { first, last } => End::Committed { first: *first, last: *last, seen: false },
            Stage::Sending(sending) if sending.under_way || sending.uncertain => {
                End::Failed(Failure::Unknown)
            }
            Stage::Deciding | Stage::Sending(_) | Stage::Behind { .. } => {
                End::Failed(match self.rejected.take() {
                    Some(last) => Failure::Contended { attempts: self.attempts, last },
                    None => Failure::TimedOut,
                })
            }
        };
        self.stage = Stage::Ended(end);
    }
}

impl Sending {
    fn new(id: Uuid, text: Bytes) -> Sending {
        Sending { id, text, under_way: false, uncertain: false, pause: FIRST_PAUSE, pausing: Pausing::No }
    }

    fn step(&mut self, now: Timestamp) -> Step {
        if matches!(self.pausing, Pausing::Wanted) {
            self.pausing = Pausing::Until(now + self.pause);
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
        match self.pausing {
            Pausing::Until(until) if now < until => return Step::Pause { until },
            _ => self.pausing = Pausing::No,
        }
        self.under_way = true;
        Step::Propose { id: self.id, text: self.text.clone() }
    }

    /// This copy is not under way any more. The next one waits a little, however quickly copies come to nothing.
    fn slow_down(&mut self) {
        self.under_way = false;
        self.pausing = Pausing::Wanted;
    }
}

#[cfg(test)]
mod tests;
