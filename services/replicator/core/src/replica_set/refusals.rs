//! Births that the rules refused, such as those above a quota: how many of them would have been had, in which words the
//! next was refused, and until when it is not tried again. Nothing of it is in the log, so another copy finds it out anew.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rutter_controller::Refusal;
use rutter_schemas::Key;

/// The first wait after a refusal; it doubles with each further one in a row, up to [`LONGEST_WAIT`].
const FIRST_WAIT: SignedDuration = SignedDuration::from_millis(100);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_secs(60);

/// By set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals(BTreeMap<Key, Refused>);

/// What is known of the last refusal.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(super) words: String,
    /// How many births would have been had.
    pub(super) fitting: usize,
    /// Until then it holds.
    pub(super) until: Timestamp,
    /// Of the set's wish that it was an answer to.
    generation: i64,
    in_a_row: u32,
}

impl Refusals {
    pub(super) fn add(&mut self, key: &Key, generation: i64, refusal: &Refusal, now: Timestamp) {
        let is_in_a_row = |last: &&Refused| {
            last.generation == generation && refusal.fitting == 0 && now < last.until + LONGEST_WAIT
        };
        let in_a_row = self.0.get(key).filter(is_in_a_row).map_or(0, |last| last.in_a_row + 1);
        let wait = FIRST_WAIT.saturating_mul(1 << in_a_row.min(16)).min(LONGEST_WAIT);
        let refused = Refused {
            words: refusal.words.clone(),
            fitting: refusal.fitting,
            until: now + wait,
            generation,
            in_a_row,
        };
        self.0.insert(key.clone(), refused);
    }

    /// The refusal that holds for a wish.
    pub(super) fn get(&self, key: &Key, generation: i64, now: Timestamp) -> Option<&Refused> {
        self.0.get(key).filter(|refused| refused.generation == generation && now < refused.until)
    }

    pub(super) fn forget(&mut self, key: &Key) {
        self.0.remove(key);
    }
}
