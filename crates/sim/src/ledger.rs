//! Two ledgers: each drives a real sequencer, takes over when the other is silent, crashes, and is stopped and goes on.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rutter_ledger_core::{
    Answer, Append, Deposed, Proof, Proving, Ready, Refused, Role, Room, Sequencer, Settings, SteppedDown,
    Ticket,
};
use rutter_log::FollowError;
use rutter_schemas::{Outcome, Rejection, Uuid};

use crate::laws::Arrival;
use crate::mutant::Mutant;
use crate::stream::Accepted;
use crate::subscription::Subscription;
use crate::time::Time;
use crate::world::{Happening, Life, World};

/// The active ledger says so this often, and one that hears nothing for a second takes over.
const BEAT_EVERY: Time = Time::millis(250);
const SILENCE: Time = Time::secs(1);
/// After this the same bytes are appended again.
const APPEND_TIMEOUT: Time = Time::secs(1);

/// The one that an operator uses after a restore.
const OPERATORS_LEDGER: usize = 0;

/// Something that reaches a ledger.
#[derive(Debug)]
pub enum Word {
    Tick,
    /// Time passed.
    Wake,
    Beat,
    Leaving,
    Frame {
        sequence: u64,
    },
    Appended {
        frame: Uuid,
        sequence: u64,
    },
    Refused(Uuid),
    Failed(Uuid),
    TimedOut(Uuid),
    Stood {
        sequence: u64,
        bytes: Option<Bytes>,
    },
    Unread {
        sequence: u64,
    },
    Proved {
        proof: Proof,
        last: u64,
    },
    Unproved {
        proof: Proof,
    },
    Propose {
        write: u64,
        text: Bytes,
    },
    Ask {
        asker: Asker,
    },
    Room(Room),
}

/// Who waits for an answer.
#[derive(Clone, Debug)]
pub enum Asker {
    Proposal {
        write: u64,
        id: Uuid,
        text: Bytes,
    },
    /// A write that was rejected and wants to know how far its view lags.
    Write(u64),
    /// A reader in a process.
    Reader {
        process: Life,
        read: u64,
    },
}

/// At which of its steps a ledger is to be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    BeforeAppend,
    AfterAppend,
    AfterAcknowledgement,
    BeforeAnswers,
}

pub struct Ledger {
    pub(crate) life: Life,
    pub(crate) up: bool,
    pub(crate) sequencer: Sequencer,
    pub(crate) subscription: Subscription,
    pub(crate) trap: Option<Trap>,
    /// Stopped like a process by SIGSTOP: what reaches it waits.
    stopped: Option<Vec<Word>>,
    heard: Time,
    tickets: BTreeMap<Ticket, (Asker, Arrival)>,
    /// The frames that it has appended in this life.
    appended: BTreeSet<Uuid>,
    /// What it saved to disk, if it did.
    saved: Option<Vec<u8>>,
    settings: Settings,
    mutant: Option<Mutant>,
}

impl Ledger {
    pub(crate) fn new(index: usize, proving: Proving, mutant: Option<Mutant>) -> Ledger {
        let settings = Settings::new(&format!("L{}", index + 1), proving);
        Ledger {
            life: Life { index, generation: 0 },
            up: false,
            sequencer: Sequencer::new(settings.clone()),
            subscription: Subscription::default(),
            trap: None,
            stopped: None,
            heard: Time::default(),
            tickets: BTreeMap::new(),
            appended: BTreeSet::new(),
            saved: None,
            settings,
            mutant,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.settings.ledger
    }

    pub(crate) fn leads(&self) -> bool {
        self.up && self.sequencer.role() != Role::Following
    }

    fn fresh(&self) -> Sequencer {
        let saved =
            self.saved.as_deref().and_then(|saved| Sequencer::load(self.settings.clone(), saved).ok());
        let mut sequencer = saved.unwrap_or_else(|| Sequencer::new(self.settings.clone()));
        if let Some(Mutant::Ledger(mutant)) = self.mutant {
            sequencer.plant(mutant);
        }
        sequencer
    }
}

impl World {
    pub(crate) fn start_ledger(&mut self, index: usize) {
        let (now, room) = (self.now, self.room());
        let ledger = &mut self.ledgers[index];
        if ledger.up || (self.restoring.is_some() && index != OPERATORS_LEDGER) {
            return;
        }
        ledger.up = true;
        ledger.life.generation += 1;
        ledger.sequencer = ledger.fresh();
        ledger.heard = now;
        ledger.sequencer.set_room(room);
        ledger.subscription = Subscription::behind(ledger.sequencer.cursor().sequence);
        let life = ledger.life;
        self.story.line(now, "", || format!("start {}", self.ledgers[index].name()));
        self.subscribe_ledger(index);
        self.after(Time::default(), Happening::Ledger { to: life, word: Word::Tick });
    }

