//! A cluster that goes on when the command returns.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::{env, thread};

use anyhow::{Context, Result, bail};

use super::args::READY;
use super::paths::Home;
use super::progress::{self, Ended};

/// Starts this same command in a session of its own, and shows its steps until it is ready.
pub(super) fn start(home: &Home) -> Result<()> {
    let log = home.log_file();
    let out = OpenOptions::new().create(true).append(true).open(&log);
    let out = out.with_context(|| format!("{} can't be written", log.display()))?;
    let (read, write) = pipe()?;
    let arguments = env::args_os().skip(1).filter(|argument| argument != "--background");
    let mut command = Command::new(env::current_exe()?);
    command.args(arguments).env(progress::FD, write.as_raw_fd().to_string());
    command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
    #[allow(unsafe_code)]
    // SAFETY: setsid is async-signal-safe and touches nothing of ours.
    unsafe {
        command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(Into::into));
    }
    let mut child = command.spawn().context("the cluster's process can't be started")?;
    drop(write);

    let (tell, ended) = mpsc::channel();
    thread::spawn(move || tell.send(progress::show(File::from(read))));
    match ended.recv_timeout(READY) {
        Ok(Ended::Ready) => Ok(()),
        Ok(Ended::Died) => {
            let status = child.wait()?;
            bail!("the cluster did not start ({status}):\n{}", last_lines(home))
        }
        Err(_) => bail!(
            "the cluster is not ready after {} s; it goes on trying, see {}",
            READY.as_secs(),
            log.display()
        ),
    }
}

/// A pipe whose writing end the child inherits.
fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let (read, write) = nix::unistd::pipe()?;
    nix::fcntl::fcntl(&read, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
    Ok((read, write))
}

fn last_lines(home: &Home) -> String {
    let text = std::fs::read_to_string(home.log_file()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(8).collect();
    lines.into_iter().rev().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
