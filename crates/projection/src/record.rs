//! A stored object: a small header of facts, then the JSON bytes as the API serves them.
//!
//! Persisted, so keep stable (or move [`LAYOUT`](crate::LAYOUT)): header length (u32, little-endian), header
//! (bincode), object. The header has types of its own, so that a change of the wire types can't move it unseen.

use std::collections::BTreeMap;
use std::sync::Arc;

use bincode::{Decode, Encode};
use bytes::Bytes;
use rutter_schemas::{Event, Meta, Owner, Revision};

use crate::codec::BINCODE;

/// One version of an object. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The object's resourceVersion.
    pub revision: Revision,
    /// The revision of the object's creation.
    pub born: Revision,
    pub uid: Arc<str>,
    pub meta: Arc<Meta>,
    /// JSON, resourceVersion in place, ready to serve.
    pub object: Bytes,
}

impl Record {
    /// The object after an event at `revision`, of a life that began at `born`.
    pub(crate) fn of(event: &Event, revision: Revision, born: Revision) -> Record {
        Record {
            revision,
            born,
            uid: event.object.uid.as_str().into(),
            meta: Arc::new(event.meta.clone()),
            object: event.splice(revision),
        }
    }

    /// Appends the record's bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let at = out.len();
        out.reserve(256 + self.object.len());
        out.extend([0; 4]);
        let header = HeaderRef::of(self);
        bincode::encode_into_std_write(&header, out, BINCODE).expect("plain structs encode to memory");
        let length =
            u32::try_from(out.len() - at - 4).expect("labels and owners of one object are under 4 GiB");
        out[at..at + 4].copy_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&self.object);
    }

    /// None if the bytes are no record.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Record> {
        let (header, object) = split(bytes)?;
        let (header, _) = bincode::decode_from_slice::<Header, _>(header, BINCODE).ok()?;
        Some(header.record(Bytes::copy_from_slice(object)))
    }

    /// Only the facts: the object stays where it is.
    pub(crate) fn decode_header(bytes: &[u8]) -> Option<Record> {
        let (header, _) = split(bytes)?;
        let (header, _) = bincode::decode_from_slice::<Header, _>(header, BINCODE).ok()?;
        Some(header.record(Bytes::new()))
    }

    /// Only the object: the facts stay undecoded.
    pub(crate) fn decode_object(bytes: &[u8]) -> Option<Bytes> {
        split(bytes).map(|(_, object)| Bytes::copy_from_slice(object))
    }
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

/// What is written: the same bytes as [`Header`], without copying what it says.
#[derive(Encode)]
struct HeaderRef<'a> {
    revision: u64,
    born: u64,
    uid: &'a str,
    labels: &'a BTreeMap<String, String>,
    owners: Vec<OwnerRef<'a>>,
    fields: &'a BTreeMap<String, String>,
    deletion: &'a Option<String>,
    generation: i64,
    finalizers: &'a Vec<String>,
}

#[derive(Encode)]
struct OwnerRef<'a> {
    uid: &'a str,
    api_version: &'a str,
    kind: &'a str,
    name: &'a str,
    controller: bool,
    block: bool,
}

/// What is read.
#[derive(Decode)]
struct Header {
    revision: u64,
    born: u64,
    uid: String,
    labels: BTreeMap<String, String>,
    owners: Vec<StoredOwner>,
    fields: BTreeMap<String, String>,
    deletion: Option<String>,
    generation: i64,
    finalizers: Vec<String>,
}

#[derive(Decode)]
struct StoredOwner {
    uid: String,
    api_version: String,
    kind: String,
    name: String,
    controller: bool,
    block: bool,
}

impl HeaderRef<'_> {
    fn of(record: &Record) -> HeaderRef<'_> {
        let meta = &*record.meta;
        HeaderRef {
            revision: record.revision.0,
            born: record.born.0,
            uid: &record.uid,
            labels: &meta.labels,
            owners: meta.owners.iter().map(OwnerRef::of).collect(),
            fields: &meta.fields,
            deletion: &meta.deletion,
            generation: meta.generation,
            finalizers: &meta.finalizers,
        }
    }
}

impl OwnerRef<'_> {
    fn of(owner: &Owner) -> OwnerRef<'_> {
        let Owner { uid, api_version, kind, name, controller, block } = owner;
        OwnerRef { uid, api_version, kind, name, controller: *controller, block: *block }
    }
}

impl Header {
    fn record(self, object: Bytes) -> Record {
        let meta = Meta {
            labels: self.labels,
            owners: self.owners.into_iter().map(Owner::from).collect(),
            fields: self.fields,
            deletion: self.deletion,
            generation: self.generation,
            finalizers: self.finalizers,
        };
        Record {
            revision: Revision(self.revision),
            born: Revision(self.born),
            uid: self.uid.into(),
            meta: Arc::new(meta),
            object,
        }
    }
}

impl From<StoredOwner> for Owner {
    fn from(owner: StoredOwner) -> Self {
        let StoredOwner { uid, api_version, kind, name, controller, block } = owner;
        Owner { uid, api_version, kind, name, controller, block }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn strings() -> impl Strategy<Value = BTreeMap<String, String>> {
        prop::collection::btree_map("[a-z./]{0,8}", "[a-z0-9]{0,8}", 0..4)
    }

    prop_compose! {
        fn owner()(uid in "[a-f0-9]{4}", kind in "[A-Z][a-z]{3}", name in "[a-z]{3}", controller: bool, block: bool) -> Owner {
            Owner { uid, api_version: "apps/v1".into(), kind, name, controller, block }
        }
    }

    prop_compose! {
        fn record()(revision: u64, born: u64, labels in strings(), fields in strings(),
                    owners in prop::collection::vec(owner(), 0..3), deletion in prop::option::of("[0-9T:-]{20}"),
                    generation: i64, finalizers in prop::collection::vec("[a-z/]{4}", 0..3),
                    object in prop::collection::vec(any::<u8>(), 0..64)) -> Record {
            let meta = Meta { labels, owners, fields, deletion, generation, finalizers };
            Record { revision: Revision(revision), born: Revision(born), uid: "u1".into(), meta: meta.into(), object: object.into() }
        }
    }

    proptest! {
        #[test]
        fn a_record_comes_back_whole_or_in_parts(record in record()) {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            prop_assert_eq!(Record::decode_object(&bytes), Some(record.object.clone()));
            prop_assert_eq!(Record::decode_header(&bytes), Some(Record { object: Bytes::new(), ..record.clone() }));
            prop_assert_eq!(Record::decode(&bytes), Some(record));
        }

        #[test]
        fn foreign_bytes_are_refused_not_misread(bytes: Vec<u8>) {
            let _ = Record::decode(&bytes);
        }
    }
}
