//! Users: they change what must change together, count, paint, deploy and scale, and read what must not be stale.

use std::collections::BTreeMap;

use rutter_schemas::Revision;
use rutter_schemas::protocol::ledger::NowAnswer;

use crate::ledger::{Asker, Word};
use crate::model::Model;
use crate::process::Role;
use crate::rng::Rng;
use crate::time::Time;
use crate::wish::{Wish, config_map, counted};
use crate::world::{Happening, Life, World};
use crate::write::{Ended, Purpose};

const USERS: usize = 4;
/// How often a write that met others' may be decided anew.
const ATTEMPTS: u32 = 8;

/// A reader that waits until its gateway has what the ledger said.
struct Reading {
    gateway: Life,
    /// What had been acknowledged to anyone when it began: it must see that.
    acknowledged: Revision,
    incarnation: u32,
    until: Option<Revision>,
}

#[derive(Default)]
pub struct Users {
    /// Acts left, for each user.
    acts: Vec<u64>,
    readings: BTreeMap<u64, Reading>,
    last_reading: u64,
    value: u64,
}

impl Users {
    pub(crate) fn new(rng: &mut Rng) -> Users {
        Users { acts: (0..USERS).map(|_| rng.between(5, 25)).collect(), ..Users::default() }
    }

    /// What a user wants next.
    fn wish(&mut self, rng: &mut Rng, nodes: usize) -> Wish {
        self.value += 1;
        Wish::any(rng, nodes, self.value)
    }
}

impl World {
    pub(crate) fn start_users(&mut self) {
        self.write(0, Purpose::User(Wish::Namespace), ATTEMPTS);
        for user in 0..USERS {
            let delay = self.rng.time(Time::millis(1_400), Time::millis(2_500));
            self.after(delay, Happening::UserActs { user });
        }
    }

    pub(crate) fn user_acts(&mut self, user: usize) {
        if self.users.acts[user] == 0 {
            return;
        }
        let pause = self.rng.time(Time::millis(1), Time::millis(900));
        self.after(pause, Happening::UserActs { user });
        let gateways: Vec<usize> =
            self.processes.iter().filter(|p| p.role == Role::Gateway && p.up).map(|p| p.life.index).collect();
        let Some(gateway) = self.rng.pick(&gateways).copied() else { return };
        self.users.acts[user] -= 1;
        if self.rng.chance(300) {
            return self.begin_reading(gateway);
        }
        let wish = self.users.wish(&mut self.rng, self.nodes.count());
        self.story.line(self.now, format_args!("user {}", user + 1), || format!("wants to {wish}"));
        self.write(gateway, Purpose::User(wish), ATTEMPTS);
    }

    fn begin_reading(&mut self, gateway: usize) {
        let (acknowledged, incarnation) = (self.laws.acknowledged, self.laws.log.incarnation);
        self.users.last_reading += 1;
        let read = self.users.last_reading;
        let gateway = self.processes[gateway].life;
        self.users.readings.insert(read, Reading { gateway, acknowledged, incarnation, until: None });
        self.send_to_leader(Word::Ask { asker: Asker::Reader { process: gateway, read } });
        self.after(Time::secs(3), Happening::ReadLearned { to: gateway, read, answer: None });
    }

    /// An answer lets the reader wait for its gateway; none ends the reading.
    pub(crate) fn read_learned(&mut self, to: Life, read: u64, answer: Option<NowAnswer>) {
        match (self.users.readings.get_mut(&read), answer) {
            (Some(reading), Some(now)) => reading.until = Some(now.revision),
            (Some(_), None) => drop(self.users.readings.remove(&read)),
            (None, _) => {}
        }
        self.check_reads(to.index);
    }

    /// What a gateway shows now: to readers that waited for it, and of what must be seen whole.
    pub(crate) fn check_reads(&mut self, index: usize) {
        let process = &self.processes[index];
        if process.role != Role::Gateway || !process.up {
            return;
        }
        let (now, at, life, name) = (self.now, process.model.revision, process.life, process.name.clone());
        if let Some(half) = half_seen(&process.model) {
            self.laws.break_law(6, now, format!("{name} shows half a commit: {half}"));
        }
        let incarnation = self.laws.log.incarnation;
        let served =
            |reading: &Reading| reading.gateway == life && reading.until.is_some_and(|until| at >= until);
        let done: Vec<u64> = self
            .users
            .readings
            .iter()
            .filter(|(_, reading)| served(reading))
            .map(|(read, _)| *read)
            .collect();
        for reading in done.iter().filter_map(|read| self.users.readings.remove(read)) {
            if reading.incarnation == incarnation && at < reading.acknowledged {
                let what = format!(
                    "{name} answers a read at r{at}, and r{} was acknowledged before",
                    reading.acknowledged
                );
                self.laws.break_law(6, now, what);
            }
        }
    }

    pub(crate) fn wish_ended(&mut self, wish: &Wish, ended: &Ended) {
        self.story.line(self.now, "user", || match ended {
            Ended::Committed { last } => format!("is told: {wish}: done at r{last}"),
            Ended::Unchanged => format!("is told: {wish}: nothing to change"),
            Ended::Unknown => format!("is told: {wish}: may have been applied"),
            Ended::Not(Some(rejection)) => format!("is told: {wish}: not done, {rejection}"),
            Ended::Not(None) => format!("is told: {wish}: timed out, not done"),
            Ended::Denied(refusal) => format!("is told: {wish}: refused, {refusal:?}"),
        });
        let again = *wish == Wish::Namespace && !matches!(ended, Ended::Committed { .. } | Ended::Unchanged);
        if again {
            self.write(0, Purpose::User(Wish::Namespace), ATTEMPTS);
        }
    }
}

/// A pair whose halves differ.
fn half_seen(model: &Model) -> Option<String> {
    (0..2).find_map(|pair| {
        let half =
            |half| model.get(&config_map(&format!("pair-{pair}-{half}"))).map(|fact| counted(fact.object()));
        let (a, b) = (half("a"), half("b"));
        (a != b).then(|| format!("pair-{pair} is {a:?} and {b:?}"))
    })
}
