//! The child process: started, watched, started again, stopped.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::lock::Lock;
use super::{START_TIMEOUT, ServerError, ServerState};
use crate::port::Port;

/// How long the server may take to end after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);
/// Between a death and the next start: quick, but never a busy loop.
const RESTART_PAUSE: Duration = Duration::from_millis(200);
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(5);
/// Lines of the server's own words kept for the message when it can't start.
const LAST_WORDS: usize = 5;
const POLL: Duration = Duration::from_millis(5);

/// Everything that starting the server takes.
pub(super) struct Launch {
    pub(super) binary: PathBuf,
    pub(super) file: PathBuf,
    pub(super) home: PathBuf,
    pub(super) lock: Lock,
    pub(super) port: Port,
    /// Where the others reach it, if there are any.
    pub(super) _route: Option<Port>,
}

/// A server that was started, and what it says.
struct Running {
    child: Child,
    pid: u32,
    words: Arc<Mutex<VecDeque<String>>>,
}

type Supervised = (watch::Receiver<ServerState>, JoinHandle<()>, CancellationToken);

impl Launch {
    /// Starts the server, waits until it listens, and keeps it running until the token is cancelled.
    pub(super) async fn supervise(mut self) -> Result<Supervised, ServerError> {
        let mut running = self.spawn()?;
        self.listening(&mut running).await?;
        let (tell, state) = watch::channel(ServerState::Running { pid: running.pid });
        let stop = CancellationToken::new();
        let supervisor = tokio::spawn(self.keep_running(running, tell, stop.clone()));
        Ok((state, supervisor, stop))
    }

    fn spawn(&mut self) -> Result<Running, ServerError> {
        let failed = |source| ServerError::Run { binary: self.binary.clone(), source };
        let lock = self.lock.share().map_err(failed)?;
        let mut child = Command::new(&self.binary)
            .arg("--config")
            .arg(&self.file)
            .stdin(Stdio::from(lock))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .current_dir(&self.home)
            .process_group(0)
            // Whatever ends this process in an orderly way, a panic too, leaves no orphan.
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let pid = child.id().expect("a child that was not waited for has a pid");
        self.lock.note(Some(pid)).map_err(failed)?;
        let words = Arc::new(Mutex::new(VecDeque::new()));
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(pass_on(stderr, words.clone()));
        }
        Ok(Running { child, pid, words })
    }

    async fn listening(&self, running: &mut Running) -> Result<(), ServerError> {
        let listen = self.port.address();
        let deadline = tokio::time::Instant::now() + START_TIMEOUT;
        while tokio::time::Instant::now() < deadline {
            if tokio::net::TcpStream::connect(listen).await.is_ok() {
                return Ok(());
            }
            if let Ok(Some(_)) = running.child.try_wait() {
                tokio::time::sleep(POLL).await;
                return Err(ServerError::Ended { said: running.last_words() });
            }
            tokio::time::sleep(POLL).await;
        }
        Err(ServerError::Silent { listen })
    }

    async fn keep_running(
        mut self,
        mut running: Running,
        tell: watch::Sender<ServerState>,
        stop: CancellationToken,
    ) {
        let mut pause = RESTART_PAUSE;
        loop {
            let started = tokio::time::Instant::now();
            tokio::select! {
                status = running.child.wait() => tracing::error!(?status, said = %running.last_words(), "nats-server died"),
                () = stop.cancelled() => return end(running, &tell).await,
            }
            pause = if started.elapsed() > RESTART_PAUSE_MAX {
                RESTART_PAUSE
            } else {
                (pause * 2).min(RESTART_PAUSE_MAX)
            };
            tell.send_replace(ServerState::Restarting);
            let Some(next) = self.again(pause, &stop).await else {
                tell.send_replace(ServerState::Stopped);
                return;
            };
            running = next;
            tell.send_replace(ServerState::Running { pid: running.pid });
        }
    }

    /// Starts the server again, for as long as it takes; none when asked to stop meanwhile.
    async fn again(&mut self, pause: Duration, stop: &CancellationToken) -> Option<Running> {
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return None,
            }
            match self.spawn() {
                Ok(running) => return Some(running),
                Err(error) => tracing::error!(%error, "cannot start nats-server again"),
            }
        }
    }
}

impl Running {
    fn last_words(&self) -> String {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        words.iter().map(String::as_str).collect::<Vec<_>>().join(" / ")
    }
}

async fn end(mut running: Running, tell: &watch::Sender<ServerState>) {
    if let Ok(pid) = i32::try_from(running.pid) {
        // It may have died this moment, which serves as well.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    if tokio::time::timeout(STOP_TIMEOUT, running.child.wait()).await.is_err() {
        tracing::warn!(pid = running.pid, "nats-server does not end, killing it");
        // Fails only when it has ended already.
        let _ = running.child.kill().await;
    }
    tell.send_replace(ServerState::Stopped);
}

/// Passes the server's log on to ours, and keeps the last lines for error messages.
async fn pass_on(stderr: ChildStderr, words: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let said = said(&line);
        if line.contains("[ERR]") || line.contains("[FTL]") || line.contains("[WRN]") {
            tracing::warn!(target: "nats_server", "{said}");
        } else {
            tracing::debug!(target: "nats_server", "{said}");
        }
        let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
        words.push_back(said.to_owned());
        if words.len() > LAST_WORDS {
            words.pop_front();
        }
    }
}

/// `[123] 2026/01/01 00:00:00.000000 [INF] text` → `text`
fn said(line: &str) -> &str {
    line.splitn(3, "] ").nth(2).unwrap_or(line)
}
