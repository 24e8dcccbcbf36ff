//! Writes under way: the real executor, driven over a network that delays and loses.

use std::fmt;

use rutter_controller::{Plan, Settled, Ticket};
use rutter_log::executor::{Decision, End, Executor, Failure, Limits, Step};
use rutter_schemas::protocol::ledger::NowAnswer;
use rutter_schemas::{Outcome, Rejection, Revision, Uuid};

use crate::decide::{self, Refusal};
use crate::ledger::{Asker, Word};
use crate::mutant::Mutant;
use crate::nodes::Duty;
use crate::time::Time;
use crate::wish::Wish;
use crate::world::{Happening, Life, World};

/// How long an answer is waited for, and how long a write may take in all.
const ANSWER_WITHIN: Time = Time::millis(1_000);
const PATIENCE: Time = Time::secs(30);

/// Why something is written.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a few live at a time, in a simulator")]
pub enum Purpose {
    User(Wish),
    Node(Duty),
    Plan { member: usize, ticket: Ticket, controller: &'static str, plan: Plan },
}

pub struct Write {
    /// The process that writes, and on whose view it is decided.
    pub(crate) process: Life,
    pub(crate) purpose: Purpose,
    machine: Executor,
    /// Copies sent; the last one's answer is waited for.
    sent: u32,
    waiting: Waiting,
    refusal: Option<Refusal>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    No,
    ForAnswer,
    ForView,
    ForNow,
    ForTime,
}

/// How a write ended, for who wanted it.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    Committed {
        last: Revision,
    },
    Unchanged,
    /// Certainly not done.
    Not(Option<Rejection>),
    /// Decided against by the rules, on a view at this revision.
    Denied(Refusal),
    Unknown,
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.purpose {
            Purpose::User(wish) => write!(f, "{wish}"),
            Purpose::Node(duty) => write!(f, "{duty}"),
            Purpose::Plan { controller, plan, .. } => write!(f, "{controller}: {}", plan.why),
        }
    }
}

impl World {
    /// Begins a write. `attempts`: how often it may be decided.
    pub(crate) fn write(&mut self, process: usize, purpose: Purpose, attempts: u32) -> u64 {
        self.last_write += 1;
        let deadline = (self.now + PATIENCE).stamp();
        let write = Write {
            process: self.processes[process].life,
            purpose,
            machine: Executor::new(Limits { attempts, deadline }),
            sent: 0,
            waiting: Waiting::No,
            refusal: None,
        };
        self.writes.insert(self.last_write, write);
        let id = self.last_write;
        self.after(Time::default(), Happening::Drive { write: id });
        id
    }

    pub(crate) fn write_name(&self, write: u64) -> String {
        self.writes.get(&write).map(Write::to_string).unwrap_or_default()
    }

    /// Does what the executor asks for, until it has to wait.
    pub(crate) fn drive(&mut self, id: u64) {
        loop {
            let Some(mut write) = self.writes.remove(&id) else { return };
            let step = write.machine.step(self.now.stamp());
            write.waiting = Waiting::No;
            match step {
                Step::Decide { .. } => self.decide(&mut write),
                Step::Propose { id: commit, text } => {
                    write.waiting = Waiting::ForAnswer;
                    write.sent += 1;
                    let attempt = write.sent;
                    self.send_to_leader(Word::Propose { write: id, text });
                    self.after(ANSWER_WITHIN, Happening::Unanswered { write: id, id: commit, attempt });
                }
                Step::Await { revision } => {
                    let view = self.processes[write.process.index].model.revision;
                    if view < revision {
                        write.waiting = Waiting::ForView;
                        self.after(ANSWER_WITHIN, Happening::Drive { write: id });
                    }
                    write.machine.seen(view);
                }
                Step::Learn => {
                    write.waiting = Waiting::ForNow;
                    self.send_to_leader(Word::Ask { asker: Asker::Write(id) });
                    self.after(ANSWER_WITHIN, Happening::Learned { write: id, answer: None });
                }
                Step::Pause { until } => {
                    write.waiting = Waiting::ForTime;
                    self.agenda.at(Time::of(until), Happening::Drive { write: id });
                }
                Step::End(end) => return self.write_ended(write, end),
            }
            let waits = write.waiting != Waiting::No;
            self.writes.insert(id, write);
            if waits {
                return;
            }
        }
    }

    fn decide(&mut self, write: &mut Write) {
        let model = &self.processes[write.process.index].model;
        let cx = decide::Cx { model, now: self.now, mutant: self.mutant };
        let decision = match decide::decide(&cx, &write.purpose, &mut self.rng) {
            Ok(Some(commit)) => Decision::Propose { id: commit.header.id, text: commit.encode() },
            Ok(None) => Decision::Nothing,
            Err(refusal) => {
                write.refusal = Some(refusal);
                Decision::Nothing
            }
        };
        write.machine.decided(decision);
    }

    pub(crate) fn write_answered(&mut self, id: u64, commit: Uuid, outcome: Outcome) {
        let Some(write) = self.writes.get_mut(&id) else { return };
        write.machine.answered(commit, outcome);
        self.drive_if(id, Waiting::ForAnswer);
    }

    pub(crate) fn write_unanswered(&mut self, id: u64, commit: Uuid, attempt: u32) {
        let Some(write) = self.writes.get_mut(&id).filter(|write| write.sent == attempt) else { return };
        write.machine.unanswered(commit);
        self.drive_if(id, Waiting::ForAnswer);
    }

