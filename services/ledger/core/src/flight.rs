//! The one frame that is on its way, and how its fate is learnt.

use jiff::{SignedDuration, Timestamp};
use rutter_schemas::FrameText;

use crate::ready::Append;

/// More than a frame's header line ever takes.
pub(crate) const HEADER_BYTES: usize = 4096;

/// Its fate is told only by what stands at its sequence. Acknowledged is one way to know that; a refusal says nothing,
/// since the entry in the way may be this very frame, not yet committed.
///
/// ```text
///   Ready ──handed out──▶ Sent ──acknowledged──────────────────▶ (settled)
///     ▲                   │  │                                       ▲
///     ├────timed out──────┘  └refused─▶ Unread ─asked─▶ Reading ─own─┤
///     │                                   ▲               │  │       │
///     │                                   └──not answered─┘  ├another's──▶ (deposed)
///     └──────────────the pause is over────── Pausing ◀─empty─┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Ready,
    Sent,
    Unread,
    Reading,
    Pausing { until: Option<Timestamp> },
}

#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) frame: FrameText,
    /// How many decided commits it carries.
    pub(crate) commits: usize,
    /// The last ticket given out before it was made: what its acknowledgement proves holds for those.
    pub(crate) after_ticket: u64,
    pub(crate) stage: Stage,
    sent_before: bool,
}

impl Flight {
    pub(crate) fn new(frame: FrameText, commits: usize, after_ticket: u64) -> Flight {
        Flight { frame, commits, after_ticket, stage: Stage::Ready, sent_before: false }
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.frame.header.number
    }

    /// The time passes: a pause may begin or end. Gives when it ends.
    pub(crate) fn tick(&mut self, now: Timestamp, pause: SignedDuration) -> Option<Timestamp> {
        let Stage::Pausing { until } = &mut self.stage else { return None };
        let end = *until.get_or_insert(now + pause);
        if now < end {
            return Some(end);
        }
        self.stage = Stage::Ready;
        None
    }

    pub(crate) fn take_append(&mut self, fenced: bool) -> Option<Append> {
        if self.stage != Stage::Ready {
            return None;
        }
        self.stage = Stage::Sent;
        let again = std::mem::replace(&mut self.sent_before, true);
        Some(Append {
            frame: self.frame.header.id,
            expected_last: fenced.then_some(self.sequence() - 1),
            bytes: self.frame.text.clone(),
            again,
        })
    }

    pub(crate) fn take_read(&mut self) -> Option<u64> {
        if self.stage != Stage::Unread {
            return None;
        }
        self.stage = Stage::Reading;
        Some(self.sequence())
    }
}
