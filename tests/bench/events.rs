//! Events as a busy cluster records them: births of ConfigMaps of about 1.5 KiB, each a commit.

use bytes::Bytes;
use rutter_runtime::executor::Letterhead;
use rutter_schemas::{Event, FrameHeader, FrameText, Hash, Meta, ObjectRef, Op, Revision, Uuid, state};
use serde_json::json;

/// With the envelope around it, an event has 1.5 KiB.
const TEXT_BYTES: usize = 1_100;

/// The birth of the ConfigMap `name` with a text of so many bytes.
fn birth(name: &str, bytes: usize) -> Event {
    let uid = Uuid::new_v4().to_string();
    let object = json!({"kind": "ConfigMap", "apiVersion": "v1", "data": {"text": "x".repeat(bytes)},
                        "metadata": {"name": name, "namespace": "default", "uid": uid}});
    Event {
        event_type: "ConfigMapCreated".into(),
        op: Op::Create,
        object: ObjectRef {
            version: "v1".into(),
            kind: "ConfigMap".into(),
            resource: "configmaps".into(),
            namespace: "default".into(),
            name: name.to_owned(),
            uid,
            ..ObjectRef::default()
        },
        prior: Revision::NONE,
        meta: Meta::default(),
        touches: Vec::new(),
        state: state::encode(&object),
    }
}

/// A commit of one birth, as it is proposed.
pub(crate) fn commit(name: &str, base: Revision) -> Bytes {
    proposal(base, birth(name, TEXT_BYTES))
}

/// The same of an object without much in it.
pub(crate) fn short_commit(name: &str) -> Bytes {
    proposal(Revision::NONE, birth(name, 1))
}

fn proposal(base: Revision, birth: Event) -> Bytes {
    let letterhead = Letterhead { why: "bench".into(), writer: "bench/0".into(), ..Letterhead::default() };
    letterhead.commit(Uuid::now_v7(), base, 0, vec![birth]).encode()
}

/// A frame of these commits, one event each, the first being `first`.
pub(crate) fn frame(number: u64, prev: Hash, first: u64, commits: &[Bytes]) -> FrameText {
    let count = u32::try_from(commits.len()).expect("a frame holds few");
    let header = FrameHeader {
        id: Uuid::new_v4(),
        number,
        epoch: 1,
        ledger: "bench".into(),
        incarnation: 0,
        first: Revision(first),
        events: count,
        commits: count,
        prev,
        at: "2026-01-01T00:00:00.000000Z".into(),
        skipped: None,
    };
    FrameText::join(header, commits)
}
