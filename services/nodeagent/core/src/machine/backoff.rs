//! Back-off as kubelet's: the first retry at once, then 10 s after the failure, doubling to five minutes; forgotten
//! after ten minutes without failure.

use jiff::{SignedDuration, Timestamp};

const FIRST_SECS: i64 = 10;
const MAX_SECS: i64 = 300;
const FORGET_SECS: i64 = 2 * MAX_SECS;

/// How patient to be after the next failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    delay_secs: i64,
    updated: Option<Timestamp>,
}

impl Backoff {
    /// The moment at which what failed at `failed` may be tried again.
    pub(super) fn until(&self, failed: Timestamp) -> Timestamp {
        let delay = if self.is_forgotten(failed) { 0 } else { self.delay_secs };
        failed.saturating_add(SignedDuration::from_secs(delay)).expect("seconds saturate")
    }

    /// A retry of what failed at `failed` begins.
    pub(super) fn retried(&mut self, failed: Timestamp) {
        let forgotten = self.is_forgotten(failed);
        self.delay_secs = if forgotten { FIRST_SECS } else { (self.delay_secs * 2).min(MAX_SECS) };
        self.updated = Some(failed);
    }

    pub(super) fn delay_secs(&self) -> i64 {
        self.delay_secs
    }

    /// It worked.
    pub(super) fn reset(&mut self) {
        *self = Backoff::default();
    }

    fn is_forgotten(&self, failed: Timestamp) -> bool {
        self.updated.is_none_or(|updated| failed.duration_since(updated).as_secs() > FORGET_SECS)
    }
}

/// kubelet writes durations as Go does: `10s`, `1m20s`, `5m0s`.
pub(super) fn go_duration(secs: i64) -> String {
    match (secs / 60, secs % 60) {
        (0, secs) => format!("{secs}s"),
        (minutes, secs) => format!("{minutes}m{secs}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_retry_is_at_once_then_delays_double_to_five_minutes() {
        let mut backoff = Backoff::default();
        let mut now = Timestamp::UNIX_EPOCH;
        let mut delays = Vec::new();
        for _ in 0..8 {
            let until = backoff.until(now);
            delays.push(until.duration_since(now).as_secs());
            backoff.retried(now);
            now = until;
        }
        assert_eq!(delays, [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn ten_quiet_minutes_are_forgiven() {
        let mut backoff = Backoff::default();
        backoff.retried(Timestamp::UNIX_EPOCH);
        let later = Timestamp::from_second(601).expect("a moment");
        assert_eq!(backoff.until(later), later);
    }
}
