//! The first lines of archive and checkpoint files. Both are truth, not projection: what they are called and how they
//! chain is fixed before the first one is written, and append-only.
//!
//! An archive file holds the frames `first_sequence..=last_sequence` as they stood in the stream, one after the other,
//! compressed by zstd behind this header's line. Every ledger cuts the same files at the same revisions, so equal
//! content is an equal hash. A checkpoint holds the live objects at a revision, in key order.

use rutter_schemas::{Hash, Revision};
use serde::{Deserialize, Serialize};

/// Moves only when an older reader would misread a file.
pub const FORMAT: u32 = 1;

/// The first line of an archive file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveHeader {
    pub format: u32,
    pub incarnation: u32,
    /// The frames it holds.
    pub first_sequence: u64,
    pub last_sequence: u64,
    /// The events it holds.
    pub first: Revision,
    pub last: Revision,
    /// The hash of the frame before its first, and of its last: files chain as frames do.
    pub prev: Hash,
    pub hash: Hash,
    /// The hash of the frames' bytes before compression: what ledgers compare before a prefix is purged.
    pub content: Hash,
    /// The size of those bytes.
    pub content_bytes: u64,
    /// Keys of objects whose states were dropped at archiving (superseded Leases, Events): key, revision and hash stay.
    pub dropped_states: u64,
}

/// The first line of a checkpoint file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointHeader {
    pub format: u32,
    pub incarnation: u32,
    /// The frame whose end it shows.
    pub sequence: u64,
    pub revision: Revision,
    pub hash: Hash,
    /// The time of that frame: RFC 3339, microseconds.
    pub at: String,
    /// How many live objects follow.
    pub objects: u64,
    pub content: Hash,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_header_is_written_as_it_ever_was() {
        let header = ArchiveHeader {
            format: FORMAT,
            incarnation: 0,
            first_sequence: 1,
            last_sequence: 9,
            first: Revision(1),
            last: Revision(40),
            prev: Hash::NONE,
            hash: Hash::of(b"9"),
            content: Hash::of(b"1..9"),
            content_bytes: 12_345,
            dropped_states: 2,
        };
        let text = serde_json::to_string(&header).expect("plain data");
        expect_test::expect![[r#"{"format":1,"incarnation":0,"first_sequence":1,"last_sequence":9,"first":1,"last":40,"prev":"0000000000000000000000000000000000000000000000000000000000000000","hash":"19581e27de7ced00ff1ce50b2047e7a567c76b1cbaebabe5ef03f7c3017bb5b7","content":"b67d951c30aaa8957f6e2061aa01286e91f801e3919a509a4b97600c287b374c","content_bytes":12345,"dropped_states":2}"#]].assert_eq(&text);
    }

    #[test]
    fn a_checkpoint_header_is_written_as_it_ever_was() {
        let header = CheckpointHeader {
            format: FORMAT,
            incarnation: 0,
            sequence: 9,
            revision: Revision(40),
            hash: Hash::of(b"9"),
            at: "2026-01-02T03:04:05.000006Z".into(),
            objects: 17,
            content: Hash::of(b"objects"),
        };
        let text = serde_json::to_string(&header).expect("plain data");
        expect_test::expect![[r#"{"format":1,"incarnation":0,"sequence":9,"revision":40,"hash":"19581e27de7ced00ff1ce50b2047e7a567c76b1cbaebabe5ef03f7c3017bb5b7","at":"2026-01-02T03:04:05.000006Z","objects":17,"content":"e4cd302972b0cf4e227de8277f328e7631b1cd98655ebf610b401514d47338f7"}"#]].assert_eq(&text);
    }
}
