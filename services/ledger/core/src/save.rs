//! The state on disk, so that a start replays only the log's tail.
//!
//! What is saved is the state at the last recorded frame, with its cursor: nothing tentative. The format is a magic word
//! with a version, the fields in the order of [`Sequencer::save`], and the SHA-256 of all that. Numbers are
//! little-endian, lists and texts begin with their length. Equal states are equal bytes. It can be thrown away: the log
//! makes it anew. A version that is not ours is thrown away too.

use jiff::Timestamp;
use rutter_log::{Cursor, Follower};
use rutter_schemas::{Hash, KeyHash, Revision, Uuid};
use thiserror::Error;

use crate::recent::Entry;
use crate::sequencer::Sequencer;
use crate::settings::Settings;
use crate::state::State;

const MAGIC: &[u8; 16] = b"rutter index v1\n";
const HASH_BYTES: usize = 32;

/// Why a saved state is of no use. Replay the log from its beginning, or from a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LoadError {
    #[error("the saved index is of another version, or none")]
    Version,
    #[error("the saved index is damaged")]
    Damaged,
}

impl Sequencer {
    /// The state at [`Sequencer::cursor`], as bytes. Takes about 0.1 s for a million objects.
    pub fn save(&mut self) -> Vec<u8> {
        self.without_tentative(|sequencer| {
            let mut out = Writer(Vec::with_capacity(sequencer.objects() * 24 + 4096));
            out.0.extend_from_slice(MAGIC);
            out.cursor(&sequencer.cursor());
            out.number(sequencer.epoch);
            out.number(sequencer.at.as_microsecond().cast_unsigned());
            out.state(&sequencer.state);
            let hash = Hash::of(&out.0);
            out.0.extend_from_slice(&hash.0);
            out.0
        })
    }

    /// Stands where [`Sequencer::save`] stood. Feed it the frames after its cursor.
    pub fn load(settings: Settings, saved: &[u8]) -> Result<Sequencer, LoadError> {
        if !saved.starts_with(MAGIC) {
            return Err(LoadError::Version);
        }
        let (body, hash) = saved.split_last_chunk::<HASH_BYTES>().ok_or(LoadError::Damaged)?;
        if Hash::of(body).0 != *hash {
            return Err(LoadError::Damaged);
        }
        let mut rest = Reader(&body[MAGIC.len()..]);
        let mut sequencer = Sequencer::new(settings);
        rest.fill(&mut sequencer).filter(|()| rest.0.is_empty()).ok_or(LoadError::Damaged)?;
        Ok(sequencer)
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn length(&mut self, length: usize) {
        self.number(length as u64);
    }

    fn cursor(&mut self, cursor: &Cursor) {
        self.number(cursor.sequence);
        self.number(cursor.revision.0);
        self.number(cursor.incarnation.into());
        self.0.extend_from_slice(&cursor.hash.0);
    }

    fn state(&mut self, state: &State) {
        self.number(state.floor.0);
        self.length(state.index.len());
        for (key, revision) in state.index.sorted() {
            self.0.extend_from_slice(&key);
            self.number(revision.0);
        }
        self.length(state.marks.len());
        for (revision, mark) in state.marks.iter() {
            self.number(revision.0);
            self.0.extend_from_slice(&mark);
        }
        self.length(state.counters.len());
        for (name, value) in &state.counters {
            self.length(name.len());
            self.0.extend_from_slice(name.as_bytes());
            self.number(value.cast_unsigned());
        }
        self.length(state.recent.len());
        for entry in state.recent.iter() {
            self.0.extend_from_slice(entry.id.as_bytes());
            self.number(entry.first.0);
            self.number(entry.events.into());
            self.number(entry.at_seconds.into());
        }
    }
}

/// Gives nothing where the bytes end too early or make no sense.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn fill(&mut self, sequencer: &mut Sequencer) -> Option<()> {
        let cursor = self.cursor()?;
        sequencer.follower = Follower::at(cursor);
        sequencer.epoch = self.number()?;
        sequencer.at = Timestamp::from_microsecond(self.number()?.cast_signed()).ok()?;
        sequencer.state = self.state()?;
        sequencer.state.last = cursor.revision;
        sequencer.state.incarnation = cursor.incarnation;
        Some(())
    }

    fn cursor(&mut self) -> Option<Cursor> {
        Some(Cursor {
            sequence: self.number()?,
            revision: Revision(self.number()?),
            incarnation: self.small()?,
            hash: Hash(self.bytes()?),
        })
    }

    fn state(&mut self) -> Option<State> {
        let mut state = State { floor: Revision(self.number()?), ..State::default() };
        for _ in 0..self.number()? {
            let (key, revision): (KeyHash, u64) = (self.bytes()?, self.number()?);
            state.index.set(key, Some(Revision(revision)));
        }
        for _ in 0..self.number()? {
            let (revision, mark) = (self.number()?, self.bytes()?);
            state.marks.set(mark, Revision(revision));
        }
        state.marks.forget(state.floor);
        for _ in 0..self.number()? {
            let length = usize::try_from(self.number()?).ok()?;
            let name = String::from_utf8(self.take(length)?.to_vec()).ok()?;
            state.counters.insert(name, self.number()?.cast_signed());
        }
        for _ in 0..self.number()? {
            state.recent.push(Entry {
                id: Uuid::from_bytes(self.bytes()?),
                first: Revision(self.number()?),
                events: self.small()?,
                at_seconds: self.small()?,
            });
        }
        Some(state)
    }

    fn number(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn small(&mut self) -> Option<u32> {
        self.number().and_then(|number| u32::try_from(number).ok())
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}
