//! Two ledgers: each drives a real sequencer, takes over when the other is silent, crashes, and is stopped and goes on.

mod acting;
mod hearing;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rutter_ledger_core::{Proof, Proving, Role, Room, Sequencer, Settings, Ticket};
use rutter_schemas::Uuid;

use crate::laws::Arrival;
use crate::mutant::Mutant;
use crate::subscription::Subscription;
use crate::time::Time;
use crate::world::{Happening, Life, World};

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

    pub(crate) fn room(&self) -> Room {
        match self.stream.full {
            true => Room::Scarce { reason: "the disk is nearly full".into() },
            false => Room::Ample,
        }
    }

    pub(crate) fn subscribe_ledger(&mut self, index: usize) {
        let (to, up) = (self.ledgers[index].life, self.ledgers[index].up);
        if !up {
            return;
        }
        let mut subscription = std::mem::take(&mut self.ledgers[index].subscription);
        let stands = self.stream.first()..=self.stream.last();
        for (when, sequence) in
            subscription.due(self.now, stands, Time::default(), &self.weather, &mut self.rng)
        {
            self.agenda.at(when, Happening::Ledger { to, word: Word::Frame { sequence } });
        }
        self.ledgers[index].subscription = subscription;
    }

    pub(crate) fn resubscribe_ledger_if_behind(&mut self, index: usize) {
        let ledger = &mut self.ledgers[index];
        let cursor = ledger.sequencer.cursor().sequence;
        if ledger.subscription.is_stuck() && cursor < self.stream.last() {
            ledger.subscription = Subscription::behind(cursor);
            self.subscribe_ledger(index);
        }
    }
}
