//! How a ledger is set up.

use jiff::SignedDuration;
use rutter_schemas::limits;

/// How a ledger proves that it is still the active one, when no frame of its own does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proving {
    /// This process owns the stream's only server and its lock: nobody else can append.
    Owned,
    /// One server: asked for the stream's last sequence, it tells the truth ([`crate::Ready::prove`]).
    Asked,
    /// Several servers: only an append is a proof, so an empty frame is written. One serves all who wait.
    Framed,
}

/// How much of the past is remembered. Whichever bound is reached first raises the floor.
#[derive(Clone, Copy, Debug)]
pub struct RecentLimits {
    /// Commit ids.
    pub ids: usize,
    /// Touches and deletions.
    pub marks: usize,
    /// The age of a commit, against the time of the last frame.
    pub seconds: u32,
}

impl Default for RecentLimits {
    fn default() -> RecentLimits {
        let seconds = u32::try_from(limits::RECENT_SECONDS).expect("ten minutes");
        RecentLimits { ids: limits::RECENT_IDS, marks: 2 * limits::RECENT_IDS, seconds }
    }
}

#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of this ledger, as its frames say it.
    pub ledger: String,
    pub proving: Proving,
    /// Bytes of proposals that may wait for a frame; beyond, proposers are told [`crate::Refused::Busy`].
    pub queue_bytes: usize,
    /// Judgements that may wait for their proof.
    pub waiting_answers: usize,
    /// How long to wait before sending a refused frame again, when its position is empty.
    pub pause: SignedDuration,
    pub recent: RecentLimits,
}

impl Settings {
    pub fn new(ledger: &str, proving: Proving) -> Settings {
        Settings {
            ledger: ledger.to_owned(),
            proving,
            queue_bytes: 64 << 20,
            waiting_answers: 65_536,
            pause: SignedDuration::from_millis(100),
            recent: RecentLimits::default(),
        }
    }
}
