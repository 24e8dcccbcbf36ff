//! Virtual time: microseconds since a run began. Nothing in a run reads a clock.

use std::fmt;
use std::ops::{Add, Sub};

use jiff::Timestamp;

/// 2026-01-01T00:00:00Z, when every run begins.
const BEGIN_S: i64 = 1_767_225_600;

/// A point of virtual time, or a stretch of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub u64);

impl Time {
    pub const fn micros(n: u64) -> Time {
        Time(n)
    }

    pub const fn millis(n: u64) -> Time {
        Time(n * 1_000)
    }

    pub const fn secs(n: u64) -> Time {
        Time(n * 1_000_000)
    }

    /// The time that machines are told.
    pub fn stamp(self) -> Timestamp {
        let micros = BEGIN_S * 1_000_000 + self.0.cast_signed();
        Timestamp::from_microsecond(micros).expect("a run lasts minutes")
    }

    /// The virtual time at which a machine wants to be woken.
    pub fn of(stamp: Timestamp) -> Time {
        let micros = stamp.as_microsecond() - BEGIN_S * 1_000_000;
        Time(u64::try_from(micros).unwrap_or_default())
    }
}

impl Add for Time {
    type Output = Time;

    fn add(self, stretch: Time) -> Time {
        Time(self.0 + stretch.0)
    }
}

impl Sub for Time {
    type Output = Time;

    fn sub(self, earlier: Time) -> Time {
        Time(self.0.saturating_sub(earlier.0))
    }
}

/// Seconds and milliseconds.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:03}", self.0 / 1_000_000, self.0 / 1_000 % 1_000);
        f.pad(&text)
    }
}
