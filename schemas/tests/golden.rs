//! The texts that stand in logs for ever: what a golden file holds must be read, and written, the same by every
//! later version. A new format gets a new file; an old file is never edited.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use rutter_schemas::*;
use serde_json::json;

#[test]
fn a_commit_is_written_as_it_ever_was() {
    same_as_golden("commit-1.jsonl", &commit().encode());
}

#[test]
fn a_frame_is_written_as_it_ever_was() {
    same_as_golden("frame-1.jsonl", &frame().text);
}

#[test]
fn an_epoch_frame_of_a_new_incarnation_is_written_as_it_ever_was() {
    let skipped = Some((Revision(43), Revision::base_of(1)));
    let header = FrameHeader {
        incarnation: 1,
        first: Revision::base_of(1).next(),
        events: 0,
        commits: 0,
        skipped,
        ..header()
    };
    same_as_golden("incarnation-1.jsonl", &FrameText::join(header, []).text);
}

#[test]
fn a_golden_frame_reads_back_as_what_was_written() {
    let frame = Frame::decode(&golden("frame-1.jsonl")).unwrap();
    assert_eq!(frame.header, header());
    assert_eq!(frame.header.last(), Revision(42));
    let [recorded] = &frame.commits[..] else { panic!("one commit") };
    assert_eq!((recorded.first, recorded.last()), (Revision(40), Revision(42)));
    assert_eq!(recorded.header, commit().header);
    assert_eq!(recorded.events, commit().events);
}

#[test]
fn a_proposal_knows_its_writes_without_their_states() {
    let proposal = Proposal::decode(golden("commit-1.jsonl").into()).unwrap();
    let heads: Vec<_> =
        proposal.writes.iter().map(|write| (write.key.to_string(), write.op, write.expect)).collect();
    assert_eq!(
        heads,
        [
            ("pods/default/web-7xk2p".to_owned(), Op::Create, Expect::Absent),
            ("replicasets.apps/default/web".to_owned(), Op::Update, Expect::At(Revision(17))),
            ("configmaps/default/old".to_owned(), Op::Delete, Expect::At(Revision(9))),
        ]
    );
    assert!(proposal.writes[2].yields_space && !proposal.writes[0].yields_space);
}

#[test]
fn what_disagrees_with_itself_is_refused_with_a_reason() {
    type Spoil = dyn Fn(&mut Commit);
    let cases: [(&str, &Spoil, &str); 5] = [
        (
            "no events",
            &|c| {
                c.events.clear();
                c.header.expects.clear()
            },
            "a commit writes at least one object",
        ),
        (
            "a creation that replaces",
            &|c| c.header.expects[0] = Expect::At(Revision(3)),
            "write 0 of pods/default/web-7xk2p: its operation, expectation and prior revision disagree",
        ),
        (
            "more expectations than events",
            &|c| c.header.expects.push(Expect::Absent),
            "the text ends before event",
        ),
        (
            "fewer expectations than events",
            &|c| {
                c.header.expects.pop();
            },
            "459 bytes follow the last event",
        ),
        (
            "a key without a name",
            &|c| c.events[0].object.name.clear(),
            "write 0 of pods/default/: its key has an empty part or a control character",
        ),
    ];
    for (name, spoil, expected) in cases {
        let mut commit = commit();
        spoil(&mut commit);
        let error = Proposal::decode(commit.encode()).expect_err(name);
        assert_eq!(error.to_string(), expected, "{name}");
    }
}

#[test]
fn a_cut_frame_is_never_taken_for_a_whole_one() {
    let text = golden("frame-1.jsonl");
    for end in 0..text.len() {
        assert!(Frame::decode(&text[..end]).is_err(), "cut at {end}");
    }
}

fn commit() -> Commit {
    let object = |group: &str, kind: &str, resource: &str, name: &str| ObjectRef {
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
        resource: resource.into(),
        namespace: "default".into(),
        name: name.into(),
        uid: format!("00000000-0000-0000-0000-{:012}", name.len()),
    };
    let event = |event_type: &str, op, object: ObjectRef, prior, meta, touches| Event {
        event_type: event_type.into(),
        op,
        state: state::encode(&json!({"kind": object.kind, "apiVersion": object.api_version(),
                                     "metadata": {"name": object.name, "namespace": "default", "uid": object.uid}})),
        object,
        prior: Revision(prior),
        meta,
        touches,
    };
    let owner = Owner {
        uid: "rs".into(),
        api_version: "apps/v1".into(),
        kind: "ReplicaSet".into(),
        name: "web".into(),
        controller: true,
        block: true,
    };
    let pod = Meta {
        labels: BTreeMap::from([("app".into(), "web".into())]),
        owners: vec![owner],
        fields: BTreeMap::from([
            ("spec.nodeName".into(), String::new()),
            ("status.phase".into(), "Pending".into()),
        ]),
        ..Meta::default()
    };
    let set = Meta { generation: 2, finalizers: vec!["foregroundDeletion".into()], ..Meta::default() };
    let old = Meta { deletion: Some("2026-01-02T03:04:05Z".into()), ..Meta::default() };
    Commit {
        header: CommitHeader {
            id: Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001),
            base: Revision(39),
            incarnation: 0,
            actor: Actor {
                user: "replicaset-controller".into(),
                groups: vec!["system:masters".into()],
                via: "replicator".into(),
            },
            cause: Some(Revision(38)),
            why: "1 of 3 is missing".into(),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
            writer: "replicator/0.1.0".into(),
            expects: vec![Expect::Absent, Expect::At(Revision(17)), Expect::At(Revision(9))],
            guards: vec![Scope::owner("rs")],
            counters: vec![Count { name: "quota:default:pods".into(), delta: 1, max: Some(10) }],
        },
        events: vec![
            event(
                "PodCreated",
                Op::Create,
                object("", "Pod", "pods", "web-7xk2p"),
                0,
                pod,
                vec![Scope::owner("rs")],
            ),
            event(
                "ReplicaSetStatusChanged",
                Op::Update,
                object("apps", "ReplicaSet", "replicasets", "web"),
                17,
                set,
                vec![],
            ),
            event(
                "ConfigMapDeleted",
                Op::Delete,
                object("", "ConfigMap", "configmaps", "old"),
                9,
                old,
                vec![],
            ),
        ],
    }
}

fn header() -> FrameHeader {
    FrameHeader {
        id: Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0002),
        number: 12,
        epoch: 3,
        ledger: "ledger-a".into(),
        incarnation: 0,
        first: Revision(40),
        events: 3,
        commits: 1,
        prev: Hash::of(b"the frame before"),
        at: "2026-01-02T03:04:05.000006Z".into(),
        skipped: None,
    }
}

fn frame() -> FrameText {
    FrameText::join(header(), [&commit().encode()])
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

fn golden(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A missing file is written, so that a new format starts with one; then the test fails once, to be looked at.
fn same_as_golden(name: &str, text: &[u8]) {
    if !path(name).exists() {
        fs::write(path(name), text).expect("a golden file can be written");
        panic!("{name} was written: look at it, and add it");
    }
    assert_eq!(String::from_utf8_lossy(text), String::from_utf8_lossy(&golden(name)));
}
