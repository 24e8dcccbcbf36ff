//! The ledger: drives the sequencer, keeps every version, answers for history.
//!
//! It is small and replaceable at any moment. Several may run: one is active, the others follow warm and take
//! over when it has been silent for a second. What may be answered, and when, is decided by the machine in
//! `rutter-ledger-core`; here are its hands: the stream, the questions, the clock.

mod counters;
mod driver;
pub mod history;
mod incarnation;
mod index;
mod leadership;
mod live;
mod replies;
mod room;
mod sources;
pub mod verify;

use std::path::PathBuf;

use rutter_ledger_core::{Proving, Settings};
use rutter_log::FollowError;
use rutter_runtime::metrics::Metrics;
use rutter_runtime::proposer::LocalInbox;
use rutter_runtime::shutdown::Stage;
use rutter_runtime::stream::{LogStream, StreamError, StreamSettings};
use rutter_runtime::view::View;
use rutter_schemas::Revision;
use tokio::sync::watch;

pub use counters::Counters;
pub use rutter_ledger_core as core;

/// How this ledger works.
#[derive(Debug, Clone)]
pub struct LedgerConfig {
    /// Its name in frames and beats: unique among ledgers.
    pub name: String,
    pub proving: Proving,
    pub stream: StreamSettings,
    /// Where the sequencer's index rests between runs.
    pub index: PathBuf,
    /// The file system of the stream's store, when it is on this machine: watched for being full.
    pub store: Option<PathBuf>,
    /// An operator's command: the log was restored from a backup, begin a new incarnation on it.
    pub new_incarnation: bool,
}

/// What the ledger works with.
#[derive(Debug)]
pub struct Parts {
    pub stream: LogStream,
    /// The proposers and readers of this process.
    pub local: LocalInbox,
    /// A view with history; it answers for the past, and a ledger does not lead on a log that it finds unfit.
    pub view: View,
    pub metrics: Metrics,
}

/// What a ledger is doing, followed live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerState {
    pub role: rutter_ledger_core::Role,
    pub epoch: u64,
    /// The last frame known to be in the log, and its last event.
    pub sequence: u64,
    pub revision: Revision,
}

/// Why a ledger can't go on.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("cannot listen for proposals")]
    Subscribe(#[from] async_nats::SubscribeError),
    #[error("the log is not the one this ledger followed")]
    Log(#[source] FollowError),
    #[error(
        "the log no longer holds frame {sequence}, which was acknowledged: it lost its tail or was restored. \
         Bring the right one back, or accept the loss with --new-incarnation"
    )]
    LostTail { sequence: u64 },
    #[error("the sequencer's index can't be kept in {path}")]
    Index { path: PathBuf, source: std::io::Error },
}

/// Whether the log is the one that the saved index of this ledger belongs to.
///
/// # Errors
/// [`LedgerError::LostTail`] when the log lost something that was acknowledged.
pub async fn check(config: &LedgerConfig, stream: &LogStream) -> Result<(), LedgerError> {
    let settings = Settings::new(&config.name, config.proving);
    index::open(config, settings, stream).await.map(|_| ())
}

/// A running ledger.
#[derive(Debug)]
pub struct Ledger {
    state: watch::Receiver<LedgerState>,
    task: tokio::task::JoinHandle<Result<(), LedgerError>>,
}

impl Ledger {
    /// Starts the ledger as a task of `stage`: it hands over and saves its index when the stage ends.
    ///
    /// # Errors
    /// [`LedgerError`] when the log is not the one that the saved index belongs to, or can't be reached.
    pub async fn start(config: LedgerConfig, parts: Parts, stage: &Stage) -> Result<Ledger, LedgerError> {
        let settings = Settings::new(&config.name, config.proving);
        let opened = index::open(&config, settings, &parts.stream).await?;
        let client = parts.stream.client().clone();
        let driver = driver::Driver::start(config, opened, parts).await?;
        let state = driver.state();
        let view = driver.view();
        history::serve(client.clone(), view.clone(), stage).await?;
        live::serve(client, view, state.clone(), stage).await?;
        let task = stage.spawn(driver.run(stage.token()));
        Ok(Ledger { state, task })
    }

    /// What it is doing.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<LedgerState> {
        self.state.clone()
    }

    /// Waits for its end: asked for, or an error it can't go on from.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn ended(self) -> Result<(), LedgerError> {
        self.task.await.unwrap_or_else(|bug| std::panic::resume_unwind(bug.into_panic()))
    }
}
