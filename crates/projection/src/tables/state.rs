//! State: the few single facts of a projection. Keys are words, `skipped` followed by the first revision.

use bincode::{Decode, Encode};
use rutter_schemas::Revision;

use crate::Cursor;
use crate::codec::{BINCODE, encode, push_revision, take_revision};
use crate::cursor::StoredCursor;

/// What the directory was made with: layout and history. Written once.
pub(crate) const MADE: &[u8] = b"made";
pub(crate) const CURSOR: &[u8] = b"cursor";
pub(crate) const FLOOR: &[u8] = b"floor";
/// Present while a bulk load is under way.
pub(crate) const LOADING: &[u8] = b"loading";
pub(crate) const SKIPPED: &[u8] = b"skipped/";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Made {
    pub(crate) layout: u32,
    pub(crate) history: bool,
}

/// How far the past reaches back: changes above `revision` are kept, and they are `kept` many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Floor {
    pub(crate) revision: u64,
    pub(crate) kept: u64,
}

pub(crate) fn decode<T: Decode<()>>(bytes: &[u8]) -> Option<T> {
    bincode::decode_from_slice::<T, _>(bytes, BINCODE).ok().map(|(value, _)| value)
}

pub(crate) fn encode_cursor(cursor: &Cursor) -> Vec<u8> {
    encode(&StoredCursor::from(cursor))
}

pub(crate) fn decode_cursor(bytes: &[u8]) -> Option<Cursor> {
    decode::<StoredCursor>(bytes).map(Cursor::from)
}

/// Revisions that never were, both ends included.
pub(crate) fn encode_skipped(first: Revision, last: Revision) -> (Vec<u8>, Vec<u8>) {
    let (mut key, mut value) = (SKIPPED.to_vec(), Vec::new());
    push_revision(&mut key, first);
    push_revision(&mut value, last);
    (key, value)
}

pub(crate) fn decode_skipped(key: &[u8], mut value: &[u8]) -> Option<(Revision, Revision)> {
    let mut first = key.strip_prefix(SKIPPED)?;
    Some((take_revision(&mut first)?, take_revision(&mut value)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rutter_schemas::Hash;

    proptest! {
        #[test]
        fn the_cursor_comes_back(sequence: u64, revision: u64, incarnation: u32, hash: [u8; 32], epoch: u64) {
            let at = "2026-01-01T00:00:00.000000Z".to_owned();
            let cursor = Cursor { sequence, revision: Revision(revision), incarnation, hash: Hash(hash), at, epoch };
            prop_assert_eq!(decode_cursor(&encode_cursor(&cursor)), Some(cursor));
        }

        #[test]
        fn skipped_ranges_come_back(first: u64, last: u64) {
            let (key, value) = encode_skipped(Revision(first), Revision(last));
            prop_assert_eq!(decode_skipped(&key, &value), Some((Revision(first), Revision(last))));
        }
    }
}
