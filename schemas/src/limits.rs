//! The sizes that hold everywhere. Bytes, unless a name says otherwise.

/// An object's state (as upstream's store limits it).
pub const OBJECT: usize = 1_536 * 1024;
/// A request's body (as upstream's API server limits it).
pub const BODY: usize = 3 * 1024 * 1024;
/// A frame, and therefore a commit.
pub const FRAME: usize = 4 * 1024 * 1024;
/// The `max_payload` that nats-server has to allow.
pub const SERVER_PAYLOAD: usize = 8 * 1024 * 1024;
/// Objects in one commit.
pub const COMMIT_OBJECTS: usize = 1_000;
/// Commit ids that the sequencer remembers; older ones are below the floor.
pub const RECENT_IDS: usize = 1_000_000;
/// How long the sequencer remembers a commit's id, in seconds.
pub const RECENT_SECONDS: i64 = 600;
