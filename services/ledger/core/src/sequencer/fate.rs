//! What became of the frame on its way, and of the ledger with it.

use rutter_log::{Cursor, Follower};
use rutter_schemas::{Hash, Outcome, Rejection, Uuid};

use super::{Deposed, Proof, ProofStage, Role, Sequencer, SteppedDown, committed};
use crate::flight::{Flight, Stage};
use crate::mutant::Mutant;
use crate::ready::{Answer, Ticket};

impl Sequencer {
    /// The stream acknowledged a frame at this sequence: it is written and synced. Late acknowledgements are dropped.
    pub fn appended(&mut self, frame: Uuid, sequence: u64) {
        let Some(flight) = self.flying(frame) else { return };
        if flight.sequence() == sequence || self.planted == Some(Mutant::NoFence) {
            self.settle();
        } else {
            self.step_down(Deposed::LogChanged { sequence });
        }
    }

    /// The stream refused a frame because its last sequence is another. That alone says nothing: what stands there may
    /// be this frame, or nothing yet.
    pub fn refused(&mut self, frame: Uuid) {
        let planted = self.planted;
        let Some(flight) = self.flying(frame) else { return };
        flight.stage = Stage::Unread;
        if planted == Some(Mutant::ResendIsDeposition) {
            self.step_down(Deposed::Refused);
        }
    }

    /// The append failed for another reason than its sequence: the stream is away, or would not take it. It may have
    /// landed all the same, and is sent again after a pause.
    pub fn failed(&mut self, frame: Uuid) {
        if let Some(flight) = self.flying(frame) {
            flight.stage = Stage::Pausing { until: None };
        }
    }

    /// Nothing was heard of an append in time. It may still land; the same is sent again at once.
    pub fn timed_out(&mut self, frame: Uuid) {
        let planted = self.planted;
        let Some(flight) = self.flying(frame) else { return };
        if flight.stage != Stage::Sent {
            return;
        }
        flight.stage = if planted == Some(Mutant::AbsenceIsOutcome) { Stage::Unread } else { Stage::Ready };
    }

    /// This stands at the sequence that was asked for; none: it is empty.
    pub fn stood(&mut self, sequence: u64, bytes: Option<&[u8]>) {
        let planted = self.planted;
        let Some(flight) = self.reading(sequence) else { return };
        match bytes {
            None if planted == Some(Mutant::AbsenceIsOutcome) => self.give_up_flight(),
            None => flight.stage = Stage::Pausing { until: None },
            Some(bytes) if Hash::of(bytes) == flight.frame.hash => self.settle(),
            Some(bytes) if self.steps_over() => self.step_over(Hash::of(bytes)),
            Some(_) => self.step_down(Deposed::Another { sequence }),
        }
    }

    /// The position could not be read.
    pub fn unread(&mut self, sequence: u64) {
        if let Some(flight) = self.reading(sequence) {
            flight.stage = Stage::Pausing { until: None };
        }
    }

    /// The stream's leader, asked after [`crate::Ready::prove`] was handed out, said that it ends at `last`.
    pub fn proved(&mut self, proof: Proof, last: u64) {
        if self.proving != ProofStage::Asked(proof) {
            return;
        }
        // Up to our cursor everything is applied. What is behind it may be our frame in flight, or another's.
        if last <= self.cursor().sequence {
            self.proving = ProofStage::Idle;
            self.answers.prove(proof.0);
        } else {
            self.proving = ProofStage::Pausing(None);
        }
    }

    /// No answer came.
    pub fn unproved(&mut self, proof: Proof) {
        if self.proving == ProofStage::Asked(proof) {
            self.proving = ProofStage::Pausing(None);
        }
    }

    /// The frame in flight, if it is this one. Its id tells it from every other, whoever sent it at this sequence.
    fn flying(&mut self, frame: Uuid) -> Option<&mut Flight> {
        self.flight.as_mut().filter(|flight| flight.frame.header.id == frame)
    }

    fn reading(&mut self, sequence: u64) -> Option<&mut Flight> {
        self.flight.as_mut().filter(|flight| flight.sequence() == sequence && flight.stage == Stage::Reading)
    }

    /// The frame in flight stands in the log.
    pub(super) fn settle(&mut self) {
        let Some(flight) = self.flight.take() else { return };
        let header = &flight.frame.header;
        self.follower
            .admit(header.number, header, flight.frame.hash)
            .expect("our own frame follows from the one it was made on");
        for pending in self.pending.drain(..flight.commits) {
            self.pending_marks -= pending.applied.marks;
            if self.planted != Some(Mutant::UnacknowledgedAnswer) {
                self.committed.push((pending.ticket, committed(&pending.applied)));
            }
        }
        let at = self.frame_at;
        self.state.recorded(flight.commits, self.pending.len(), super::seconds(at));
        self.answers.record(flight.commits);
        self.answers.prove(flight.after_ticket);
        if self.role == Role::Opening {
            self.role = Role::Active;
        }
        self.stand_on(header, at);
    }

    /// Takes back everything that is not in the log, and follows from now on.
    pub(super) fn step_down(&mut self, why: Deposed) {
        let mut unanswered: Vec<Ticket> = self.pending.iter().map(|pending| pending.ticket).collect();
        while let Some(pending) = self.pending.pop_back() {
            self.state.take_back(&pending.applied);
        }
        let cursor = self.cursor();
        self.state.last = cursor.revision;
        self.state.incarnation = cursor.incarnation;
        self.pending_marks = 0;
        self.queued_bytes = 0;
        self.flight = None;
        unanswered.extend(self.answers.abandon());
        unanswered.sort_unstable();
        self.refusals.clear();
        self.proving = ProofStage::Idle;
        self.role = Role::Following;
        self.stepped_down = Some(SteppedDown { why, unanswered });
    }

    /// What [`Mutant::AbsenceIsOutcome`] does: says that the commits were not recorded.
    fn give_up_flight(&mut self) {
        let Some(flight) = self.flight.take() else { return };
        let why = Rejection::StorageFull { reason: "it was not written".into() };
        let lost = self.pending.iter().take(flight.commits).map(|pending| pending.ticket);
        let answers: Vec<_> =
            lost.map(|ticket| (ticket, Answer::Outcome(Outcome::Rejected(why.clone())))).collect();
        let role = self.role;
        self.step_down(Deposed::Refused);
        self.stepped_down = None;
        self.role = role;
        self.committed.extend(answers);
    }

    pub(super) fn steps_over(&self) -> bool {
        self.planted == Some(Mutant::LateFrame) && self.role == Role::Opening
    }

    /// What [`Mutant::LateFrame`] does: moves its epoch frame behind a frame whose events it has not applied.
    pub(super) fn step_over(&mut self, hash: Hash) {
        let late = Cursor { sequence: self.cursor().sequence + 1, hash, ..self.cursor() };
        self.follower = Follower::at(late);
        self.flight = None;
    }
}
