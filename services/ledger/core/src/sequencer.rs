//! The machine: its role, and what it is fed.
//!
//! Time enters by [`Sequencer::ready`] alone, ids by [`Sequencer::take_over`].

mod fate;
mod output;

use std::collections::VecDeque;

use bytes::Bytes;
use jiff::Timestamp;
use rutter_log::{Cursor, FollowError, Followed, Follower};
use rutter_schemas::protocol::ledger::NowAnswer;
use rutter_schemas::{
    Frame, FrameHeader, Hash, KeyHash, Outcome, Proposal, Rejection, Revision, Uuid, WireError,
};
use thiserror::Error;

use crate::answers::{Answers, Judged};
use crate::flight::Flight;
use crate::judge::{Circumstances, judge};
use crate::mutant::Mutant;
use crate::ready::{Answer, Deposed, Proof, SteppedDown, Ticket};
use crate::refusals::Refusals;
use crate::settings::{Proving, Settings};
use crate::state::{Applied, State, Tentative};

/// What a ledger is to the log.
///
/// ```text
///                take_over              its epoch frame is acknowledged
///   Following ──────────────▶ Opening ──────────────────────────────────▶ Active
///     ▲  ▲                       │                                       │   │ resign
///     │  └──another's frame──────┘◀─────────────another's frame──────────┘   ▼
///     └────────────────────── all is answered, or another's frame ──────── Leaving
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Replays the log, as a warm standby, and answers nothing.
    Following,
    /// Its epoch frame is on the way. Because that demands the sequence after the last frame applied, its
    /// acknowledgement says that the whole log is. Proposals are decided already; nothing is answered.
    Opening,
    Active,
    /// Answers what it has taken, takes nothing more.
    Leaving,
}

/// Whether the disk has room for more than deletions and status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Room {
    #[default]
    Ample,
    Scarce {
        reason: String,
    },
}

/// Why a proposal or question was not taken. It is no outcome: the same bytes may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    #[error("this ledger is not the active one")]
    NotActive,
    #[error("too much is waiting")]
    Busy,
}

/// Why a ledger can't take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unready {
    #[error("it is the active ledger, or about to be")]
    Leading,
    #[error("the log is in incarnation {current} already")]
    OldIncarnation { current: u32 },
}

/// A decided commit that is not recorded yet.
#[derive(Clone, Debug)]
struct Pending {
    ticket: Ticket,
    text: Bytes,
    applied: Applied,
}

/// See the crate's documentation.
#[derive(Clone, Debug)]
pub struct Sequencer {
    settings: Settings,
    role: Role,
    /// Stands on the last frame that is known to be in the log.
    pub(crate) follower: Follower,
    /// The epoch and time of that frame.
    pub(crate) epoch: u64,
    pub(crate) at: Timestamp,
    /// The time that the frame in flight says.
    frame_at: Timestamp,
    /// Where the log would stand if all of `pending` were recorded.
    pub(crate) state: State,
    /// In order of revision; the first ones are in `flight`.
    pending: VecDeque<Pending>,
    pending_marks: usize,
    queued_bytes: usize,
    flight: Option<Flight>,
    answers: Answers,
    /// Outcomes of commits whose frames were acknowledged.
    committed: Vec<(Ticket, Answer)>,
    refusals: Refusals,
    room: Room,
    /// The source of frame ids in this epoch.
    seed: Uuid,
    last_ticket: u64,
    proving: ProofStage,
    stepped_down: Option<SteppedDown>,
    now: Timestamp,
    planted: Option<Mutant>,
}

/// The question to the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProofStage {
    Idle,
    Asked(Proof),
    /// It proved nothing; asked again after a pause.
    Pausing(Option<Timestamp>),
}

impl Sequencer {
    /// Stands before the first frame.
    pub fn new(settings: Settings) -> Sequencer {
        Sequencer {
            settings,
            role: Role::Following,
            follower: Follower::default(),
            epoch: 0,
            at: Timestamp::UNIX_EPOCH,
            frame_at: Timestamp::UNIX_EPOCH,
            state: State::default(),
            pending: VecDeque::new(),
            pending_marks: 0,
            queued_bytes: 0,
            flight: None,
            answers: Answers::default(),
            committed: Vec::new(),
            refusals: Refusals::default(),
            room: Room::Ample,
            seed: Uuid::nil(),
            last_ticket: 0,
            proving: ProofStage::Idle,
            stepped_down: None,
            now: Timestamp::UNIX_EPOCH,
            planted: None,
        }
    }

