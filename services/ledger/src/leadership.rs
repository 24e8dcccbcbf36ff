//! When to take over: after silence, or at once when the active ledger says that it leaves.
//!
//! This decides only *when*. Whether a take-over succeeds is decided by the stream, so a wrong guess costs one
//! frame and never an event.

use std::time::Duration;

use rutter_schemas::protocol::ledger::Beat;
use tokio::time::Instant;

/// How often the active ledger says that it lives.
pub(crate) const BEAT: Duration = Duration::from_millis(200);
/// Silence after which a standby takes over.
pub(crate) const SILENCE: Duration = Duration::from_secs(1);
/// After a take-over that did not succeed, or could not be tried.
const RETRY: Duration = Duration::from_millis(50);

/// What a ledger knows of who is active.
#[derive(Debug)]
pub(crate) struct Leadership {
    name: String,
    /// No other ledger can be there.
    alone: bool,
    /// From when on this ledger may take over.
    due: Instant,
    next_beat: Instant,
}

/// What another ledger's beat means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Our own, or an old one.
    Nothing,
    /// Another is active.
    Another,
    /// Another claims a later epoch than ours: look at the log.
    Later,
}

impl Leadership {
    /// `alone`: no other ledger can be there, so nobody is waited for.
    pub(crate) fn new(name: &str, alone: bool, now: Instant) -> Leadership {
        let due = if alone { now } else { now + SILENCE };
        Leadership { name: name.to_owned(), alone, due, next_beat: now }
    }

    pub(crate) fn hear(&mut self, beat: &Beat, epoch: u64, now: Instant) -> Heard {
        if beat.ledger == self.name {
            return Heard::Nothing;
        }
        if beat.leaving {
            self.due = now;
        } else if !self.alone {
            self.due = now + SILENCE;
        }
        if beat.epoch > epoch { Heard::Later } else { Heard::Another }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        now >= self.due
    }

    pub(crate) fn try_later(&mut self, now: Instant) {
        self.due = self.due.max(now + RETRY);
    }

    /// We stepped down for another: give it time to be heard.
    pub(crate) fn stand_back(&mut self, now: Instant) {
        self.due = now + SILENCE;
    }

    /// We were cut off, and could not have heard anybody.
    pub(crate) fn listen_again(&mut self, now: Instant) {
        if !self.alone {
            self.due = self.due.max(now + SILENCE);
        }
    }

    /// Whether to beat now.
    pub(crate) fn beat(&mut self, now: Instant) -> bool {
        let beats = now >= self.next_beat;
        if beats {
            self.next_beat = now + BEAT;
        }
        beats
    }

    pub(crate) fn next_beat(&self) -> Instant {
        self.next_beat
    }

    pub(crate) fn due(&self) -> Instant {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(ledger: &str, epoch: u64, leaving: bool) -> Beat {
        Beat { ledger: ledger.to_owned(), epoch, leaving }
    }

    #[tokio::test(start_paused = true)]
    async fn a_standby_takes_over_after_a_second_of_silence() {
        let start = Instant::now();
        let mut leadership = Leadership::new("b", false, start);
        assert_eq!(leadership.hear(&beat("a", 1, false), 1, start), Heard::Another);
        assert!(!leadership.is_due(start + SILENCE / 2));
        assert!(leadership.is_due(start + SILENCE));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_alone_waits_for_nobody_it_hears() {
        let start = Instant::now();
        let mut leadership = Leadership::new("b", true, start);
        assert_eq!(leadership.hear(&beat("a", 1, false), 1, start), Heard::Another);
        assert!(leadership.is_due(start));
    }

    #[tokio::test(start_paused = true)]
    async fn a_graceful_hand_over_is_taken_at_once() {
        let start = Instant::now();
        let mut leadership = Leadership::new("b", false, start);
        leadership.hear(&beat("a", 1, true), 1, start);
        assert!(leadership.is_due(start));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_while_we_were_cut_off_does_not_count() {
        let start = Instant::now();
        let mut leadership = Leadership::new("b", false, start);
        leadership.listen_again(start + SILENCE);
        assert!(!leadership.is_due(start + SILENCE));
        assert!(leadership.is_due(start + SILENCE * 2));
    }

    #[tokio::test(start_paused = true)]
    async fn our_own_beat_says_nothing_and_a_later_epoch_says_look() {
        let start = Instant::now();
        let mut leadership = Leadership::new("b", false, start);
        assert_eq!(leadership.hear(&beat("b", 9, false), 1, start), Heard::Nothing);
        assert_eq!(leadership.hear(&beat("a", 2, false), 1, start), Heard::Later);
    }
}
