//! Revisions: the one counter of everything that happened.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The number of an event in the log: dense, one space for all objects; an object's `resourceVersion` is the
/// revision of its last event. The upper 32 bits tell the incarnation of the stream that carries it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// Before every event.
    pub const NONE: Revision = Revision(0);

    /// Revisions of one incarnation lie within one span of this length.
    pub const SPAN: u64 = 1 << 32;

    /// Which making of the stream this revision belongs to: 0 is the first.
    pub fn incarnation(self) -> u32 {
        u32::try_from(self.0 >> 32).expect("a u64 shifted by 32 fits")
    }

    pub fn next(self) -> Revision {
        Revision(self.0 + 1)
    }

    pub fn plus(self, events: u64) -> Revision {
        Revision(self.0 + events)
    }

    /// The revision that stands before the first event of `incarnation`.
    pub fn base_of(incarnation: u32) -> Revision {
        Revision(u64::from(incarnation) * Revision::SPAN)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Revision {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incarnation_owns_a_span_of_revisions() {
        assert_eq!(Revision(7).incarnation(), 0);
        assert_eq!(Revision::base_of(3).incarnation(), 3);
        assert_eq!(Revision::base_of(3).next().to_string(), "12884901889");
    }
}
