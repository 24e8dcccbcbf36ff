//! What can go wrong. Whatever is wrong with a directory, the log can make it anew: [`OpenError::is_rebuildable`].

use std::path::PathBuf;

use rutter_schemas::Revision;
use thiserror::Error;

/// Why a directory can't be used as it is.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("the projection in {path} is damaged")]
    Corrupt {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the projection in {path} was being loaded when its process ended")]
    Unfinished { path: PathBuf },
    #[error("the projection in {path} has layout {found}, this program has {ours}")]
    Layout { path: PathBuf, found: u32, ours: u32 },
    #[error("the projection in {path} was made {}, now it is asked for {}", history(*.found), history(*.asked))]
    OtherHistory { path: PathBuf, found: bool, asked: bool },
    #[error("the projection in {path} is held by another process")]
    Held { path: PathBuf },
    #[error("cannot use {path} for a projection")]
    Io {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl OpenError {
    /// Whether [`Projection::discard`](crate::Projection::discard) and a replay of the log would help.
    pub fn is_rebuildable(&self) -> bool {
        !matches!(self, OpenError::Held { .. } | OpenError::Io { .. })
    }
}

fn history(kept: bool) -> &'static str {
    if kept { "with history" } else { "without history" }
}

/// Why an open projection can't do what it was asked.
#[derive(Debug, Error)]
pub enum Error {
    #[error("frame {number} does not follow frame {last}, where the projection stands")]
    NotNext { last: u64, number: u64 },
    #[error("frame {number} at revision {first} leaves a gap or repeats: the projection stands at {last}")]
    NotDense { number: u64, first: Revision, last: Revision },
    #[error("event {revision} of {key} replaces revision {prior}, but the projection holds {found}")]
    Diverged { key: String, revision: Revision, prior: Revision, found: Revision },
    /// An Exact read or a watch from a revision whose past was dropped: a projection with history still has it.
    #[error("revision {asked} is older than {floor}, the oldest this projection keeps")]
    BelowFloor { asked: Revision, floor: Revision },
    /// The log has not come so far, or this projection hasn't.
    #[error("revision {asked} is in the future: the projection stands at {head}")]
    Future { asked: Revision, head: Revision },
    /// Lost with an incarnation of the stream: the only revisions of which facts give 410.
    #[error("revision {asked} was skipped when the log was made anew: {first} to {last} never were")]
    Skipped { asked: Revision, first: Revision, last: Revision },
    #[error("table {table} holds bytes that are not its own: {problem}")]
    Damaged { table: &'static str, problem: String },
    #[error("the store failed")]
    Store(#[from] rocksdb::Error),
    #[error("cannot write the files of a bulk load")]
    Io(#[from] std::io::Error),
}

impl Error {
    /// Whether the disk was full. A store that has met that takes nothing more, though room has come back: it has to be
    /// opened again.
    pub fn lacks_room(&self) -> bool {
        match self {
            // RocksDB has its kinds of error, and the system's words for this one within them.
            Error::Store(error) => error.as_ref().contains("No space left on device"),
            Error::Io(error) => error.kind() == std::io::ErrorKind::StorageFull,
            _ => false,
        }
    }
}
