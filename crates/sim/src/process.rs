//! Processes that follow the log: gateways, and the copies of each controller, each with a projection and a lag.

use std::sync::Arc;

use rutter_controller::Fact;
use rutter_log::{FollowError, Followed, Follower};

use crate::crew::{self, Crew};
use crate::model::Model;
use crate::mutant::Mutant;
use crate::rng::Rng;
use crate::stream::{Entry, Stream};
use crate::subscription::Subscription;
use crate::time::Time;
use crate::world::{Happening, Life, World};

/// How often a process looks whether its subscription is alive.
const TICK_EVERY: Time = Time::millis(500);

/// What a process does besides following.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Serves users and nodes.
    Gateway,
    Replicator,
    Placement,
}

pub struct Process {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) life: Life,
    pub(crate) up: bool,
    /// How long frames take to it.
    pub(crate) lag: Time,
    /// It dies in the middle of its next write to disk.
    pub(crate) dies_writing: bool,
    /// What is on its disk: written at once, so what it knows is what it would find after a crash.
    pub(crate) model: Model,
    follower: Follower,
    subscription: Subscription,
    /// The machines in it: in memory only.
    pub(crate) crew: Vec<Box<dyn Crew>>,
}

impl Process {
    /// Two gateways, two replicators, two placements: at different lags.
    pub(crate) fn all(rng: &mut Rng) -> Vec<Process> {
        let roles =
            [("gateway", Role::Gateway), ("replicator", Role::Replicator), ("placement", Role::Placement)];
        let mut processes = Vec::new();
        for (name, role) in roles {
            for copy in ['a', 'b'] {
                let lag = if copy == 'a' { Time::micros(200) } else { Time::millis(rng.between(0, 120)) };
                let life = Life { index: processes.len(), generation: 0 };
                processes.push(Process::new(format!("{name} {copy}"), role, life, lag));
            }
        }
        processes
    }

    fn new(name: String, role: Role, life: Life, lag: Time) -> Process {
        Process {
            name,
            role,
            life,
            up: false,
            lag,
            dies_writing: false,
            model: Model::default(),
            follower: Follower::default(),
            subscription: Subscription::default(),
            crew: Vec::new(),
        }
    }

    pub(crate) fn described(processes: &[Process]) -> String {
        let lagging = processes.iter().filter(|process| process.lag > Time::millis(5));
        let lags: Vec<String> =
            lagging.map(|process| format!("{} lags {} s", process.name, process.lag)).collect();
        lags.join(", ")
    }

    pub(crate) fn busy_with(&self, last: u64) -> Option<String> {
        if self.follower.cursor().sequence < last {
            return Some(format!("{} stands at frame {}", self.name, self.follower.cursor().sequence));
        }
        self.crew
            .iter()
            .find(|crew| !crew.is_idle())
            .map(|crew| format!("{} of {} is busy", crew.name(), self.name))
    }
}

impl World {
    pub(crate) fn start_process(&mut self, index: usize) {
        let process = &mut self.processes[index];
        if process.up {
            return;
        }
        process.up = true;
        process.life.generation += 1;
        process.subscription = Subscription::behind(process.follower.cursor().sequence);
        process.crew = crew::of(process.role);
        for member in &mut process.crew {
            member.start(&process.model, self.now);
        }
        let to = process.life;
        self.subscribe_process(index);
        self.after(Time::default(), Happening::ProcessTick { to });
        self.let_crew_work(index);
    }

    pub(crate) fn crash_process(&mut self, index: usize) {
        let process = &mut self.processes[index];
        if !process.up {
            return;
        }
        process.up = false;
        process.dies_writing = false;
        process.life.generation += 1;
        process.crew.clear();
        self.story.line(self.now, "", || format!("crash {}", self.processes[index].name));
        self.abandon_writes(index);
    }

    pub(crate) fn process_tick(&mut self, to: Life) {
        let process = &mut self.processes[to.index];
        if !process.up || process.life != to {
            return;
        }
        if process.subscription.is_stuck() {
            let sequence = process.follower.cursor().sequence;
            match still_its_log(&mut process.follower, &self.stream) {
                Ok(()) if sequence < self.stream.last() => self.resubscribe(to.index),
                Ok(()) => {}
                Err(error) => self.start_anew(to.index, &error),
            }
        }
        self.after(TICK_EVERY, Happening::ProcessTick { to });
        let heard = self.nodes.that_answer(self.now);
        for member in &mut self.processes[to.index].crew {
            member.hear(&heard, self.now);
        }
        self.let_crew_work(to.index);
        self.check_reads(to.index);
    }

