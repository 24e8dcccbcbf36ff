//! Changes: revision → what happened to which object. The object before and after stand in the versions.

use bincode::{Decode, Encode};
use rutter_schemas::{Event, Key, Op, Revision};

use super::versions::{op_byte, op_of};
use crate::codec::{BINCODE, encode, push_revision, take_revision};

pub(crate) fn key(revision: Revision) -> Vec<u8> {
    let mut out = Vec::with_capacity(8);
    push_revision(&mut out, revision);
    out
}

pub(crate) fn decode_key(mut bytes: &[u8]) -> Option<Revision> {
    take_revision(&mut bytes).filter(|_| bytes.is_empty())
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ChangeRow {
    pub(crate) key: Key,
    pub(crate) op: Op,
    pub(crate) event_type: String,
    pub(crate) prior: Revision,
}

#[derive(Encode, Decode)]
struct Stored {
    op: u8,
    event_type: String,
    prior: u64,
    group: String,
    resource: String,
    namespace: String,
    name: String,
}

impl ChangeRow {
    pub(crate) fn of(event: &Event) -> ChangeRow {
        ChangeRow {
            key: event.object.key(),
            op: event.op,
            event_type: event.event_type.clone(),
            prior: event.prior,
        }
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        let Key { group, resource, namespace, name } = self.key;
        let (op, prior) = (op_byte(self.op), self.prior.0);
        encode(&Stored { op, event_type: self.event_type, prior, group, resource, namespace, name })
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<ChangeRow> {
        let (row, _) = bincode::decode_from_slice::<Stored, _>(bytes, BINCODE).ok()?;
        let Stored { op, event_type, prior, group, resource, namespace, name } = row;
        let key = Key { group, resource, namespace, name };
        Some(ChangeRow { key, op: op_of(op)?, event_type, prior: Revision(prior) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::any_key;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_come_back(k in any_key(), revision: u64, prior: u64) {
            let op = if prior == 0 { Op::Create } else { Op::Delete };
            let row = ChangeRow { key: k, op, event_type: "PodDeleted".into(), prior: Revision(prior) };
            prop_assert_eq!(ChangeRow::decode(&row.clone().encode()), Some(row));
            prop_assert_eq!(decode_key(&key(Revision(revision))), Some(Revision(revision)));
        }
    }
}