    /// Plants a fault.
    #[cfg(any(test, feature = "mutants"))]
    pub fn plant(&mut self, mutant: Mutant) {
        self.planted = Some(mutant);
    }

    pub fn role(&self) -> Role {
        self.role
    }

    /// The last frame that is known to be in the log.
    pub fn cursor(&self) -> Cursor {
        self.follower.cursor()
    }

    /// What [`Sequencer::ask`] would be answered at once: while it leads and that needs no proof.
    pub fn now(&self) -> Option<NowAnswer> {
        let leads = self.role == Role::Active && self.settings.proving == Proving::Owned;
        let Cursor { revision, incarnation, .. } = self.cursor();
        leads.then_some(NowAnswer { revision, incarnation })
    }

    /// The epoch of that frame.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How many objects there are, what is decided included.
    pub fn objects(&self) -> usize {
        self.state.index.len()
    }

    /// The size of the index of objects, in bytes.
    pub fn index_bytes(&self) -> usize {
        self.state.index.memory()
    }

    /// The bytes of proposals that wait for a frame.
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// The oldest base that is accepted.
    pub fn floor(&self) -> Revision {
        self.state.floor
    }

    /// A frame of the log was delivered. Repeats, and own frames, are fine.
    ///
    /// # Errors
    /// As [`Follower::follow`]. A ledger that leads steps down if the log was changed under it.
    pub fn frame(&mut self, sequence: u64, bytes: &[u8]) -> Result<(), FollowError> {
        let hash = Hash::of(bytes);
        if self.notice(sequence, hash) {
            return Ok(());
        }
        let frame = Frame::decode(bytes).map_err(|source| FollowError::Malformed { sequence, source })?;
        self.apply(sequence, &frame, hash)
    }

    /// The same for a frame that was read elsewhere; `hash` is that of its bytes.
    pub fn replay(&mut self, sequence: u64, frame: &Frame, hash: Hash) -> Result<(), FollowError> {
        if self.notice(sequence, hash) {
            return Ok(());
        }
        self.apply(sequence, frame, hash)
    }

    /// Begins a new epoch on the log as it was replayed so far. `seed` is a fresh random id.
    pub fn take_over(&mut self, seed: Uuid) -> Result<(), Unready> {
        if self.role != Role::Following {
            return Err(Unready::Leading);
        }
        self.role = Role::Opening;
        self.seed = seed;
        Ok(())
    }

    /// Takes over a log that was restored or made anew: revisions jump to where `incarnation` begins. An operator's
    /// command, never done unasked: whoever followed the lost part has to start anew. `incarnation` has to be above every
    /// one that was ever used, also above those that a backup doesn't know.
    pub fn take_over_as(&mut self, seed: Uuid, incarnation: u32) -> Result<(), Unready> {
        let current = self.state.incarnation;
        if incarnation <= current {
            return Err(Unready::OldIncarnation { current });
        }
        self.take_over(seed)?;
        self.state.incarnation = incarnation;
        self.state.last = Revision::base_of(incarnation);
        Ok(())
    }

    /// Hands over gracefully: takes nothing more, answers what it has, then steps down.
    pub fn resign(&mut self) {
        match self.role {
            Role::Following | Role::Leaving => {}
            Role::Opening => self.step_down(Deposed::Resigned),
            Role::Active => self.role = Role::Leaving,
        }
    }

    /// A proposal's text arrived. What can't be read is rejected like any other.
    pub fn receive(&mut self, text: Bytes) -> Result<Ticket, Refused> {
        match Proposal::decode(text) {
            Ok(proposal) => self.propose(&proposal),
            Err(error) => self.reject(unreadable(&error)),
        }
    }

    /// A proposal arrived: it is decided at once, and answered when the answer holds.
    pub fn propose(&mut self, proposal: &Proposal) -> Result<Ticket, Refused> {
        self.check_taking()?;
        let id = proposal.header.id;
        if let Some(entry) = self.state.recent.find(id) {
            let outcome = Outcome::Committed { first: entry.first, last: entry.last() };
            return self.judged(Judged::Outcome(outcome));
        }
        if let Some(rejection) = self.refusals.find(id) {
            return self.judged(Judged::Outcome(Outcome::Rejected(rejection.clone())));
        }
        if self.queued_bytes + proposal.text.len() > self.settings.queue_bytes {
            return Err(Refused::Busy);
        }
        let circumstances = Circumstances { room: &self.room, planted: self.planted };
        match judge(&self.state, proposal, &circumstances) {
            Ok(keys) => Ok(self.accept(proposal, &keys)),
            Err(rejection) => {
                let ticket = self.reject(rejection.clone())?;
                self.refusals.remember(id, rejection);
                Ok(ticket)
            }
        }
    }

