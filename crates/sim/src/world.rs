//! A run: everything that is in the world of one seed, and the one loop that lets it happen.

use std::collections::BTreeMap;

use rutter_ledger_core::{Append, Proof, Proving};
use rutter_schemas::protocol::ledger::NowAnswer;
use rutter_schemas::{Outcome, Uuid};

use crate::agenda::Agenda;
use crate::faults::Fault;
use crate::laws::{Laws, Violation};
use crate::ledger::{Ledger, Word};
use crate::mutant::Mutant;
use crate::nodes::Nodes;
use crate::process::Process;
use crate::rng::Rng;
use crate::story::Story;
use crate::stream::Stream;
use crate::time::Time;
use crate::users::Users;
use crate::weather::Weather;
use crate::write::Write;

/// A process as long as it lives: who is started again is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life {
    pub index: usize,
    pub generation: u32,
}

/// Something that will happen at its time.
#[derive(Debug)]
pub enum Happening {
    /// An append reaches the stream's leader, if that is still of the cluster that it was sent to.
    AppendArrives {
        from: Life,
        append: Append,
        server: u32,
    },
    /// A quorum has an entry; `answer` is told so.
    EntryCommits {
        sequence: u64,
        id: Uuid,
        answer: Life,
    },
    ReadArrives {
        from: Life,
        sequence: u64,
    },
    ProofArrives {
        from: Life,
        proof: Proof,
    },
    /// Something reaches a ledger.
    Ledger {
        to: Life,
        word: Word,
    },
    /// A frame reaches a process that follows the log.
    Deliver {
        to: Life,
        sequence: u64,
    },
    /// An answer reaches its proposer, or the proposer stops waiting for it.
    Answered {
        write: u64,
        id: Uuid,
        outcome: Outcome,
    },
    Unanswered {
        write: u64,
        id: Uuid,
        attempt: u32,
    },
    Learned {
        write: u64,
        answer: Option<NowAnswer>,
    },
    /// A write has something to do.
    Drive {
        write: u64,
    },
    ProcessTick {
        to: Life,
    },
    CrewWakes {
        to: Life,
    },
    /// A gateway reads what must be linearizable: the question was answered, or not.
    ReadLearned {
        to: Life,
        read: u64,
        answer: Option<NowAnswer>,
    },
    UserActs {
        user: usize,
    },
    NodeActs {
        node: usize,
    },
    Fault(Fault),
    Calm,
    LookWhetherIdle,
}

/// What a run is made of.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub seed: u64,
    pub mutant: Option<Mutant>,
}

pub struct World {
    pub(crate) now: Time,
    pub(crate) rng: Rng,
    pub(crate) agenda: Agenda<Happening>,
    pub(crate) weather: Weather,
    pub(crate) stream: Stream,
    pub(crate) ledgers: Vec<Ledger>,
    pub(crate) processes: Vec<Process>,
    pub(crate) writes: BTreeMap<u64, Write>,
    pub(crate) last_write: u64,
    pub(crate) users: Users,
    pub(crate) nodes: Nodes,
    pub(crate) laws: Laws,
    pub(crate) story: Story,
    pub(crate) mutant: Option<Mutant>,
    /// Faults have stopped since then.
    pub(crate) calm_since: Option<Time>,
    /// The log was restored, and has to become this incarnation; only one ledger may run until it has.
    pub(crate) restoring: Option<u32>,
    quiet_looks: u32,
    ended: bool,
}

/// How often the world is looked at for being idle, and how often it has to be in a row.
const LOOK_EVERY: Time = Time::millis(500);
const QUIET_LOOKS: u32 = 4;
/// After faults stop, everything is idle within this.
const IDLE_WITHIN: Time = Time::secs(240);

/// How a run ended.
#[derive(Debug)]
pub struct Report {
    pub seed: u64,
    pub violation: Option<Violation>,
    pub story: String,
    /// What happened, in numbers.
    pub commits: u64,
    pub events: u64,
    pub rejections: u64,
    pub epochs: u64,
    pub ended_at: Time,
}

/// Runs one seed to its end, or to the first broken law.
pub fn run(setup: Setup, story: Story) -> Report {
    let mut world = World::new(setup, story);
    while world.laws.violation.is_none() && !world.ended {
        let Some((when, what)) = world.agenda.pop() else { break };
        world.now = world.now.max(when);
        world.happen(what);
    }
    world.report(setup.seed)
}

