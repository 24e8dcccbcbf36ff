//! An orderly end: services stop in the reverse order of their start, each within a bound.
//!
//! A process has one [`Shutdown`]. Each stage (the log, the ledger, the gateway, …) gets a token of its own;
//! [`Shutdown::finish`] cancels the last stage first and waits for its tasks before it touches the one below,
//! so that nobody loses what it stands on. A stage that doesn't end in time is named and left behind.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long one stage may take to end before it is given up.
pub const STAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// The stages of a process, in the order of their start.
#[derive(Debug, Default)]
pub struct Shutdown {
    asked: CancellationToken,
    stages: Vec<Stage>,
}

/// Tasks that end together.
#[derive(Debug, Clone)]
pub struct Stage {
    name: &'static str,
    token: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    /// A process with no stages yet.
    #[must_use]
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// The next stage: stands on all earlier ones and ends before them.
    pub fn stage(&mut self, name: &'static str) -> Stage {
        let stage = Stage { name, token: CancellationToken::new(), tasks: TaskTracker::new() };
        self.stages.push(stage.clone());
        stage
    }

    /// Asks for the end, from anywhere; [`Shutdown::asked`] wakes up.
    #[must_use]
    pub fn trigger(&self) -> CancellationToken {
        self.asked.clone()
    }

    /// Waits until somebody asks for the end: SIGTERM, SIGINT, or [`Shutdown::trigger`].
    ///
    /// # Errors
    /// When the signal handlers can't be installed.
    pub async fn asked(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = self.asked.cancelled() => {}
        }
        self.asked.cancel();
        Ok(())
    }

    /// Ends all stages, last first. Returns the names of those that did not end in time.
    pub async fn finish(self) -> Vec<&'static str> {
        self.asked.cancel();
        let mut left = Vec::new();
        for stage in self.stages.into_iter().rev() {
            if !stage.end().await {
                left.push(stage.name);
            }
        }
        left
    }
}

impl Stage {
    /// Cancelled when this stage is to end.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Starts a task of this stage. It watches [`Stage::token`] itself, so that it can end in good order.
    pub fn spawn<F>(&self, task: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(task)
    }

    async fn end(&self) -> bool {
        self.token.cancel();
        self.tasks.close();
        let ended = tokio::time::timeout(STAGE_TIMEOUT, self.tasks.wait()).await.is_ok();
        if !ended {
            tracing::warn!(stage = self.name, "did not end in {STAGE_TIMEOUT:?}, leaving it behind");
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test]
    async fn later_stages_end_before_the_ones_they_stand_on() {
        let ends = Arc::new(Mutex::new(Vec::new()));
        let mut shutdown = Shutdown::new();
        for name in ["log", "ledger", "gateway"] {
            let (stage, ends) = (shutdown.stage(name), ends.clone());
            let token = stage.token();
            stage.spawn(async move {
                token.cancelled().await;
                ends.lock().unwrap().push(name);
            });
        }
        assert!(shutdown.finish().await.is_empty());
        assert_eq!(*ends.lock().unwrap(), ["gateway", "ledger", "log"]);
    }
}
