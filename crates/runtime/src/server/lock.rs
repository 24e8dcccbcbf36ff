//! The lock on a data directory, and what to do about who holds it.
//!
//! The lock is `flock` on `<dir>/lock`, held through an open file that the child shares. The file's text
//! names the owner and its child, each by pid and start time (so that a pid used again is not mistaken):
//! when the owner is gone and the child still holds the lock, the child is an orphan.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::fs::{FlockOperation, flock};

/// How long an orphan may take to end after SIGTERM, before SIGKILL.
const TERM_TIMEOUT: Duration = Duration::from_secs(5);
const KILL_TIMEOUT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// Why the data directory can't be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("another Rutter (pid {pid}) works on {dir}: stop it first, or use another --data directory")]
    Held { dir: PathBuf, pid: u32 },
    #[error("{dir} is locked by a process that is not ours: find it with `fuser {dir}/lock`")]
    Unknown { dir: PathBuf },
    #[error("an orphaned nats-server (pid {pid}) holds {dir} and does not end: kill -9 {pid}")]
    Stuck { dir: PathBuf, pid: u32 },
    #[error("cannot lock {dir}")]
    Io { dir: PathBuf, source: std::io::Error },
}

/// The lock, held.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

/// A process that can't be mistaken for a later one with the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: u32,
    /// In clock ticks since boot, from `/proc/<pid>/stat` (proc(5), field 22).
    started: u64,
}

/// Takes the lock on `dir`; ends an orphan that holds it.
pub(super) async fn take(dir: &Path) -> Result<Lock, LockError> {
    let io = |source| LockError::Io { dir: dir.into(), source };
    let path = dir.join("lock");
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
    if !try_lock(&file).map_err(io)? {
        end_orphan(dir, &mut file).await?;
    }
    let mut lock = Lock { file };
    lock.note(None).map_err(io)?;
    Ok(lock)
}

impl Lock {
    /// Writes down who holds the lock: this process, and the child that shares it.
    pub(super) fn note(&mut self, child: Option<u32>) -> std::io::Result<()> {
        let held = [Some(std::process::id()), child];
        let lines = held.into_iter().flatten().filter_map(Process::running);
        let text: String = lines.map(|process| format!("{} {}\n", process.pid, process.started)).collect();
        self.file.rewind()?;
        self.file.set_len(0)?;
        self.file.write_all(text.as_bytes())
    }

    /// The same open file, for a child to hold.
    pub(super) fn share(&self) -> std::io::Result<OwnedFd> {
        Ok(self.file.try_clone()?.into())
    }
}

impl Process {
    fn running(pid: u32) -> Option<Process> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, fields) = stat.rsplit_once(") ")?;
        let mut fields = fields.split(' ');
        let state = fields.next()?;
        let started = fields.nth(18)?.parse().ok()?;
        (state != "Z").then_some(Process { pid, started })
    }

    fn parse(line: &str) -> Option<Process> {
        let (pid, started) = line.split_once(' ')?;
        Some(Process { pid: pid.parse().ok()?, started: started.parse().ok()? })
    }

    fn lives(self) -> bool {
        Process::running(self.pid) == Some(self)
    }

    fn signal(self, signal: Signal) {
        let Ok(pid) = i32::try_from(self.pid) else { return };
        // It may have ended meanwhile, which is what we want.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

async fn end_orphan(dir: &Path, file: &mut File) -> Result<(), LockError> {
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|source| LockError::Io { dir: dir.into(), source })?;
    let mut noted = text.lines().map_while(Process::parse);
    let (owner, child) = (noted.next(), noted.next());
    if let Some(owner) = owner.filter(|owner| owner.lives()) {
        return Err(LockError::Held { dir: dir.into(), pid: owner.pid });
    }
    let Some(orphan) = child.filter(|child| child.lives()) else {
        return if wait_for(file, KILL_TIMEOUT, dir).await? {
            Ok(())
        } else {
            Err(LockError::Unknown { dir: dir.into() })
        };
    };
    tracing::warn!(pid = orphan.pid, "an orphaned nats-server holds the data directory, ending it");
    for (signal, patience) in [(Signal::SIGTERM, TERM_TIMEOUT), (Signal::SIGKILL, KILL_TIMEOUT)] {
        orphan.signal(signal);
        if wait_for(file, patience, dir).await? {
            return Ok(());
        }
    }
    Err(LockError::Stuck { dir: dir.into(), pid: orphan.pid })
}

async fn wait_for(file: &File, patience: Duration, dir: &Path) -> Result<bool, LockError> {
    let deadline = tokio::time::Instant::now() + patience;
    while tokio::time::Instant::now() < deadline {
        if try_lock(file).map_err(|source| LockError::Io { dir: dir.into(), source })? {
            return Ok(true);
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(false)
}

fn try_lock(file: &File) -> std::io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[tokio::test]
    async fn a_directory_in_use_by_a_living_process_is_refused_and_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let _held = take(dir.path()).await.unwrap();
        let refused = take(dir.path()).await.unwrap_err();
        assert!(matches!(refused, LockError::Held { pid, .. } if pid == std::process::id()), "{refused}");
    }

    #[tokio::test]
    async fn an_orphan_that_holds_the_lock_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let held = take(dir.path()).await.unwrap();
        let mut child =
            Command::new("sleep").arg("60").stdin(Stdio::from(held.share().unwrap())).spawn().unwrap();
        let orphan = Process::running(child.id()).unwrap();
        let gone = Process { pid: orphan.pid, started: 0 };
        let noted = format!("{} {}\n{} {}\n", gone.pid, gone.started, orphan.pid, orphan.started);
        drop(held);
        std::fs::write(dir.path().join("lock"), noted).unwrap();

        let taken = take(dir.path()).await;
        assert!(taken.is_ok(), "{taken:?}");
        assert!(!child.wait().unwrap().success(), "it was ended by a signal");
    }
}
