//! Frames: the messages of the log. One frame is one message, one fsync or quorum round, and whole or absent.
//!
//! A frame's text is a header line followed by the texts of its commits, as they were proposed. A frame without
//! commits opens an epoch (a ledger's first act), or only proves that its ledger is still active.

use std::fmt;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::wire::{json_line, lines};
use crate::{CommitHeader, Event, Revision, WireError};

/// The SHA-256 of a frame's bytes; chains each frame to the one before.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Before the first frame.
    pub const NONE: Hash = Hash([0; 32]);

    pub fn of(frame: &[u8]) -> Hash {
        Hash(Sha256::digest(frame).into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> String {
        hash.to_string()
    }
}

impl TryFrom<String> for Hash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Hash, Self::Error> {
        const SHAPE: &str = "a hash is 64 hexadecimal digits";
        let mut hash = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(SHAPE);
        }
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| SHAPE)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| SHAPE)?;
        }
        Ok(Hash(hash))
    }
}

/// The first line of a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameHeader {
    /// Whose frame stands at a position is told by this alone.
    pub id: Uuid,
    /// The stream sequence at which it expects to stand: frames are contiguous, from 1.
    pub number: u64,
    /// Moves by one with every take-over.
    pub epoch: u64,
    /// The ledger that wrote it.
    pub ledger: String,
    pub incarnation: u32,
    /// The revision of its first event; with no events, the one that the next event will have.
    pub first: Revision,
    pub events: u32,
    pub commits: u32,
    /// The hash of the frame before, over incarnations too.
    pub prev: Hash,
    /// RFC 3339, microseconds, UTC; never before the previous frame's.
    pub at: String,
    /// In the first frame of an incarnation: the revisions that will never be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<(Revision, Revision)>,
}

impl FrameHeader {
    /// The revision of the last event at or before this frame's end.
    pub fn last(&self) -> Revision {
        Revision(self.first.0 + u64::from(self.events) - 1)
    }
}

/// A commit as it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    pub header: CommitHeader,
    /// The revision of its first event; the others follow.
    pub first: Revision,
    pub events: Vec<Event>,
}

impl Recorded {
    /// The revision at which the whole commit is visible.
    pub fn last(&self) -> Revision {
        Revision(self.first.0 + self.events.len() as u64 - 1)
    }

    /// Its events with their revisions.
    pub fn numbered(&self) -> impl Iterator<Item = (Revision, &Event)> {
        self.events.iter().enumerate().map(|(index, event)| (self.first.plus(index as u64), event))
    }
}

/// A frame, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub header: FrameHeader,
    pub commits: Vec<Recorded>,
}

impl Frame {
    pub fn decode(text: &[u8]) -> Result<Frame, WireError> {
        let mut rest = lines(text);
        let header: FrameHeader = rest.take("frame header")?;
        let mut next = header.first;
        let mut commits = Vec::with_capacity(header.commits.min(1024) as usize);
        for _ in 0..header.commits {
            let commit: CommitHeader = rest.take("commit header")?;
            let events = rest.take_events(commit.expects.len())?;
            let first = next;
            next = next.plus(events.len() as u64);
            commits.push(Recorded { header: commit, first, events });
        }
        rest.end()?;
        if next.0 - header.first.0 != u64::from(header.events) {
            return Err(WireError::Header("the frame's header counts other events than it carries"));
        }
        Ok(Frame { header, commits })
    }

    /// All its events with their revisions and commits.
    pub fn events(&self) -> impl Iterator<Item = (Revision, &Recorded, &Event)> {
        self.commits.iter().flat_map(|commit| commit.numbered().map(move |(at, event)| (at, commit, event)))
    }
}

/// A frame to be appended: its bytes are decided once, and the same in every resend.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameText {
    pub header: FrameHeader,
    pub text: Bytes,
    pub hash: Hash,
}

impl FrameText {
    /// Joins a header with the texts of the commits it counts.
    pub fn join<'a>(header: FrameHeader, commits: impl IntoIterator<Item = &'a Bytes>) -> FrameText {
        let mut head = Vec::with_capacity(512);
        json_line(&mut head, &header);
        let mut text = BytesMut::from(&head[..]);
        for commit in commits {
            text.extend_from_slice(commit);
        }
        let text = text.freeze();
        let hash = Hash::of(&text);
        FrameText { header, text, hash }
    }

    /// Only the header of a frame, for who asks whose it is.
    pub fn header_of(text: &[u8]) -> Result<FrameHeader, WireError> {
        lines(text).take("frame header")
    }
}
