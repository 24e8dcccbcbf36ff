//! What the store needs of the world. `crates/runtime` provides it in a process; tests provide a log of their own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use rutter_projection::{Change, Error, Snapshot};
use rutter_schemas::protocol::ledger::{HistoryAnswer, HistoryQuery, NowAnswer};
use rutter_schemas::{Outcome, Revision, Uuid};
use tokio::sync::{broadcast, watch};

/// A future that a trait object can give.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A frame that the view has applied.
#[derive(Debug)]
pub struct Applied {
    /// Where the view stands after it.
    pub revision: Revision,
    pub changes: Vec<Change>,
}

/// Nobody answered in time, or there is nobody.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the log does not answer: {0}")]
pub struct Silence(pub String);

/// The view, the log's live end and the ledger.
pub trait Backend: Send + Sync {
    /// The state at the last applied frame. Cheap.
    fn snapshot(&self) -> Result<Snapshot, Error>;

    /// Where the view stands, and each time it moves.
    fn head(&self) -> watch::Receiver<Revision>;

    /// Applied frames from now on. One who lags loses the oldest and is told.
    fn applied(&self) -> broadcast::Receiver<Arc<Applied>>;

    /// Where the log stands, proved after the question was asked (design §5).
    fn now(&self) -> Answer<'_, Result<NowAnswer, Silence>>;

    /// Hands a commit to the ledger. An error means that its outcome is unknown.
    fn propose(&self, id: Uuid, text: Bytes) -> Answer<'_, Result<Outcome, Silence>>;

    /// Asks a ledger about the past.
    fn history(&self, query: HistoryQuery) -> Answer<'_, Result<HistoryAnswer, Silence>>;
}
