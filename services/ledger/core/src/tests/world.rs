//! Two or three ledgers, one stream, clients that resend, and dice. Everything follows from the seed.

mod actions;
mod checks;
mod healing;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rutter_schemas::{Hash, Outcome, Rejection, Revision, Uuid};

use super::fixture::{Draft, commit, pod, tell};
use super::model::Model;
use super::stream::{Reply, Stream};
use crate::{Answer, Append, Deposed, Mutant, Proof, Proving, Ready, Role, Sequencer, Settings, Ticket};

/// The most that any counter may count.
pub(super) const MAX_COUNT: u64 = 3;

const PODS: [&str; 5] = ["a", "b", "c", "d", "e"];
const SCOPES: [&str; 2] = ["owner:u", "owner:v"];

/// A small generator (splitmix64), so that a seed means the same for ever.
#[derive(Clone, Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).expect("fewer than sides")
    }

    pub(super) fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }
}

/// What a run did, to be sure that it did something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) committed: usize,
    pub(super) rejected: usize,
    pub(super) readings: usize,
    pub(super) take_overs: usize,
    pub(super) deposed: usize,
    pub(super) resent_frames: usize,
    pub(super) incarnations: usize,
}

#[derive(Debug)]
pub(super) struct World {
    dice: Dice,
    now: Timestamp,
    stream: Stream,
    model: Model,
    ledgers: Vec<Ledger>,
    /// Appends on their way to the broker, and its replies on their way back.
    appends: Vec<(usize, Append)>,
    replies: Vec<(usize, Uuid, Reply)>,
    clients: Vec<Client>,
    planted: Option<Mutant>,
    seeds: u64,
    pub(super) tally: Tally,
    pub(super) trace: Vec<String>,
}

/// A sequencer and the little that its driver remembers.
#[derive(Debug)]
struct Ledger {
    sequencer: Sequencer,
    settings: Settings,
    saved: Vec<u8>,
    outstanding: Option<Uuid>,
    read: Option<u64>,
    proof: Option<Proof>,
    /// The last frame delivered to it.
    fed: u64,
    /// The hashes of the frames it handed out in this leadership.
    handed_out: Vec<Hash>,
    asked: BTreeMap<Ticket, Asked>,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Commit(usize),
    /// The log's end when the question came.
    Now(Revision),
}

#[derive(Debug)]
struct Client {
    draft: Draft,
    /// How many views there were when it was first sent.
    since: usize,
    outcome: Option<Outcome>,
}

/// Runs a seed. The error is the law that broke, with the story that led there.
pub(super) fn run(seed: u64, steps: usize, planted: Option<Mutant>) -> Result<World, String> {
    let mut world = World::new(seed, planted);
    let result = (0..steps).try_for_each(|_| world.step()).and_then(|()| world.heal());
    match result {
        Ok(()) => Ok(world),
        Err(law) => Err(format!("seed {seed}: {law}\n{}", world.trace.join("\n"))),
    }
}

impl World {
    fn new(seed: u64, planted: Option<Mutant>) -> World {
        let mut dice = Dice(seed);
        let proving = dice.pick(&[Proving::Asked, Proving::Framed]);
        let remembered = dice.pick(&[6, 1_000]);
        let ledgers = 2 + dice.roll(2);
        let mut world = World {
            dice,
            now: Timestamp::from_second(1_800_000_000).expect("in range"),
            stream: Stream::default(),
            model: Model::default(),
            ledgers: Vec::new(),
            appends: Vec::new(),
            replies: Vec::new(),
            clients: Vec::new(),
            planted,
            seeds: 0,
            tally: Tally::default(),
            trace: Vec::new(),
        };
        for name in ["L1", "L2", "L3"].into_iter().take(ledgers) {
            let mut settings = Settings::new(name, proving);
            settings.recent.ids = remembered;
            let ledger = world.boot(settings, &[]);
            world.ledgers.push(ledger);
        }
        world
    }

    fn boot(&self, settings: Settings, saved: &[u8]) -> Ledger {
        let mut sequencer =
            Sequencer::load(settings.clone(), saved).unwrap_or_else(|_| Sequencer::new(settings.clone()));
        if let Some(mutant) = self.planted {
            sequencer.plant(mutant);
        }
        Ledger {
            fed: sequencer.cursor().sequence,
            sequencer,
            settings,
            saved: saved.to_vec(),
            outstanding: None,
            read: None,
            proof: None,
            handed_out: Vec::new(),
            asked: BTreeMap::new(),
        }
    }

    fn step(&mut self) -> Result<(), String> {
        self.now += SignedDuration::from_millis(7);
        let ledger = self.dice.roll(self.ledgers.len());
        match self.dice.roll(100) {
            0..15 => self.propose(ledger)?,
            15..21 => self.resend(ledger)?,
            21..26 => self.ask(ledger)?,
            26..44 => self.deliver_append()?,
            44..50 => self.resolve_held()?,
            50..62 => self.deliver_reply()?,
            62..66 => self.time_out(ledger)?,
            66..80 => self.feed(ledger)?,
            80..86 => self.read(ledger)?,
            86..91 => self.prove(ledger)?,
            91..95 => self.take_over(ledger)?,
            95 => self.crash(ledger),
            96 => self.save(ledger),
            97 => self.ledgers[ledger].sequencer.resign(),
            98 => self.lose_append(),
            _ => self.restore()?,
        }
        self.drive(ledger)
    }

    /// Does what a sequencer asks for, and checks what it tells.
    fn drive(&mut self, ledger: usize) -> Result<(), String> {
        let ready = self.ledgers[ledger].sequencer.ready(self.now);
        let Ready { append, read, prove, answers, stepped_down, .. } = ready;
        for (ticket, answer) in answers {
            self.told(ledger, ticket, &answer)?;
        }
        if let Some(append) = append {
            self.trace.push(format!("{} appends {}", self.name(ledger), brief(&append)));
            self.tally.resent_frames += usize::from(append.again);
            let state = &mut self.ledgers[ledger];
            state.outstanding = Some(append.frame);
            state.handed_out.push(Hash::of(&append.bytes));
            self.appends.push((ledger, append));
        }
        let state = &mut self.ledgers[ledger];
        state.read = read.or(state.read);
        state.proof = prove.or(state.proof);
        let Some(stepped_down) = stepped_down else { return Ok(()) };
        state.fed = state.sequencer.cursor().sequence;
        state.read = None;
        state.proof = None;
        state.asked.clear();
        self.trace.push(format!("{} steps down: {:?}", self.name(ledger), stepped_down.why));
        if stepped_down.why == Deposed::Resigned {
            return Ok(());
        }
        self.tally.deposed += 1;
        self.check_deposed(ledger, &stepped_down.why)
    }

    fn fresh_id(&mut self) -> Uuid {
        self.seeds += 1;
        Uuid::new_v5(&Uuid::NAMESPACE_OID, &self.seeds.to_be_bytes())
    }

    fn name(&self, ledger: usize) -> String {
        self.ledgers[ledger].settings.ledger.clone()
    }
}

/// A floor or an incarnation that moved over a commit hides whether it was recorded.
fn tells_outcome(rejection: &Rejection) -> bool {
    !matches!(rejection, Rejection::TooOld { .. } | Rejection::WrongIncarnation { .. })
}

fn brief(append: &Append) -> String {
    let header = rutter_schemas::FrameText::header_of(&append.bytes).expect("its own frame");
    format!("frame {} (epoch {}, r{} + {})", header.number, header.epoch, header.first, header.events)
}
