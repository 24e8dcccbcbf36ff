//! One cluster process to a data directory.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::paths::Home;

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

/// The process of the cluster, if it runs.
pub(super) fn running(home: &Home) -> Option<Pid> {
    let file = File::open(home.pid_file()).ok()?;
    if Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok() {
        return None;
    }
    let pid = Pid::from_raw(fs::read_to_string(home.pid_file()).ok()?.trim().parse().ok()?);
    kill(pid, None).is_ok().then_some(pid)
}

fn running_text(home: &Home) -> String {
    running(home).map_or_else(|| "unknown".to_owned(), |pid| pid.to_string())
}
