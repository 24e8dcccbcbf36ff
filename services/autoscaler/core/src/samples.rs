//! The last samples of one node or pod.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// How many samples are kept: a minute and a half of them.
const KEPT: usize = 9;

/// How long a sample is worth showing. Nodes tell every ten seconds.
pub(crate) const FRESH: SignedDuration = SignedDuration::from_secs(90);

/// What was used at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it was heard.
    pub at: Timestamp,
    pub cpu_nanocores: u64,
    pub memory_bytes: u64,
    /// Over how long the CPU was averaged.
    pub window_ms: u64,
}

/// Samples in the order of their times, the newest last.
#[derive(Clone, Debug, Default)]
pub struct Samples(VecDeque<Sample>);

impl Samples {
    /// Adds a sample; one that is not newer than the last is dropped.
    pub fn add(&mut self, sample: Sample) {
        if self.0.back().is_some_and(|last| last.at >= sample.at) {
            return;
        }
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    /// The newest sample, unless it is too old to say anything.
    pub fn newest(&self, now: Timestamp) -> Option<&Sample> {
        self.0.back().filter(|sample| now.duration_since(sample.at) <= FRESH)
    }

    /// All that is kept, the oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Sample> {
        self.0.iter()
    }
}