    pub(crate) fn crash_ledger(&mut self, index: usize) {
        let ledger = &mut self.ledgers[index];
        if !ledger.up {
            return;
        }
        ledger.up = false;
        ledger.stopped = None;
        ledger.trap = None;
        ledger.life.generation += 1;
        ledger.tickets.clear();
        ledger.appended.clear();
        self.story.line(self.now, "", || format!("crash {}", self.ledgers[index].name()));
    }

    pub(crate) fn stop_ledger(&mut self, index: usize) {
        if self.ledgers[index].up && self.ledgers[index].stopped.is_none() {
            self.ledgers[index].stopped = Some(Vec::new());
            self.story.line(self.now, "", || format!("stop {}", self.ledgers[index].name()));
        }
    }

    pub(crate) fn continue_ledger(&mut self, index: usize) {
        let Some(words) = self.ledgers[index].stopped.take() else { return };
        self.story.line(self.now, "", || format!("{} goes on", self.ledgers[index].name()));
        let life = self.ledgers[index].life;
        for word in words {
            self.ledger_hears(life, word);
        }
    }

    /// The backup of the log was restored: a ledger's own index of the lost part is thrown away with it.
    pub(crate) fn forget_saved(&mut self) {
        self.ledgers.iter_mut().for_each(|ledger| ledger.saved = None);
    }

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

    /// By an operator's command, after a restore.
    pub(crate) fn take_over_anew(&mut self, index: usize, incarnation: u32) {
        let seed = self.rng.uuid();
        let ledger = &mut self.ledgers[index];
        if ledger.up && ledger.sequencer.take_over_as(seed, incarnation).is_ok() {
            self.story.line(self.now, "operator", || {
                format!("makes incarnation {incarnation} by {}", self.ledgers[index].name())
            });
        }
        let life = self.ledgers[index].life;
        self.carry_out(life);
    }

    pub(crate) fn resign(&mut self, index: usize) {
        let ledger = &mut self.ledgers[index];
        if ledger.up && ledger.stopped.is_none() && ledger.sequencer.role() == Role::Active {
            ledger.sequencer.resign();
            let life = ledger.life;
            self.story.line(self.now, self.ledgers[index].name(), || "hands over");
            self.carry_out(life);
        }
    }

    fn tell_others(&mut self, from: usize, word: impl Fn(usize) -> Word) {
        for index in (0..self.ledgers.len()).filter(|index| *index != from) {
            let to = self.ledgers[index].life;
            if let Some(delay) = self.weather.message(&mut self.rng) {
                self.after(delay, Happening::Ledger { to, word: word(index) });
            }
        }
    }

    fn ledger_takes(&mut self, index: usize, write: u64, text: Bytes) {
        let Some(id) = rutter_schemas::Proposal::decode(text.clone()).ok().map(|proposal| proposal.header.id)
        else {
            return;
        };
        let taken = self.ledgers[index].sequencer.receive(text.clone());
        self.ledger_took(index, taken, Asker::Proposal { write, id, text });
    }

