//! Child processes: started, started again when they die, ended in the reverse order of their start.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Between a death and the next start: quick, but never a busy loop.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long a service may take to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(10);

/// What runs in a child: a subcommand of this same program.
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) arguments: Vec<OsString>,
}

/// All that were started. Those of one group end together.
#[derive(Default)]
pub(super) struct Children(Vec<Vec<Kept>>);

struct Kept {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Children {
    /// Starts a group of services and keeps each running.
    pub(super) fn start(&mut self, group: Vec<Service>) -> Result<()> {
        let program = std::env::current_exe()?;
        let kept = group.into_iter().map(|service| {
            let first = spawn(&program, &service)
                .with_context(|| format!("rutter {} can't be started", service.name))?;
            let stop = CancellationToken::new();
            let task = tokio::spawn(keep(program.clone(), service, first, stop.clone()));
            Ok(Kept { stop, task })
        });
        self.0.push(kept.collect::<Result<_>>()?);
        Ok(())
    }

    /// Ends all, the last group first.
    pub(super) async fn end(self) {
        for group in self.0.into_iter().rev() {
            group.iter().for_each(|kept| kept.stop.cancel());
            for kept in group {
                // Its task only panics on a bug, which it has printed.
                let _ = kept.task.await;
            }
        }
    }
}

/// A process, and the pipe that it holds on to: what was written there, nobody reads; that it closes is the message.
struct Running {
    child: Child,
    _lifeline: Option<ChildStdin>,
}

fn spawn(program: &PathBuf, service: &Service) -> std::io::Result<Running> {
    let mut child = Command::new(program)
        .arg(service.name)
        .args(&service.arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        // A group of its own: a signal to our terminal is for us, and we pass it on in order.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    // Waiting for the child would close it.
    let lifeline = child.stdin.take();
    tracing::info!(service = service.name, pid = child.id(), "started");
    Ok(Running { child, _lifeline: lifeline })
}

async fn keep(program: PathBuf, service: Service, mut running: Running, stop: CancellationToken) {
    let mut pause = PAUSE;
    loop {
        let began = Instant::now();
        tokio::select! {
            status = running.child.wait() => {
                tracing::error!(service = service.name, ?status, "died, and is started again");
            }
            () = stop.cancelled() => return end(service.name, running).await,
        }
        pause = if began.elapsed() > PAUSE_MAX { PAUSE } else { (pause * 2).min(PAUSE_MAX) };
        running = loop {
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => return,
            }
            match spawn(&program, &service) {
                Ok(running) => break running,
                Err(error) => tracing::error!(service = service.name, %error, "can't be started again"),
            }
        };
    }
}

async fn end(name: &str, mut running: Running) {
    if let Some(pid) = running.child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It may have died this moment, which serves as well.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    if timeout(PATIENCE, running.child.wait()).await.is_err() {
        tracing::warn!(service = name, "does not end, killing it");
        // Fails only when it has ended already.
        let _ = running.child.kill().await;
    }
}
