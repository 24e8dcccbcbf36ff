//! What crosses a process boundary: the envelope of an event, commits and frames, the touch table, subjects and
//! protocols. Everything here is persisted or sent, so names and formats are append-only; golden files prove it.

pub mod commit;
pub mod event;
pub mod frame;
pub mod key;
pub mod limits;
pub mod protocol;
pub mod revision;
pub mod scope;
pub mod state;
pub mod subjects;
pub mod touch;
mod wire;

pub use commit::{Actor, Commit, CommitHeader, Count, Expect, Outcome, Proposal, Rejection, WriteHead};
pub use event::{Event, Meta, ObjectRef, Op, Owner};
pub use frame::{Frame, FrameHeader, FrameText, Hash, Recorded};
pub use key::{Key, KeyHash};
pub use revision::Revision;
pub use scope::Scope;
pub use touch::touches;
pub use uuid::Uuid;
pub use wire::WireError;