impl World {
    fn new(setup: Setup, mut story: Story) -> World {
        let mut rng = Rng::new(setup.seed);
        let proving = if rng.chance(500) { Proving::Asked } else { Proving::Framed };
        let ledgers = (0..2).map(|index| Ledger::new(index, proving, setup.mutant)).collect();
        let processes = Process::all(&mut rng);
        story.heading(format_args!(
            "seed {}{}  2 ledgers, stream {}, {}",
            setup.seed,
            setup.mutant.map(|mutant| format!(" mutant {mutant}")).unwrap_or_default(),
            if proving == Proving::Asked { "R1" } else { "R3" },
            Process::described(&processes),
        ));
        let mut world = World {
            now: Time::default(),
            weather: Weather::storm(&mut rng),
            users: Users::new(&mut rng),
            nodes: Nodes::new(&mut rng),
            rng,
            agenda: Agenda::default(),
            stream: Stream::default(),
            ledgers,
            processes,
            writes: BTreeMap::new(),
            last_write: 0,
            laws: Laws::default(),
            story,
            mutant: setup.mutant,
            calm_since: None,
            restoring: None,
            quiet_looks: 0,
            ended: false,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for index in 0..self.ledgers.len() {
            self.start_ledger(index);
        }
        for index in 0..self.processes.len() {
            self.start_process(index);
        }
        self.start_nodes();
        self.start_users();
        self.plan_faults();
        self.after(LOOK_EVERY, Happening::LookWhetherIdle);
    }

    pub(crate) fn after(&mut self, delay: Time, what: Happening) {
        self.agenda.at(self.now + delay, what);
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::AppendArrives { from, append, server } => self.append_arrives(from, append, server),
            Happening::EntryCommits { sequence, id, answer } => self.entry_commits(sequence, id, answer),
            Happening::ReadArrives { from, sequence } => self.read_arrives(from, sequence),
            Happening::ProofArrives { from, proof } => self.proof_arrives(from, proof),
            Happening::Ledger { to, word } => self.ledger_hears(to, word),
            Happening::Deliver { to, sequence } => self.deliver(to, sequence),
            Happening::Answered { write, id, outcome } => self.write_answered(write, id, outcome),
            Happening::Unanswered { write, id, attempt } => self.write_unanswered(write, id, attempt),
            Happening::Learned { write, answer } => self.write_learned(write, answer),
            Happening::Drive { write } => self.drive(write),
            Happening::ProcessTick { to } => self.process_tick(to),
            Happening::CrewWakes { to } => self.crew_wakes(to),
            Happening::ReadLearned { to, read, answer } => self.read_learned(to, read, answer),
            Happening::UserActs { user } => self.user_acts(user),
            Happening::NodeActs { node } => self.node_acts(node),
            Happening::Fault(fault) => self.fault(fault),
            Happening::Calm => self.calm(),
            Happening::LookWhetherIdle => self.look_whether_idle(),
        }
    }

    /// A run ends when, after faults have stopped, nothing remains to be done; that it comes to that is law 5.
    fn look_whether_idle(&mut self) {
        self.after(LOOK_EVERY, Happening::LookWhetherIdle);
        let Some(since) = self.calm_since else { return };
        self.quiet_looks = if self.is_idle() { self.quiet_looks + 1 } else { 0 };
        if self.quiet_looks >= QUIET_LOOKS {
            self.judge_the_end();
            self.ended = true;
        } else if self.now - since > IDLE_WITHIN {
            let busy = self.who_is_busy();
            self.laws.break_law(
                5,
                self.now,
                format!("not idle {IDLE_WITHIN} s after faults stopped: {busy}"),
            );
        }
    }

    fn is_idle(&self) -> bool {
        self.who_is_busy().is_empty()
    }

    /// Who still has something to do; empty if nobody.
    fn who_is_busy(&self) -> String {
        let mut busy: Vec<String> = Vec::new();
        busy.extend(self.writes.values().map(|write| write.to_string()));
        busy.extend(self.processes.iter().filter_map(|process| process.busy_with(self.stream.last())));
        busy.extend(self.nodes.busy_with(self.now));
        busy.extend(self.nodes_owe());
        busy.join("; ")
    }

    fn report(mut self, seed: u64) -> Report {
        let (now, laws) = (self.now, std::mem::take(&mut self.laws));
        match &laws.violation {
            Some(violation) => self.story.heading(format_args!("{violation}")),
            None => self.story.heading(format_args!("  idle at {now}{:20}laws: 6 of 6 hold", "")),
        }
        Report {
            seed,
            violation: laws.violation,
            story: self.story.into_text(),
            commits: laws.log.commits,
            events: laws.log.events,
            rejections: laws.rejections,
            epochs: laws.log.epoch,
            ended_at: now,
        }
    }
}
