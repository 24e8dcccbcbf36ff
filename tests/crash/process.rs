//! Processes of the cluster under test, found by what `/proc` says of them.

use std::fs;

use anyhow::{Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rutter_tests::eventually;

/// A process that runs, by its pid and its start, so that a pid that is used again is no mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: Pid,
    started: u64,
}

struct Stat {
    parent: i32,
    is_zombie: bool,
    started: u64,
}

impl Process {
    pub(super) fn find(pid: Pid) -> Option<Process> {
        let stat = stat(pid.as_raw()).filter(|stat| !stat.is_zombie)?;
        Some(Process { pid, started: stat.started })
    }

    /// Those that it started and that still run.
    pub(super) fn children(self) -> Vec<Process> {
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let ours = pids.filter(|pid| stat(*pid).is_some_and(|stat| stat.parent == self.pid.as_raw()));
        ours.filter_map(|pid| Process::find(Pid::from_raw(pid))).collect()
    }

    /// The child whose command line begins with these words; the first is its program, without its path.
    pub(super) fn child(self, words: &[&str]) -> Option<Process> {
        self.children().into_iter().find(|child| child.runs(words))
    }

    fn runs(self, words: &[&str]) -> bool {
        let line = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let mut line = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let program = line.next().unwrap_or_default();
        let name = program.rsplit('/').next().unwrap_or_default();
        words.first() == Some(&name) && words[1..].iter().all(|word| line.next().as_deref() == Some(*word))
    }

    pub(super) fn kill(self, signal: Signal) -> Result<()> {
        Ok(kill(self.pid, signal)?)
    }

    pub(super) async fn gone(self) -> Result<()> {
        eventually("the end of a process", async || match Process::find(self.pid) {
            Some(still) if still == self => bail!("pid {} is still there", self.pid),
            _ => Ok(()),
        })
        .await
    }

    /// Its child of that command line, once there is one other than `before`.
    pub(super) async fn successor(self, words: &[&str], before: Process) -> Result<Process> {
        eventually("a successor of a process", async || match self.child(words) {
            Some(next) if next != before => Ok(next),
            _ => bail!("{words:?} was not started again"),
        })
        .await
    }
}

/// As proc(5) numbers them: 3 is the state, 4 the parent, 22 the start in clock ticks since boot.
fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        is_zombie: *fields.first()? == "Z",
        started: fields.get(19)?.parse().ok()?,
    })
}