    pub(crate) fn subscribe_process(&mut self, index: usize) {
        let process = &mut self.processes[index];
        if !process.up {
            return;
        }
        let (to, stands) = (process.life, self.stream.first()..=self.stream.last());
        for (when, sequence) in
            process.subscription.due(self.now, stands, process.lag, &self.weather, &mut self.rng)
        {
            self.agenda.at(when, Happening::Deliver { to, sequence });
        }
    }

    fn resubscribe(&mut self, index: usize) {
        let process = &mut self.processes[index];
        process.subscription = Subscription::behind(process.follower.cursor().sequence);
        self.subscribe_process(index);
    }

    pub(crate) fn deliver(&mut self, to: Life, sequence: u64) {
        let process = &mut self.processes[to.index];
        if !process.up || process.life != to {
            return;
        }
        process.subscription.delivered();
        // A frame may have gone with a restore while it was on its way.
        let Some(entry) = self.stream.read(sequence).cloned() else { return };
        match process.follower.admit(sequence, &entry.frame.header, entry.hash) {
            Ok(Followed::Next(())) => self.apply(to.index, &entry),
            Ok(Followed::Repeat) => {}
            Err(FollowError::Gap { .. }) => self.resubscribe(to.index),
            Err(error) => self.start_anew(to.index, &error),
        }
    }

    /// The log is not the one it followed: all that was derived from that is thrown away.
    fn start_anew(&mut self, index: usize, why: &FollowError) {
        self.story.line(self.now, &self.processes[index].name, || format!("rebuilds: {why}"));
        self.crash_process(index);
        let process = &mut self.processes[index];
        process.follower = Follower::default();
        process.model = Model::default();
        self.start_process(index);
    }

    fn apply(&mut self, index: usize, entry: &Entry) {
        let process = &mut self.processes[index];
        let end = entry.frame.header.last();
        if process.dies_writing {
            return self.die_writing(index, entry);
        }
        let keeps = self.mutant == Some(Mutant::ForgottenLabel);
        process.model.count(&entry.counted);
        if self.mutant == Some(Mutant::HalfCommit) && entry.facts.len() > 1 {
            let half = entry.facts[0].revision;
            process.model.apply(&entry.facts[..1], half, keeps);
            self.check_reads(index);
            self.processes[index].model.apply(&entry.facts[1..], end, keeps);
        } else {
            process.model.apply(&entry.facts, end, keeps);
        }
        self.follow_on(index, &entry.said());
    }

    /// Killed while a frame is written: all of it is there afterwards, or nothing, cursor included.
    fn die_writing(&mut self, index: usize, entry: &Entry) {
        let written = self.rng.chance(500);
        let process = &mut self.processes[index];
        if written {
            process.model.count(&entry.counted);
            process.model.apply(&entry.facts, entry.frame.header.last(), false);
        } else if self.mutant != Some(Mutant::CursorBeforeRows) {
            process.follower = before(entry, &process.model, &self.stream);
        }
        self.crash_process(index);
        let delay = self.rng.time(Time::millis(10), Time::secs(2));
        self.after(delay, Happening::Fault(crate::faults::Fault::StartProcess(index)));
    }

    fn follow_on(&mut self, index: usize, facts: &[Arc<Fact>]) {
        let process = &mut self.processes[index];
        let at = process.model.revision;
        for member in &mut process.crew {
            member.follow(facts, at);
        }
        self.let_crew_work(index);
        self.drive_waiting(index);
        self.check_reads(index);
    }
}

/// As at every subscribe: the stream reaches to the cursor, and the frame that stands there is the one applied. A log
/// that was restored and has grown to the same length is told from the old one by that alone.
fn still_its_log(follower: &mut Follower, stream: &Stream) -> Result<(), FollowError> {
    follower.subscribe(1, stream.last())?;
    let sequence = follower.cursor().sequence;
    let Some(entry) = stream.read(sequence) else { return Ok(()) };
    follower.admit(sequence, &entry.frame.header, entry.hash).map(drop)
}

/// The follower as it stood before a frame that it let through.
fn before(entry: &Entry, model: &Model, stream: &Stream) -> Follower {
    let sequence = entry.frame.header.number - 1;
    let Some(previous) = stream.read(sequence) else { return Follower::default() };
    Follower::at(rutter_log::Cursor {
        sequence,
        revision: model.revision,
        incarnation: previous.frame.header.incarnation,
        hash: previous.hash,
    })
}