    /// Someone asks for the last acknowledged revision.
    pub fn ask(&mut self) -> Result<Ticket, Refused> {
        self.check_taking()?;
        self.judged(Judged::Now)
    }

    /// The disk filled up, or was relieved.
    pub fn set_room(&mut self, room: Room) {
        self.room = room;
    }

    /// Does something with the state at the last recorded frame.
    pub(crate) fn without_tentative<T>(&mut self, act: impl FnOnce(&Sequencer) -> T) -> T {
        let (last, incarnation) = (self.state.last, self.state.incarnation);
        self.pending.iter().rev().for_each(|pending| self.state.take_back(&pending.applied));
        let result = act(self);
        self.pending.iter().for_each(|pending| self.state.put_back(&pending.applied));
        (self.state.last, self.state.incarnation) = (last, incarnation);
        result
    }

    fn check_taking(&self) -> Result<(), Refused> {
        match self.role {
            Role::Opening | Role::Active => Ok(()),
            Role::Following | Role::Leaving => Err(Refused::NotActive),
        }
    }

    fn reject(&mut self, rejection: Rejection) -> Result<Ticket, Refused> {
        self.check_taking()?;
        self.judged(Judged::Outcome(Outcome::Rejected(rejection)))
    }

    fn judged(&mut self, judged: Judged) -> Result<Ticket, Refused> {
        if self.answers.len() >= self.settings.waiting_answers {
            return Err(Refused::Busy);
        }
        let ticket = self.next_ticket();
        self.answers.wait(ticket, judged);
        Ok(ticket)
    }

    fn accept(&mut self, proposal: &Proposal, keys: &[KeyHash]) -> Ticket {
        let ticket = self.next_ticket();
        let applied = self.state.accept(proposal, keys);
        if self.planted == Some(Mutant::UnacknowledgedAnswer) {
            self.committed.push((ticket, committed(&applied)));
        }
        self.queued_bytes += proposal.text.len();
        self.pending_marks += applied.marks;
        self.pending.push_back(Pending { ticket, text: proposal.text.clone(), applied });
        self.answers.decide();
        ticket
    }

    fn next_ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }

    /// A frame goes by. Whether it was our own; another's deposes us.
    fn notice(&mut self, sequence: u64, hash: Hash) -> bool {
        if self.role == Role::Following || sequence <= self.cursor().sequence {
            return false;
        }
        match &self.flight {
            Some(flight) if flight.sequence() == sequence && flight.frame.hash == hash => {
                self.settle();
                true
            }
            Some(_) if self.steps_over() => {
                self.step_over(hash);
                true
            }
            _ => {
                self.step_down(Deposed::Another { sequence });
                false
            }
        }
    }

    fn apply(&mut self, sequence: u64, frame: &Frame, hash: Hash) -> Result<(), FollowError> {
        let malformed =
            |_| FollowError::Malformed { sequence, source: WireError::Header("the frame's time is not one") };
        let at: Timestamp = frame.header.at.parse().map_err(malformed)?;
        match self.follower.admit(sequence, &frame.header, hash) {
            Ok(Followed::Repeat) => Ok(()),
            Ok(Followed::Next(())) => {
                self.state.replay(frame, seconds(at));
                self.stand_on(&frame.header, at);
                Ok(())
            }
            Err(error) => {
                if self.role != Role::Following {
                    self.step_down(Deposed::LogChanged { sequence });
                }
                Err(error)
            }
        }
    }

    /// The frame of this header is the last in the log, and all its commits are applied.
    fn stand_on(&mut self, header: &FrameHeader, at: Timestamp) {
        self.epoch = header.epoch;
        self.at = self.at.max(at);
        let tentative = Tentative { commits: self.pending.len(), marks: self.pending_marks };
        self.state.forget(&self.settings.recent, &tentative, seconds(self.at));
    }
}

/// The answer to a recorded commit.
fn committed(applied: &Applied) -> Answer {
    let (first, last) = (applied.entry.first, applied.entry.last());
    Answer::Outcome(Outcome::Committed { first, last })
}

/// What is told of a text that is no proposal.
fn unreadable(error: &WireError) -> Rejection {
    match error {
        WireError::TooLarge { size, limit, .. } => Rejection::TooLarge { size: *size, limit: *limit },
        other => Rejection::Malformed { reason: with_source(other) },
    }
}

fn with_source(error: &WireError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Seconds since 1970, which fit until 2106.
fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_second()).unwrap_or(u32::MAX)
}
