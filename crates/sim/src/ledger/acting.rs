//! What a sequencer asks for, carried out: appends, reads, proofs and answers.

use rutter_ledger_core::{Answer, Append, Deposed, Ready, SteppedDown, Ticket};
use rutter_schemas::{Outcome, Uuid};

use super::{Asker, Trap, Word};
use crate::time::Time;
use crate::world::{Happening, Life, World};

/// After this the same bytes are appended again.
const APPEND_TIMEOUT: Time = Time::secs(1);

impl World {
    /// Does everything that a sequencer asks for.
    pub(crate) fn carry_out(&mut self, life: Life) {
        loop {
            let ledger = &mut self.ledgers[life.index];
            if !ledger.up || ledger.life != life {
                return;
            }
            let ready = ledger.sequencer.ready(self.now.stamp());
            if ready.is_idle() {
                if let Some(wake) = ready.wake {
                    let when = Time::of(wake).max(self.now + Time::micros(1));
                    self.agenda.at(when, Happening::Ledger { to: life, word: Word::Wake });
                }
                return;
            }
            self.carry_out_one(life, ready);
        }
    }

    fn carry_out_one(&mut self, life: Life, ready: Ready) {
        let trap = self.ledgers[life.index].trap;
        if !ready.answers.is_empty() && trap == Some(Trap::BeforeAnswers) {
            return self.crash_ledger(life.index);
        }
        for (ticket, answer) in ready.answers {
            self.tell_answer(life.index, ticket, answer);
        }
        if let Some(append) = ready.append {
            if trap == Some(Trap::BeforeAppend) {
                return self.crash_ledger(life.index);
            }
            self.send_append(life, append);
            if trap == Some(Trap::AfterAppend) {
                return self.crash_ledger(life.index);
            }
        }
        if let Some(sequence) = ready.read {
            self.ask_stream(life, Happening::ReadArrives { from: life, sequence }, Word::Unread { sequence });
        }
        if let Some(proof) = ready.prove {
            self.ask_stream(life, Happening::ProofArrives { from: life, proof }, Word::Unproved { proof });
        }
        if let Some(stepped_down) = ready.stepped_down {
            self.ledger_stepped_down(life.index, &stepped_down);
        }
    }

    fn send_append(&mut self, from: Life, append: Append) {
        self.story.line(self.now, self.ledgers[from.index].name(), || {
            let at = append.expected_last.map_or("anywhere".to_owned(), |last| format!("frame {}", last + 1));
            format!("appends {at}{}", if append.again { " again" } else { "" })
        });
        self.ledgers[from.index].appended.insert(append.frame);
        for delay in self.weather.append(&mut self.rng) {
            let server = self.stream.server;
            self.after(delay, Happening::AppendArrives { from, append: append.clone(), server });
        }
        self.after(APPEND_TIMEOUT, Happening::Ledger { to: from, word: Word::TimedOut(append.frame) });
    }

    fn ask_stream(&mut self, from: Life, question: Happening, no_answer: Word) {
        if let Some(delay) = self.weather.message(&mut self.rng) {
            self.after(delay, question);
        }
        self.after(APPEND_TIMEOUT, Happening::Ledger { to: from, word: no_answer });
    }

    fn tell_answer(&mut self, index: usize, ticket: Ticket, answer: Answer) {
        let Some((asker, arrival)) = self.ledgers[index].tickets.remove(&ticket) else { return };
        let name = self.ledgers[index].name().to_owned();
        match (asker, answer) {
            (Asker::Proposal { write, id, text }, Answer::Outcome(outcome)) => {
                self.laws.judge_outcome(self.now, &name, &text, &outcome, arrival, &self.stream);
                if let Outcome::Rejected(rejection) = &outcome {
                    let what = self.write_name(write);
                    self.story.line(self.now, &name, || format!("rejects \"{what}\": {rejection}"));
                }
                self.answer_write(write, id, outcome);
            }
            (Asker::Write(write), Answer::Now(now)) => {
                self.laws.judge_now(self.now, &name, now, arrival);
                self.reply(Happening::Learned { write, answer: Some(now) });
            }
            (Asker::Reader { process, read }, Answer::Now(now)) => {
                self.laws.judge_now(self.now, &name, now, arrival);
                self.reply(Happening::ReadLearned { to: process, read, answer: Some(now) });
            }
            _ => {}
        }
    }

    pub(crate) fn answer_write(&mut self, write: u64, id: Uuid, outcome: Outcome) {
        self.reply(Happening::Answered { write, id, outcome });
    }

    pub(crate) fn reply(&mut self, answer: Happening) {
        if let Some(delay) = self.weather.message(&mut self.rng) {
            self.after(delay, answer);
        }
    }

    pub(crate) fn ledger_stepped_down(&mut self, index: usize, stepped_down: &SteppedDown) {
        for ticket in &stepped_down.unanswered {
            self.ledgers[index].tickets.remove(ticket);
        }
        let ledger = &self.ledgers[index];
        let why = match &stepped_down.why {
            Deposed::Another { sequence } => format!("frame {sequence} is another's"),
            Deposed::LogChanged { sequence } => format!("the log was changed at frame {sequence}"),
            Deposed::Resigned => "it has handed over".to_owned(),
            Deposed::Refused => "its append was refused".to_owned(),
        };
        let name = ledger.name().to_owned();
        self.story.line(self.now, &name, || format!("steps down: {why}"));
        let behind = match stepped_down.why {
            Deposed::Another { sequence } => Some(sequence - 1),
            Deposed::Refused => Some(self.ledgers[index].sequencer.cursor().sequence),
            Deposed::LogChanged { .. } | Deposed::Resigned => None,
        };
        if let Some(behind) = behind {
            let ledger = &self.ledgers[index];
            let others = self.stream.ids_after(behind).filter(|id| !ledger.appended.contains(id)).count();
            self.laws.judge_step_down(self.now, &name, behind, others);
        }
        self.ledgers[index].heard = self.now;
        if stepped_down.why == Deposed::Resigned {
            self.tell_others(index, |_| Word::Leaving);
        }
    }
}
