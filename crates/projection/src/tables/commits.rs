//! Commits: last revision → first revision, and who, when, why and in answer to what. Keyed by the last, so that the
//! commit that holds N is the first entry at or after N, and its key is where "as of N" is answered.

use bincode::{Decode, Encode};
use rutter_schemas::{Actor, FrameHeader, Recorded, Revision, Uuid};

use crate::codec::{BINCODE, encode};

pub(crate) use super::changes::{decode_key, key};

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CommitRow {
    pub(crate) first: Revision,
    /// Stream sequence of its frame.
    pub(crate) sequence: u64,
    pub(crate) id: Uuid,
    pub(crate) at: String,
    pub(crate) actor: Actor,
    pub(crate) cause: Option<Revision>,
    pub(crate) why: String,
    pub(crate) traceparent: Option<String>,
    pub(crate) writer: String,
}

#[derive(Encode, Decode)]
struct Stored {
    first: u64,
    sequence: u64,
    id: [u8; 16],
    at: String,
    user: String,
    groups: Vec<String>,
    via: String,
    cause: Option<u64>,
    why: String,
    traceparent: Option<String>,
    writer: String,
}

impl CommitRow {
    pub(crate) fn of(sequence: u64, frame: &FrameHeader, commit: &Recorded) -> CommitRow {
        let header = &commit.header;
        CommitRow {
            first: commit.first,
            sequence,
            id: header.id,
            at: frame.at.clone(),
            actor: header.actor.clone(),
            cause: header.cause,
            why: header.why.clone(),
            traceparent: header.traceparent.clone(),
            writer: header.writer.clone(),
        }
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        let Actor { user, groups, via } = self.actor;
        encode(&Stored {
            first: self.first.0,
            sequence: self.sequence,
            id: self.id.into_bytes(),
            at: self.at,
            user,
            groups,
            via,
            cause: self.cause.map(|cause| cause.0),
            why: self.why,
            traceparent: self.traceparent,
            writer: self.writer,
        })
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<CommitRow> {
        let (row, _) = bincode::decode_from_slice::<Stored, _>(bytes, BINCODE).ok()?;
        Some(CommitRow {
            first: Revision(row.first),
            sequence: row.sequence,
            id: Uuid::from_bytes(row.id),
            at: row.at,
            actor: Actor { user: row.user, groups: row.groups, via: row.via },
            cause: row.cause.map(Revision),
            why: row.why,
            traceparent: row.traceparent,
            writer: row.writer,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_come_back(first: u64, sequence: u64, id: u128, why in ".*", cause: Option<u64>, trace in prop::option::of("[0-9a-f-]{8}")) {
            let actor = Actor { user: "ada".into(), groups: vec!["system:masters".into()], via: "gateway".into() };
            let row = CommitRow {
                first: Revision(first), sequence, id: Uuid::from_u128(id), at: "2026-01-01T00:00:00.000000Z".into(), actor,
                cause: cause.map(Revision), why, traceparent: trace, writer: "gateway/0.1.0".into(),
            };
            prop_assert_eq!(CommitRow::decode(&row.clone().encode()), Some(row));
        }
    }
}
