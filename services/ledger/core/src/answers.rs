//! Answers that wait until they may be told.
//!
//! A commit's own answer needs its frame's acknowledgement. A judgement (a rejection, a reading, the outcome of a commit
//! sent again) also needs a proof that this ledger was active after the question arrived. Only what *begins* after the
//! arrival proves it: a frame made after, or a question to the stream asked after. An acknowledgement that is merely
//! received after may tell of a time before, and another ledger may have taken over in between.

use std::collections::VecDeque;

use rutter_schemas::Outcome;

use crate::ready::Ticket;

#[derive(Clone, Debug)]
pub(crate) enum Judged {
    Outcome(Outcome),
    /// Where the log stands: filled in when it is told.
    Now,
}

#[derive(Clone, Debug)]
struct Judgement {
    ticket: Ticket,
    judged: Judged,
    /// How many commits have to be recorded before it is true.
    needs: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    waiting: VecDeque<Judgement>,
    /// Commits decided and recorded, since this machine began.
    decided: u64,
    recorded: u64,
    /// Questions up to this ticket came before the last proof began.
    proved: u64,
}

impl Answers {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// One more commit was decided.
    pub(crate) fn decide(&mut self) {
        self.decided += 1;
    }

    pub(crate) fn record(&mut self, commits: usize) {
        self.recorded += commits as u64;
    }

    pub(crate) fn prove(&mut self, up_to: u64) {
        self.proved = self.proved.max(up_to);
    }

    /// A judgement on everything decided so far.
    pub(crate) fn wait(&mut self, ticket: Ticket, judged: Judged) {
        self.waiting.push_back(Judgement { ticket, judged, needs: self.decided });
    }

    /// Whether someone waits for a proof that has not begun.
    pub(crate) fn want_proof(&self) -> bool {
        self.waiting.front().is_some_and(|first| first.ticket.0 > self.proved)
    }

    /// The next judgement that may be told.
    pub(crate) fn tell(&mut self) -> Option<(Ticket, Judged)> {
        let first = self.waiting.front()?;
        if first.needs > self.recorded || first.ticket.0 > self.proved {
            return None;
        }
        self.waiting.pop_front().map(|judgement| (judgement.ticket, judgement.judged))
    }

    /// Nothing more is told, and what was decided but not recorded never was. Gives the tickets.
    pub(crate) fn abandon(&mut self) -> Vec<Ticket> {
        self.decided = self.recorded;
        self.waiting.drain(..).map(|judgement| judgement.ticket).collect()
    }
}
