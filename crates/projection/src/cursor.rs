//! Where a projection stands in the log.

use bincode::{Decode, Encode};
use rutter_schemas::{Frame, Hash, Revision};

use crate::Error;

/// The last applied frame. Its hash and incarnation are compared with the stream's at every subscribe, so that a log
/// which lost its tail or was restored is noticed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Stream sequence of the frame; 0 before the first.
    pub sequence: u64,
    /// Revision of the last event at or before it; always a commit's end.
    pub revision: Revision,
    pub incarnation: u32,
    /// Of the frame's bytes.
    pub hash: Hash,
    /// The frame's time, RFC 3339; empty before the first.
    pub at: String,
    /// The ledger epoch of the frame.
    pub epoch: u64,
}

#[derive(Encode, Decode)]
pub(crate) struct StoredCursor {
    sequence: u64,
    revision: u64,
    incarnation: u32,
    hash: [u8; 32],
    at: String,
    epoch: u64,
}

impl Cursor {
    /// Whether `frame` may come next at `sequence`: right behind, or the first of a new incarnation.
    pub(crate) fn follow(&self, sequence: u64, frame: &Frame) -> Result<(), Error> {
        let header = &frame.header;
        let made_anew = header.incarnation > self.incarnation;
        if sequence != header.number || !(made_anew || sequence == self.sequence + 1) {
            return Err(Error::NotNext { last: self.sequence, number: sequence });
        }
        let follows =
            if made_anew { header.first > self.revision } else { header.first == self.revision.next() };
        if !follows {
            return Err(Error::NotDense { number: sequence, first: header.first, last: self.revision });
        }
        Ok(())
    }

    /// The cursor after a frame that stands at `sequence`.
    pub(crate) fn after(sequence: u64, frame: &Frame, hash: Hash) -> Cursor {
        Cursor {
            sequence,
            revision: frame.header.last(),
            incarnation: frame.header.incarnation,
            hash,
            at: frame.header.at.clone(),
            epoch: frame.header.epoch,
        }
    }
}

impl From<&Cursor> for StoredCursor {
    fn from(cursor: &Cursor) -> Self {
        StoredCursor {
            sequence: cursor.sequence,
            revision: cursor.revision.0,
            incarnation: cursor.incarnation,
            hash: cursor.hash.0,
            at: cursor.at.clone(),
            epoch: cursor.epoch,
        }
    }
}

impl From<StoredCursor> for Cursor {
    fn from(stored: StoredCursor) -> Self {
        Cursor {
            sequence: stored.sequence,
            revision: Revision(stored.revision),
            incarnation: stored.incarnation,
            hash: Hash(stored.hash),
            at: stored.at,
            epoch: stored.epoch,
        }
    }
}
