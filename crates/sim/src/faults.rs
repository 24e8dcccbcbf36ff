//! What goes wrong in a run, and when: drawn from the seed at its beginning.

use crate::ledger::{Trap, Word};
use crate::time::Time;
use crate::weather::Weather;
use crate::world::{Happening, World};

/// One thing that goes wrong, or right again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    CrashLedger(usize),
    StartLedger(usize),
    /// It dies at its next step of this kind.
    TrapLedger(usize, Trap),
    StopLedger(usize),
    ContinueLedger(usize),
    Resign(usize),
    CrashProcess(usize),
    StartProcess(usize),
    /// It dies in the middle of writing its next frame.
    DieWriting(usize),
    /// Frames take this long to it from now on.
    Lag(usize, Time),
    /// A node says and hears nothing for so long.
    SilentNode(usize, Time),
    DiskFull,
    DiskRelieved,
    /// Another server leads the stream.
    LoseLeader,
    /// The log is restored from a backup that lacks its last frames; an operator makes a new incarnation.
    Restore,
    MakeAnew(usize),
}

impl World {
    pub(crate) fn plan_faults(&mut self) {
        let storm = self.rng.time(Time::secs(5), Time::secs(14));
        let faults = self.rng.between(0, 12);
        for _ in 0..faults {
            let when = self.rng.time(Time::millis(500), storm);
            let fault = self.any_fault();
            self.after(when, Happening::Fault(fault));
        }
        if self.rng.chance(100) {
            let when = self.rng.time(Time::secs(4), storm);
            self.after(when, Happening::Fault(Fault::Restore));
        }
        if self.rng.chance(100) {
            let (node, stretch) =
                (self.rng.index(self.nodes.count()), self.rng.time(Time::secs(45), Time::secs(90)));
            let when = self.rng.time(Time::secs(3), storm);
            self.after(when, Happening::Fault(Fault::SilentNode(node, stretch)));
        }
        self.after(storm, Happening::Calm);
    }

    fn any_fault(&mut self) -> Fault {
        let (ledger, process) = (self.rng.index(self.ledgers.len()), self.rng.index(self.processes.len()));
        let traps = [Trap::BeforeAppend, Trap::AfterAppend, Trap::AfterAcknowledgement, Trap::BeforeAnswers];
        match self.rng.below(14) {
            0 => Fault::CrashLedger(ledger),
            1..=3 => Fault::TrapLedger(ledger, *self.rng.pick(&traps).unwrap_or(&Trap::AfterAppend)),
            4 => Fault::StopLedger(ledger),
            5 => Fault::Resign(ledger),
            6 => Fault::CrashProcess(process),
            7..=8 => Fault::DieWriting(process),
            9 => Fault::Lag(process, self.rng.time(Time::default(), Time::secs(2))),
            10 => Fault::DiskFull,
            11 => Fault::SilentNode(
                self.rng.index(self.nodes.count()),
                self.rng.time(Time::secs(1), Time::secs(8)),
            ),
            _ => Fault::LoseLeader,
        }
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        let back = self.rng.time(Time::millis(20), Time::millis(4_000));
        match fault {
            Fault::CrashLedger(index) => {
                self.crash_ledger(index);
                self.after(back, Happening::Fault(Fault::StartLedger(index)));
            }
            Fault::StartLedger(index) => self.start_ledger(index),
            Fault::TrapLedger(index, trap) => {
                self.ledgers[index].trap = Some(trap);
                self.after(back + Time::secs(2), Happening::Fault(Fault::StartLedger(index)));
            }
            Fault::StopLedger(index) => {
                self.stop_ledger(index);
                self.after(back, Happening::Fault(Fault::ContinueLedger(index)));
            }
            Fault::ContinueLedger(index) => self.continue_ledger(index),
            Fault::Resign(index) => self.resign(index),
            Fault::CrashProcess(index) => {
                self.crash_process(index);
                self.after(back, Happening::Fault(Fault::StartProcess(index)));
            }
            Fault::StartProcess(index) => self.start_process(index),
            Fault::DieWriting(index) => self.processes[index].dies_writing = true,
            Fault::Lag(index, lag) => {
                self.processes[index].lag = lag;
                self.story.line(self.now, "", || format!("{} lags {lag} s", self.processes[index].name));
            }
            Fault::SilentNode(node, stretch) => {
                let name = self.nodes.silence(node, self.now + stretch).to_owned();
                self.story.line(self.now, "", || format!("{name} is silent for {stretch} s"));
            }
            Fault::DiskFull => {
                self.set_disk(true);
                self.after(back, Happening::Fault(Fault::DiskRelieved));
            }
            Fault::DiskRelieved => self.set_disk(false),
            Fault::LoseLeader => self.lose_leader(),
            Fault::Restore => self.restore(),
            Fault::MakeAnew(index) => self.make_anew(index),
        }
    }

    fn set_disk(&mut self, full: bool) {
        self.stream.full = full;
        self.story.line(self.now, "", || if full { "the disk is full" } else { "the disk has room again" });
        for index in 0..self.ledgers.len() {
            let (to, room) = (self.ledgers[index].life, self.room());
            self.after(Time::millis(5), Happening::Ledger { to, word: Word::Room(room) });
        }
    }

    /// What the old leader had accepted and not committed is lost, or the new one has it too.
    fn lose_leader(&mut self) {
        if self.rng.chance(600) {
            let lost = self.stream.lose_uncommitted();
            self.story
                .line(self.now, "", || format!("the stream's leader is lost, and {lost} frames with it"));
        }
    }

    /// Both ledgers are stopped, as the operator's handbook says; the log loses its tail.
    fn restore(&mut self) {
        for index in 0..self.ledgers.len() {
            self.crash_ledger(index);
        }
        let kept = self.rng.between(self.stream.last() * 3 / 4, self.stream.last());
        self.story.line(self.now, "operator", || format!("restores the log up to frame {kept}"));
        self.stream.restore(kept);
        self.forget_saved();
        self.restoring = Some(self.laws.log.incarnation + 1);
        let entries: Vec<_> =
            self.stream.committed().map(|(sequence, entry)| (sequence, entry.clone())).collect();
        self.laws.restored(self.now, &entries);
        self.after(Time::millis(200), Happening::Fault(Fault::MakeAnew(0)));
    }

    /// The ledger has the whole log before it is told to make a new incarnation of it; told again until it stands.
    fn make_anew(&mut self, index: usize) {
        let Some(incarnation) = self.restoring else {
            return self.after(Time::secs(1), Happening::Fault(Fault::StartLedger(1 - index)));
        };
        self.start_ledger(index);
        if self.ledgers[index].sequencer.cursor().sequence == self.stream.last() {
            self.take_over_anew(index, incarnation);
        }
        self.after(Time::millis(300), Happening::Fault(Fault::MakeAnew(index)));
    }

    /// Faults stop; from here on everything has to come to rest.
    pub(crate) fn calm(&mut self) {
        self.weather = Weather::calm();
        self.calm_since = Some(self.now);
        self.story.line(self.now, "", || "faults stop");
        if self.stream.full {
            self.set_disk(false);
        }
        for index in 0..self.ledgers.len() {
            self.ledgers[index].trap = None;
            self.continue_ledger(index);
            self.after(Time::secs(5), Happening::Fault(Fault::StartLedger(index)));
        }
        for index in 0..self.processes.len() {
            self.processes[index].dies_writing = false;
            self.processes[index].lag = Time::millis(1);
            self.start_process(index);
        }
    }
}
