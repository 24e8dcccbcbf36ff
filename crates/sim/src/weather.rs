//! The network and the broker, in numbers: how late, how often lost.

use crate::rng::Rng;
use crate::time::Time;

/// Chances are per mille.
#[derive(Clone, Debug)]
pub struct Weather {
    late: u64,
    lost: u64,
    /// Up to which delay a late message comes.
    latest: Time,
    /// An append that comes after its time-out, maybe after a take-over.
    append_late: u64,
    append_twice: u64,
    /// A quorum that takes its time.
    commit_late: u64,
    deliver_again: u64,
    skip: u64,
}

impl Weather {
    pub fn storm(rng: &mut Rng) -> Weather {
        Weather {
            late: rng.between(5, 60),
            lost: rng.between(0, 40),
            latest: Time::millis(rng.between(50, 2_500)),
            append_late: rng.between(0, 60),
            append_twice: rng.between(0, 60),
            commit_late: rng.between(0, 60),
            deliver_again: rng.between(0, 60),
            skip: rng.between(0, 30),
        }
    }

    pub fn calm() -> Weather {
        Weather {
            late: 0,
            lost: 0,
            latest: Time::millis(1),
            append_late: 0,
            append_twice: 0,
            commit_late: 0,
            deliver_again: 0,
            skip: 0,
        }
    }

    /// How long a message takes; none if it is lost.
    pub fn message(&self, rng: &mut Rng) -> Option<Time> {
        if rng.chance(self.lost) {
            return None;
        }
        let usual = rng.time(Time::micros(50), Time::micros(600));
        Some(if rng.chance(self.late) { usual + rng.time(Time::default(), self.latest) } else { usual })
    }

    /// When an append arrives: never, once or twice.
    pub fn append(&self, rng: &mut Rng) -> Vec<Time> {
        let mut arrivals: Vec<Time> = self.message(rng).into_iter().collect();
        if rng.chance(self.append_late) {
            arrivals = vec![rng.time(Time::millis(900), Time::millis(6_000))];
        }
        if rng.chance(self.append_twice) {
            arrivals.push(rng.time(Time::millis(1), Time::millis(4_000)));
        }
        arrivals
    }

    /// How long it takes until an entry is committed.
    pub fn quorum(&self, rng: &mut Rng) -> Time {
        if rng.chance(self.commit_late) {
            return rng.time(Time::millis(20), Time::millis(2_500));
        }
        rng.time(Time::micros(100), Time::millis(2))
    }

    pub fn delivers_again(&self, rng: &mut Rng) -> bool {
        rng.chance(self.deliver_again)
    }

    pub fn skips(&self, rng: &mut Rng) -> bool {
        rng.chance(self.skip)
    }
}
