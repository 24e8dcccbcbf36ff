//! What is to be done next.

use jiff::Timestamp;
use rutter_schemas::protocol::ledger::NowAnswer;
use rutter_schemas::{FrameHeader, FrameText, Revision, Uuid, limits};

use super::{Deposed, ProofStage, Role, Sequencer};
use crate::answers::Judged;
use crate::flight::{Flight, HEADER_BYTES};
use crate::mutant::Mutant;
use crate::ready::{Answer, Proof, Ready, Ticket};
use crate::settings::Proving;

impl Sequencer {
    /// Everything to be done at `now`. To be asked after every input, and at [`Ready::wake`].
    pub fn ready(&mut self, now: Timestamp) -> Ready {
        self.now = self.now.max(now);
        let flight_wake = self.flight.as_mut().and_then(|flight| flight.tick(self.now, self.settings.pause));
        if self.flight.is_none() {
            self.flight = self.next_flight();
        }
        let fenced = self.planted != Some(Mutant::NoFence);
        let append = self.flight.as_mut().and_then(|flight| flight.take_append(fenced));
        let read = self.flight.as_mut().and_then(Flight::take_read);
        let answers = self.tell();
        let (prove, proof_wake) = self.next_proof();
        let answered = self.pending.is_empty() && self.answers.len() == 0 && self.flight.is_none();
        if self.role == Role::Leaving && answered {
            self.step_down(Deposed::Resigned);
        }
        let wake = [flight_wake, proof_wake].into_iter().flatten().min();
        Ready { append, read, prove, answers, stepped_down: self.stepped_down.take(), wake }
    }

    /// The next frame: the epoch's first, what is waiting, or an empty one as a proof.
    fn next_flight(&mut self) -> Option<Flight> {
        let wanted = match self.role {
            Role::Following => false,
            Role::Opening => true,
            Role::Active | Role::Leaving => !self.pending.is_empty() || self.wants_proof_frame(),
        };
        if !wanted {
            return None;
        }
        let commits = if self.role == Role::Opening { 0 } else { self.commits_of_a_frame() };
        let header = self.header(commits);
        let taken = self.pending.iter().take(commits);
        self.queued_bytes -= taken.clone().map(|pending| pending.text.len()).sum::<usize>();
        let frame = FrameText::join(header, taken.map(|pending| &pending.text));
        Some(Flight::new(frame, commits, self.last_ticket))
    }

    fn wants_proof_frame(&self) -> bool {
        self.settings.proving == Proving::Framed && self.answers.want_proof()
    }

    /// As many as fit.
    fn commits_of_a_frame(&self) -> usize {
        let room = limits::FRAME - HEADER_BYTES;
        let sizes = self.pending.iter().scan(0, |sum, pending| {
            *sum += pending.text.len();
            Some(*sum)
        });
        sizes.take_while(|sum| *sum <= room).count()
    }

    fn header(&mut self, commits: usize) -> FrameHeader {
        let cursor = self.cursor();
        let number = cursor.sequence + 1;
        let opens = self.role == Role::Opening;
        let events = self.pending.iter().take(commits).map(|pending| pending.applied.entry.events).sum();
        let first = match self.pending.front() {
            Some(pending) => pending.applied.entry.first,
            None => self.state.last.next(),
        };
        let anew = self.state.incarnation != cursor.incarnation;
        let skipped = anew.then(|| (cursor.revision.next(), Revision::base_of(self.state.incarnation)));
        self.frame_at = whole_micros(self.now).max(self.at);
        FrameHeader {
            id: Uuid::new_v5(&self.seed, &number.to_be_bytes()),
            number,
            epoch: if opens { self.epoch + 1 } else { self.epoch },
            ledger: self.settings.ledger.clone(),
            incarnation: self.state.incarnation,
            first,
            events,
            commits: u32::try_from(commits).expect("a frame of 4 MiB holds fewer"),
            prev: cursor.hash,
            at: format!("{:.6}", self.frame_at),
            skipped,
        }
    }

    fn tell(&mut self) -> Vec<(Ticket, Answer)> {
        if self.settings.proving == Proving::Owned && matches!(self.role, Role::Active | Role::Leaving) {
            self.answers.prove(self.last_ticket);
        }
        let mut told = std::mem::take(&mut self.committed);
        let revision = self.cursor().revision;
        let incarnation = self.cursor().incarnation;
        while let Some((ticket, judged)) = self.answers.tell() {
            let answer = match judged {
                Judged::Outcome(outcome) => Answer::Outcome(outcome),
                Judged::Now => Answer::Now(NowAnswer { revision, incarnation }),
            };
            told.push((ticket, answer));
        }
        told
    }

    /// A question to the stream, if someone waits for it and no frame on its way will do.
    fn next_proof(&mut self) -> (Option<Proof>, Option<Timestamp>) {
        if let ProofStage::Pausing(until) = &mut self.proving {
            let end = *until.get_or_insert(self.now + self.settings.pause);
            if self.now < end {
                return (None, Some(end));
            }
            self.proving = ProofStage::Idle;
        }
        let leads = matches!(self.role, Role::Active | Role::Leaving);
        let asks = leads && self.settings.proving == Proving::Asked && self.proving == ProofStage::Idle;
        if !asks || self.flight.is_some() || !self.answers.want_proof() {
            return (None, None);
        }
        let proof = Proof(self.last_ticket);
        self.proving = ProofStage::Asked(proof);
        (Some(proof), None)
    }
}

/// Frames tell microseconds; finer time would not survive the text.
fn whole_micros(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).expect("a time made coarser stays in range")
}
