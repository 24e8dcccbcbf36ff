//! What a projection keeps, and what it may cost in memory.

/// How to keep a projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Keep every version of every object, and every event's cause, for ever (the ledger's projection).
    pub history: bool,
    /// How much of the past stays without history.
    pub retention: Retention,
    /// Blocks of tables kept in memory, in bytes; memtables are charged to it as well.
    pub cache_bytes: usize,
}

/// Without history, a change is dropped when it is older than `age_s` or more than `changes` are younger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Seconds, told by the frames' times.
    pub age_s: u32,
    /// Number of events; at least as many as one frame can hold.
    pub changes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { history: false, retention: Retention::default(), cache_bytes: 32 << 20 }
    }
}

impl Options {
    /// Every version, for ever.
    pub fn with_history() -> Options {
        Options { history: true, ..Options::default() }
    }
}

/// An hour, as upstream's clients may expect after a restart; a million events, so that the disk is bounded too.
impl Default for Retention {
    fn default() -> Self {
        Retention { age_s: 3_600, changes: 1_000_000 }
    }
}
