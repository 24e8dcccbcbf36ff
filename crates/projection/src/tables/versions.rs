//! Versions: a row's key, then the revision, newest first → operation and record. So "as of N" is one seek, and one
//! object's versions stand together. A deletion's version carries the object's last state.

use rutter_schemas::{Op, Revision};
#[cfg(test)]
use {super::rows, crate::codec::take_descending, rutter_schemas::Key};

use crate::Record;
use crate::codec::push_descending;

pub(crate) fn key(row: &[u8], revision: Revision) -> Vec<u8> {
    let mut out = Vec::with_capacity(row.len() + 8);
    out.extend_from_slice(row);
    push_descending(&mut out, revision);
    out
}

#[cfg(test)]
pub(crate) fn decode_key(mut bytes: &[u8]) -> Option<(Key, Revision)> {
    let key = rows::take_key(&mut bytes)?;
    let revision = take_descending(&mut bytes)?;
    bytes.is_empty().then_some((key, revision))
}

pub(crate) fn encode(op: Op, record: &Record) -> Vec<u8> {
    let mut out = Vec::with_capacity(record.object.len() + 256);
    out.push(op_byte(op));
    record.encode(&mut out);
    out
}

/// Where in a version its record begins: the same bytes are the row while this version is the newest.
pub(crate) const RECORD_AT: usize = 1;

pub(crate) fn decode(bytes: &[u8]) -> Option<(Op, Record)> {
    let (op, record) = bytes.split_first()?;
    Some((op_of(*op)?, Record::decode(record)?))
}

pub(crate) fn op_byte(op: Op) -> u8 {
    match op {
        Op::Create => b'+',
        Op::Update => b'~',
        Op::Delete => b'-',
    }
}

pub(crate) fn op_of(byte: u8) -> Option<Op> {
    match byte {
        b'+' => Some(Op::Create),
        b'~' => Some(Op::Update),
        b'-' => Some(Op::Delete),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::any_key;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_come_back(k in any_key(), revision: u64) {
            let coded = key(&rows::key(&k), Revision(revision));
            prop_assert_eq!(decode_key(&coded), Some((k, Revision(revision))));
        }

        #[test]
        fn versions_of_one_object_stand_newest_first(a in any_key(), b in any_key(), x: u64, y: u64) {
            let (ax, by) = (key(&rows::key(&a), Revision(x)), key(&rows::key(&b), Revision(y)));
            prop_assert_eq!(ax.cmp(&by), a.cmp(&b).then(y.cmp(&x)));
        }
    }
}