    pub(crate) fn write_learned(&mut self, id: u64, answer: Option<NowAnswer>) {
        let Some(write) = self.writes.get_mut(&id) else { return };
        if let Some(now) = answer {
            write.machine.learned(now);
        }
        self.drive_if(id, Waiting::ForNow);
    }

    /// Goes on if it waits for just that.
    fn drive_if(&mut self, id: u64, waiting: Waiting) {
        if self.writes.get(&id).is_some_and(|write| write.waiting == waiting) {
            self.drive(id);
        }
    }

    /// The view of a process moved.
    pub(crate) fn drive_waiting(&mut self, process: usize) {
        let waits = |write: &Write| write.process.index == process && write.waiting == Waiting::ForView;
        let waiting: Vec<u64> =
            self.writes.iter().filter(|(_, write)| waits(write)).map(|(id, _)| *id).collect();
        waiting.into_iter().for_each(|id| self.drive(id));
    }

    /// A process died: what it was writing may be applied or not, and nobody waits for it.
    pub(crate) fn abandon_writes(&mut self, process: usize) {
        let theirs =
            self.writes.iter().filter(|(_, write)| write.process.index == process).map(|(id, _)| *id);
        for id in theirs.collect::<Vec<_>>() {
            let Some(write) = self.writes.remove(&id) else { continue };
            self.purpose_ended(&write, &Ended::Unknown);
        }
    }

    fn write_ended(&mut self, write: Write, end: End) {
        let ended = match (end, write.refusal.clone()) {
            (_, Some(refusal)) => Ended::Denied(refusal),
            (End::Committed { last, .. }, _) => Ended::Committed { last },
            (End::Unchanged, _) => Ended::Unchanged,
            (End::Failed(Failure::Unknown), _) => Ended::Unknown,
            (End::Failed(Failure::Contended { last, .. } | Failure::Refused(last)), _) => {
                Ended::Not(Some(last))
            }
            (End::Failed(_), _) => Ended::Not(None),
        };
        self.purpose_ended(&write, &ended);
    }

    fn purpose_ended(&mut self, write: &Write, ended: &Ended) {
        let process = write.process;
        match &write.purpose {
            Purpose::User(wish) => self.wish_ended(wish, ended),
            Purpose::Node(duty) => self.duty_ended(duty, ended),
            Purpose::Plan { member, ticket, .. } if self.processes[process.index].life == process => {
                if self.mutant == Some(Mutant::LostOutcome) {
                    return;
                }
                let settled = self.settled(ended);
                let now = self.now;
                if let Some(member) = self.processes[process.index].crew.get_mut(*member) {
                    member.settle(*ticket, settled, now);
                }
                self.let_crew_work(process.index);
            }
            Purpose::Plan { .. } => {}
        }
    }

    fn settled(&self, ended: &Ended) -> Settled {
        match ended {
            Ended::Committed { last } => Settled::Committed(*last),
            Ended::Unchanged => Settled::Unchanged,
            Ended::Denied(Refusal::Stale(at)) => Settled::Refused(*at),
            Ended::Not(Some(
                Rejection::Stale { actual: Some(at), .. } | Rejection::Touched { actual: at, .. },
            )) => Settled::Refused(*at),
            // It is gone: what the log has by now shows it.
            Ended::Not(Some(Rejection::Stale { .. })) => Settled::Refused(self.laws.log.revision),
            Ended::Not(Some(Rejection::TooOld { floor })) => Settled::Refused(*floor),
            Ended::Not(_) | Ended::Denied(Refusal::Denied(_)) | Ended::Unknown => Settled::Failed,
        }
    }

    /// Lets the controllers of a process plan, as long as they have something to do.
    pub(crate) fn let_crew_work(&mut self, process: usize) {
        let sleeps =
            self.mutant == Some(Mutant::SleepingController) && self.processes[process].life.generation > 2;
        if !self.processes[process].up || sleeps {
            return;
        }
        for member in 0..self.processes[process].crew.len() {
            while let Some(mut errand) = self.processes[process].crew[member].next(self.now) {
                let controller = self.processes[process].crew[member].name();
                if self.mutant == Some(Mutant::WaveringPlan) {
                    let chance = self.rng.draw();
                    errand.plans.iter_mut().for_each(|plan| plan.why.push_str(&format!(" {chance}")));
                }
                if errand.wavers() {
                    let what = format!("{controller} planned twice for {} and not the same", errand.key);
                    self.laws.break_law(2, self.now, what);
                }
                for plan in errand.plans {
                    let purpose = Purpose::Plan { member, ticket: errand.ticket, controller, plan };
                    self.write(process, purpose, 1);
                }
            }
        }
        self.wake_crew(process);
    }

    pub(crate) fn crew_wakes(&mut self, to: Life) {
        if self.processes[to.index].life == to {
            self.let_crew_work(to.index);
        }
    }

    /// To be woken when the first of its controllers wants to look again.
    fn wake_crew(&mut self, process: usize) {
        let to = self.processes[process].life;
        let wake = self.processes[process].crew.iter().filter_map(|member| member.wake_at()).min();
        if let Some(wake) = wake {
            let soon = self.now + Time::micros(1);
            self.agenda.at(wake.max(soon), Happening::CrewWakes { to });
        }
    }
}
