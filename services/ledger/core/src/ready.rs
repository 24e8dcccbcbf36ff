//! What the sequencer asks of whoever drives it, and what it lets them tell.

use bytes::Bytes;
use jiff::Timestamp;
use rutter_schemas::protocol::ledger::NowAnswer;
use rutter_schemas::{Outcome, Uuid};

/// Stands for a proposal or a question until it is answered. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// An answer that may be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a proposal.
    Outcome(Outcome),
    /// To "where does the log stand".
    Now(NowAnswer),
}

/// A frame to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Names the frame in what the driver reports about it.
    pub frame: Uuid,
    /// To be demanded of the stream (`Nats-Expected-Last-Sequence`); 0 of an empty one. None is only ever asked by a
    /// planted [`crate::Mutant::NoFence`].
    pub expected_last: Option<u64>,
    pub bytes: Bytes,
    /// Whether it was handed out before: the bytes are the same.
    pub again: bool,
}

/// Asks whether the stream still ends with this ledger's last append.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proof(pub(crate) u64);

/// Why a ledger is no longer the active one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deposed {
    /// Another's frame stands where ours would, or behind our last.
    Another { sequence: u64 },
    /// The log no longer holds what was acknowledged: it was restored, or lost its tail.
    LogChanged { sequence: u64 },
    /// It was asked to hand over, and has answered everything.
    Resigned,
    /// A planted [`crate::Mutant::ResendIsDeposition`].
    Refused,
}

/// It follows from now on, and answers nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SteppedDown {
    pub why: Deposed,
    /// Tickets that get no answer from here. What they proposed may have been recorded.
    pub unanswered: Vec<Ticket>,
}

/// Everything to be done now, in any order. Each is handed out once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Append this, and report [`crate::Sequencer::appended`], `refused`, `failed` or `timed_out`.
    pub append: Option<Append>,
    /// Read the frame at this sequence from the stream's leader (never by direct get), and report `stood` or `unread`.
    pub read: Option<u64>,
    /// Ask the stream's leader for its last sequence, beginning now, and report `proved` or `unproved`.
    pub prove: Option<Proof>,
    pub answers: Vec<(Ticket, Answer)>,
    pub stepped_down: Option<SteppedDown>,
    /// Ask again at this time, if nothing happens before.
    pub wake: Option<Timestamp>,
}

impl Ready {
    /// Whether nothing is to be done but to wait.
    pub fn is_idle(&self) -> bool {
        self.append.is_none()
            && self.read.is_none()
            && self.prove.is_none()
            && self.answers.is_empty()
            && self.stepped_down.is_none()
    }
}
