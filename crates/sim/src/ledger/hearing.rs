//! What reaches a ledger, and what it makes of it.

use bytes::Bytes;
use rutter_ledger_core::{Refused, Ticket};
use rutter_log::FollowError;
use rutter_schemas::{Outcome, Proposal, Rejection};

use super::{Asker, Trap, Word};
use crate::subscription::Subscription;
use crate::time::Time;
use crate::world::{Happening, Life, World};

/// The active ledger says so this often, and one that hears nothing for a second takes over.
const BEAT_EVERY: Time = Time::millis(250);
const SILENCE: Time = Time::secs(1);

impl World {
    pub(crate) fn ledger_hears(&mut self, to: Life, word: Word) {
        let ledger = &mut self.ledgers[to.index];
        if !ledger.up || ledger.life != to {
            return;
        }
        if let Some(waiting) = &mut ledger.stopped {
            waiting.push(word);
            return;
        }
        match word {
            Word::Tick => self.ledger_ticks(to),
            Word::Wake => {}
            Word::Beat => ledger.heard = self.now,
            Word::Leaving => ledger.heard = Time::default(),
            Word::Frame { sequence } => self.ledger_follows(to.index, sequence),
            Word::Appended { frame, sequence } => {
                if ledger.trap == Some(Trap::AfterAcknowledgement) {
                    return self.crash_ledger(to.index);
                }
                ledger.sequencer.appended(frame, sequence);
            }
            Word::Refused(frame) => ledger.sequencer.refused(frame),
            Word::Failed(frame) => ledger.sequencer.failed(frame),
            Word::TimedOut(frame) => ledger.sequencer.timed_out(frame),
            Word::Stood { sequence, bytes } => ledger.sequencer.stood(sequence, bytes.as_deref()),
            Word::Unread { sequence } => ledger.sequencer.unread(sequence),
            Word::Proved { proof, last } => ledger.sequencer.proved(proof, last),
            Word::Unproved { proof } => ledger.sequencer.unproved(proof),
            Word::Propose { write, text } => self.ledger_takes(to.index, write, text),
            Word::Ask { asker } => {
                let taken = ledger.sequencer.ask();
                self.ledger_took(to.index, taken, asker);
            }
            Word::Room(room) => ledger.sequencer.set_room(room),
        }
        self.carry_out(to);
    }

    fn ledger_ticks(&mut self, to: Life) {
        self.after(BEAT_EVERY, Happening::Ledger { to, word: Word::Tick });
        let seed = self.rng.uuid();
        let ledger = &mut self.ledgers[to.index];
        if ledger.leads() {
            return self.tell_others(to.index, |_| Word::Beat);
        }
        // The second waits a little longer, so that not both begin at once; correctness doesn't rest on that.
        let patience = SILENCE + Time::millis(300 * to.index as u64);
        if self.now - ledger.heard > patience && ledger.sequencer.take_over(seed).is_ok() {
            let at = ledger.sequencer.cursor();
            self.story.line(self.now, self.ledgers[to.index].name(), || {
                format!("takes over behind frame {} at r{}", at.sequence, at.revision)
            });
        }
        self.resubscribe_ledger_if_behind(to.index);
        if self.rng.chance(20) {
            let ledger = &mut self.ledgers[to.index];
            ledger.saved = Some(ledger.sequencer.save());
        }
    }

    fn ledger_takes(&mut self, index: usize, write: u64, text: Bytes) {
        let Some(id) = Proposal::decode(text.clone()).ok().map(|proposal| proposal.header.id) else {
            return;
        };
        let taken = self.ledgers[index].sequencer.receive(text.clone());
        self.ledger_took(index, taken, Asker::Proposal { write, id, text });
    }

    pub(crate) fn ledger_took(&mut self, index: usize, taken: Result<Ticket, Refused>, asker: Asker) {
        let arrival = self.laws.arrival();
        match (taken, asker) {
            (Ok(ticket), asker) => drop(self.ledgers[index].tickets.insert(ticket, (asker, arrival))),
            (Err(Refused::Busy), Asker::Proposal { write, id, .. }) => {
                self.answer_write(write, id, Outcome::Rejected(Rejection::Busy));
            }
            // Whoever asked hears nothing, and asks again.
            (Err(_), _) => {}
        }
    }

    fn ledger_follows(&mut self, index: usize, sequence: u64) {
        let Some(entry) = self.stream.read(sequence).cloned() else { return };
        let ledger = &mut self.ledgers[index];
        ledger.subscription.delivered();
        if entry.frame.header.ledger != ledger.settings.ledger {
            ledger.heard = self.now;
        }
        match ledger.sequencer.replay(sequence, &entry.frame, entry.hash) {
            Ok(()) => {}
            Err(FollowError::Gap { .. }) => {
                let behind = ledger.sequencer.cursor().sequence;
                ledger.subscription = Subscription::behind(behind);
                self.subscribe_ledger(index);
            }
            Err(error) => {
                self.story.line(self.now, self.ledgers[index].name(), || format!("starts anew: {error}"));
                self.ledgers[index].saved = None;
                self.crash_ledger(index);
                self.start_ledger(index);
            }
        }
    }

    pub(crate) fn tell_others(&mut self, from: usize, word: impl Fn(usize) -> Word) {
        for index in (0..self.ledgers.len()).filter(|index| *index != from) {
            let to = self.ledgers[index].life;
            if let Some(delay) = self.weather.message(&mut self.rng) {
                self.after(delay, Happening::Ledger { to, word: word(index) });
            }
        }
    }

    /// Sends a word to the ledger that leads; if two believe so, to either.
    pub(crate) fn send_to_leader(&mut self, word: Word) {
        let leading: Vec<Life> =
            self.ledgers.iter().filter(|ledger| ledger.leads()).map(|ledger| ledger.life).collect();
        let Some(to) = self.rng.pick(&leading).copied() else { return };
        if let Some(delay) = self.weather.message(&mut self.rng) {
            self.after(delay, Happening::Ledger { to, word });
        }
    }
}