    fn ledger_took(&mut self, index: usize, taken: Result<Ticket, Refused>, asker: Asker) {
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

    /// Does everything that a sequencer asks for.
    fn carry_out(&mut self, life: Life) {
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

    pub(crate) fn append_arrives(&mut self, from: Life, append: Append, server: u32) {
        if server != self.stream.server {
            return;
        }
        match self.stream.append(append.expected_last, &append.bytes) {
            Accepted::At(sequence) => {
                let delay = self.weather.quorum(&mut self.rng);
                self.after(delay, Happening::EntryCommits { sequence, id: append.frame, answer: from });
            }
            Accepted::WrongLast => self.stream_answers(from, Word::Refused(append.frame)),
            Accepted::Full => self.stream_answers(from, Word::Failed(append.frame)),
        }
    }

    pub(crate) fn read_arrives(&mut self, from: Life, sequence: u64) {
        let bytes = self.stream.read(sequence).map(|entry| entry.bytes.clone());
        self.stream_answers(from, Word::Stood { sequence, bytes });
    }

    pub(crate) fn proof_arrives(&mut self, from: Life, proof: Proof) {
        let last = self.stream.last();
        self.stream_answers(from, Word::Proved { proof, last });
    }

    fn stream_answers(&mut self, to: Life, word: Word) {
        if let Some(delay) = self.weather.message(&mut self.rng) {
            self.after(delay, Happening::Ledger { to, word });
        }
    }

    pub(crate) fn entry_commits(&mut self, sequence: u64, id: Uuid, answer: Life) {
        for committed in self.stream.commit(sequence, id) {
            self.frame_stands(committed);
        }
        if self.stream.read(sequence).is_some_and(|entry| entry.id() == id) {
            self.stream_answers(answer, Word::Appended { frame: id, sequence });
        }
    }

    /// A frame is in the log for good: it is judged, told, and delivered to all.
    fn frame_stands(&mut self, sequence: u64) {
        let Some(entry) = self.stream.read(sequence).cloned() else { return };
        self.tell_frame(&entry);
        self.laws.judge_frame(self.now, sequence, &entry);
        if self.restoring.is_some_and(|incarnation| entry.frame.header.incarnation >= incarnation) {
            self.restoring = None;
        }
        for index in 0..self.ledgers.len() {
            self.subscribe_ledger(index);
        }
        for index in 0..self.processes.len() {
            self.subscribe_process(index);
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
                self.laws.judge_now(self.now, &name, now, arrival, &self.stream);
                self.reply(Happening::Learned { write, answer: Some(now) });
            }
            (Asker::Reader { process, read }, Answer::Now(now)) => {
                self.laws.judge_now(self.now, &name, now, arrival, &self.stream);
                self.reply(Happening::ReadLearned { to: process, read, answer: Some(now) });
            }
            _ => {}
        }
    }

    fn answer_write(&mut self, write: u64, id: Uuid, outcome: Outcome) {
        self.reply(Happening::Answered { write, id, outcome });
    }

    fn reply(&mut self, answer: Happening) {
        if let Some(delay) = self.weather.message(&mut self.rng) {
            self.after(delay, answer);
        }
    }

    fn ledger_stepped_down(&mut self, index: usize, stepped_down: &SteppedDown) {
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

    /// Sends a word to the ledger that leads; if two believe so, to either.
    pub(crate) fn to_leader(&mut self, word: Word) {
        let leading: Vec<Life> =
            self.ledgers.iter().filter(|ledger| ledger.leads()).map(|ledger| ledger.life).collect();
        let Some(to) = self.rng.pick(&leading).copied() else { return };
        if let Some(delay) = self.weather.message(&mut self.rng) {
            self.after(delay, Happening::Ledger { to, word });
        }
    }

    pub(crate) fn room(&self) -> Room {
        match self.stream.full {
            true => Room::Scarce { reason: "the disk is nearly full".into() },
            false => Room::Ample,
        }
    }

    fn subscribe_ledger(&mut self, index: usize) {
        let (to, up) = (self.ledgers[index].life, self.ledgers[index].up);
        if !up {
            return;
        }
        let mut subscription = std::mem::take(&mut self.ledgers[index].subscription);
        for (when, sequence) in
            subscription.due(self.now, self.stream.last(), Time::default(), &self.weather, &mut self.rng)
        {
            self.agenda.at(when, Happening::Ledger { to, word: Word::Frame { sequence } });
        }
        self.ledgers[index].subscription = subscription;
    }

    fn resubscribe_ledger_if_behind(&mut self, index: usize) {
        let ledger = &mut self.ledgers[index];
        let cursor = ledger.sequencer.cursor().sequence;
        if ledger.subscription.is_stuck() && cursor < self.stream.last() {
            ledger.subscription = Subscription::behind(cursor);
            self.subscribe_ledger(index);
        }
    }
}
