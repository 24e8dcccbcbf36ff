//! A projection of the log in RocksDB: what the API serves, and (with history) every version of every object.
//!
//! What it keeps true:
//! - One frame is one write: rows, index entries, past versions, changes, commits, counters and the cursor become visible
//!   together or not at all, so a crash replays from the cursor and a reader never sees half a commit.
//! - A projection holds nothing that the log doesn't: deleting its directory and replaying makes the same bytes
//!   ([`Projection::digest`]), whether frame by frame or by the [`Loader`].
//! - Objects are stored ready to serve: reading copies bytes, it parses no JSON.
//!
//! It reads no clock: ages are told from the times in the frames.

mod codec;
mod cursor;
mod digest;
mod error;
mod fold;
mod loader;
mod options;
mod projection;
mod prune;
mod record;
mod snapshot;
mod store;
mod tables;

pub use cursor::Cursor;
pub use digest::{Digest, TableDigest};
pub use error::{Error, OpenError};
pub use loader::Loader;
pub use options::{Options, Retention};
pub use projection::{Change, Projection};
pub use record::Record;
pub use snapshot::{EventInfo, ListQuery, Snapshot, Version};
pub use tables::index::IndexKey;
pub use tables::{LAYOUT, Table};
