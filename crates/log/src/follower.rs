//! Following the log: each frame that is let through stands right after the one before, carries its hash and goes on
//! with its revisions. Everything else is an error that says what is wrong with the log, or a repeat.
//!
//! Delivery is at least once and may start anywhere (a consumer below the first sequence is silently moved up), so
//! nothing is believed but the frames themselves.

use std::collections::VecDeque;

use rutter_schemas::{Frame, FrameHeader, FrameText, Hash, Revision, WireError};
use thiserror::Error;

/// How many frames back a repeat is compared with what was applied. Older repeats are believed: the chain of hashes
/// has covered them.
const REMEMBERED_FRAMES: usize = 64;

/// Where a follower stands: the last frame it let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The frame's sequence in the stream; 0 before the first.
    pub sequence: u64,
    /// The revision of the last event up to there. After an incarnation's first frame: the last skipped revision.
    pub revision: Revision,
    pub incarnation: u32,
    /// The hash of the frame's bytes.
    pub hash: Hash,
}

impl Cursor {
    /// Before the first frame of the first incarnation.
    pub const START: Cursor =
        Cursor { sequence: 0, revision: Revision::NONE, incarnation: 0, hash: Hash::NONE };
}

/// What became of a frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Followed<T> {
    /// It is the next one: apply it.
    Next(T),
    /// It was applied before: drop it.
    Repeat,
}

/// Why a frame may not be applied. After any of these a follower stands where it stood.
#[derive(Debug, Error)]
pub enum FollowError {
    /// Frames are missing: subscribe again behind the cursor or, when the stream no longer has them, start from a
    /// checkpoint.
    #[error("the stream went on with frame {got}, expected frame {expected}")]
    Gap { expected: u64, got: u64 },
    /// The log is not the one that was followed so far: it was restored, or written by two.
    #[error("frame {sequence} does not follow from what was applied: expected {expected}, got {got}")]
    Forked { sequence: u64, expected: Hash, got: Hash },
    /// The log was made anew and what was applied is not part of it: everything derived has to be rebuilt.
    #[error("the log is in incarnation {theirs}, this follower in {ours}; skipped are {skipped:?}")]
    NewIncarnation { ours: u32, theirs: u32, skipped: Option<(Revision, Revision)> },
    /// The frame stands at another place than it was written for, or its revisions don't go on from the last.
    #[error("frame {sequence} says number {number} and revision {first}, expected revision {expected}")]
    Misplaced { sequence: u64, number: u64, first: Revision, expected: Revision },
    #[error("frame {sequence} cannot be read")]
    Malformed {
        sequence: u64,
        #[source]
        source: WireError,
    },
    /// The stream ends before the cursor: what was applied is gone from it.
    #[error("the log ends at frame {last}, but frame {cursor} was applied")]
    LostTail { cursor: u64, last: u64 },
}

/// Lets frames through in order.
#[derive(Clone, Debug)]
pub struct Follower {
    cursor: Cursor,
    /// The hashes of the last frames; the last one is the cursor's.
    recent: VecDeque<Hash>,
}

impl Default for Follower {
    fn default() -> Follower {
        Follower::at(Cursor::START)
    }
}

impl Follower {
    pub fn at(cursor: Cursor) -> Follower {
        Follower { cursor, recent: VecDeque::from([cursor.hash]) }
    }

    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// To be asked at every subscribe, with what the stream says of itself (`first` is 1 or more; `last` is 0 when
    /// the stream is empty): whether the frame behind the cursor can still be had.
    pub fn subscribe(&self, first: u64, last: u64) -> Result<(), FollowError> {
        let Cursor { sequence, .. } = self.cursor;
        if last < sequence {
            return Err(FollowError::LostTail { cursor: sequence, last });
        }
        if first > sequence + 1 {
            return Err(FollowError::Gap { expected: sequence + 1, got: first });
        }
        Ok(())
    }

    /// Reads a frame and lets it through if it is the next. To make sure of the log at a subscribe, feed it the frame
    /// at the cursor again: a repeat is well, anything else is [`FollowError::Forked`].
    pub fn follow(&mut self, sequence: u64, bytes: &[u8]) -> Result<Followed<Frame>, FollowError> {
        let malformed = |source| FollowError::Malformed { sequence, source };
        let hash = Hash::of(bytes);
        if sequence <= self.cursor.sequence {
            return self.repeats(sequence, hash).map(|()| Followed::Repeat);
        }
        let header = FrameText::header_of(bytes).map_err(malformed)?;
        self.check(sequence, &header)?;
        let frame = Frame::decode(bytes).map_err(malformed)?;
        self.advance(sequence, &header, hash);
        Ok(Followed::Next(frame))
    }

    /// Lets a frame through that was read elsewhere; `hash` is that of its bytes.
    pub fn admit(
        &mut self,
        sequence: u64,
        header: &FrameHeader,
        hash: Hash,
    ) -> Result<Followed<()>, FollowError> {
        if sequence <= self.cursor.sequence {
            return self.repeats(sequence, hash).map(|()| Followed::Repeat);
        }
        self.check(sequence, header)?;
        self.advance(sequence, header, hash);
        Ok(Followed::Next(()))
    }

    fn repeats(&self, sequence: u64, hash: Hash) -> Result<(), FollowError> {
        let age = self.cursor.sequence - sequence;
        let applied = usize::try_from(age).ok().and_then(|age| self.recent.iter().rev().nth(age));
        match applied {
            Some(expected) if *expected != hash => {
                Err(FollowError::Forked { sequence, expected: *expected, got: hash })
            }
            _ => Ok(()),
        }
    }

    fn check(&self, sequence: u64, header: &FrameHeader) -> Result<(), FollowError> {
        let Cursor { sequence: at, revision, incarnation, hash } = self.cursor;
        if sequence != at + 1 {
            return Err(FollowError::Gap { expected: at + 1, got: sequence });
        }
        if header.prev != hash {
            if header.incarnation > incarnation {
                let (theirs, skipped) = (header.incarnation, header.skipped);
                return Err(FollowError::NewIncarnation { ours: incarnation, theirs, skipped });
            }
            return Err(FollowError::Forked { sequence, expected: hash, got: header.prev });
        }
        let expected = match header.skipped {
            Some(skipped) if header.incarnation > incarnation && skipped.0 == revision.next() => {
                Revision::base_of(header.incarnation).next()
            }
            _ => revision.next(),
        };
        let incarnation_holds = expected.incarnation() == header.incarnation;
        if header.number != sequence || header.first != expected || !incarnation_holds {
            let (number, first) = (header.number, header.first);
            return Err(FollowError::Misplaced { sequence, number, first, expected });
        }
        Ok(())
    }

    fn advance(&mut self, sequence: u64, header: &FrameHeader, hash: Hash) {
        self.cursor = Cursor { sequence, revision: header.last(), incarnation: header.incarnation, hash };
        if self.recent.len() == REMEMBERED_FRAMES {
            self.recent.pop_front();
        }
        self.recent.push_back(hash);
    }
}

#[cfg(test)]
mod tests;
