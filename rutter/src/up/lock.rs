//! One cluster process to a data directory.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Pid;

use super::paths::Home;

/// How long a killed process may take to be gone: its memory is given back first.
const ENDING: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);

/// Held by the cluster's process for as long as it lives.
pub(crate) struct Held(#[allow(dead_code, reason = "held, not read")] Flock<File>);

/// Takes the data directory for this process.
pub(crate) fn take(home: &Home) -> Result<Held> {
    let path = home.pid_file();
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("{} can't be opened", path.display()))?;
    let Ok(mut lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else {
        bail!(
            "a cluster of {} runs already (pid {}); stop it with `rutter down`",
            home.root().display(),
            running_text(home)
        );
    };
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())?;
    nix::fcntl::fcntl(lock.as_fd(), nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
    Ok(Held(lock))
}

/// The process of the cluster, if it runs. One that was killed holds its lock until the last of its threads is gone:
/// that is waited for.
pub(super) fn running(home: &Home) -> Option<Pid> {
    let path = home.pid_file();
    let deadline = Instant::now() + ENDING;
    loop {
        let file = File::open(&path).ok()?;
        if Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok() {
            return None;
        }
        let pid = Pid::from_raw(fs::read_to_string(&path).ok()?.trim().parse().ok()?);
        if runs(pid) {
            return Some(pid);
        }
        if Instant::now() > deadline {
            return None;
        }
        thread::sleep(LOOK);
    }
}

/// Whether the process is there and not on its way out: as proc(5) says, `Z` is a zombie, and `X` is dead.
fn runs(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, fields)| fields.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X' | 'x'))
}

fn running_text(home: &Home) -> String {
    running(home).map_or_else(|| "unknown".to_owned(), |pid| pid.to_string())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_cluster_that_was_killed_does_not_run_though_its_lock_is_still_held() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        let held = take(&home).unwrap();
        assert_eq!(running(&home), Some(Pid::this()));

        // A process that ended and that nobody has waited for.
        let mut zombie = Command::new("true").spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(zombie.id()).unwrap());
        while runs(pid) {
            thread::yield_now();
        }
        fs::write(home.pid_file(), zombie.id().to_string()).unwrap();
        let last_thread = thread::spawn(move || {
            thread::sleep(LOOK * 3);
            drop(held);
        });
        assert_eq!(running(&home), None);
        last_thread.join().unwrap();
        take(&home).unwrap();
        zombie.wait().unwrap();
    }
}
