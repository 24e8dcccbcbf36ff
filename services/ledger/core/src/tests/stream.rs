//! A stream in memory with a broker's bad manners: an append may land after its time-out and after a take-over, land
//! twice, or be held uncommitted (in the way of others, invisible to readers) and then be written or vanish.

use bytes::Bytes;

use super::world::Dice;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Written(u64),
    Refused,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    frames: Vec<Bytes>,
    /// Taken by the leader, not yet agreed on.
    held: Option<Bytes>,
}

impl Stream {
    pub(super) fn last(&self) -> u64 {
        self.frames.len() as u64
    }

    /// What stands at a sequence, for readers.
    pub(super) fn at(&self, sequence: u64) -> Option<&Bytes> {
        self.frames.get(usize::try_from(sequence).ok()?.checked_sub(1)?)
    }

    /// None: no reply for now.
    pub(super) fn append(
        &mut self,
        expected_last: Option<u64>,
        bytes: Bytes,
        dice: &mut Dice,
    ) -> Option<Reply> {
        if self.held.is_some() || expected_last.is_some_and(|expected| expected != self.last()) {
            return Some(Reply::Refused);
        }
        if dice.one_in(4) {
            self.held = Some(bytes);
            return None;
        }
        self.frames.push(bytes);
        Some(Reply::Written(self.last()))
    }

    /// The quorum agrees on what was held, or its leader is lost with it.
    pub(super) fn resolve(&mut self, written: bool) {
        if let Some(bytes) = self.held.take()
            && written
        {
            self.frames.push(bytes);
        }
    }

    /// Restored from a backup.
    pub(super) fn lose_tail(&mut self, last: u64) {
        self.frames.truncate(usize::try_from(last).expect("short"));
        self.held = None;
    }
}
