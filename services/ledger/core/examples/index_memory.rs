//! Measures the sequencer alone: memory of its index at a million objects, proposals decided per second, saving and
//! loading. Run it with `cargo run --profile fast -p rutter-ledger-core --example index_memory`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rutter_ledger_core::{Proving, Sequencer, Settings};
use rutter_schemas::{
    Actor, Commit, CommitHeader, Event, Expect, Meta, ObjectRef, Op, Proposal, Revision, Uuid, state,
};

const OBJECTS: usize = 1_000_000;
const PER_COMMIT: usize = 1_000;
const SINGLE_COMMITS: usize = 200_000;

fn main() {
    let mut sequencer = Sequencer::new(Settings::new("bench", Proving::Owned));
    sequencer.take_over(Uuid::from_u128(1)).expect("a new one follows");
    record(&mut sequencer);

    let filled = Instant::now();
    for commit in 0..OBJECTS / PER_COMMIT {
        sequencer.propose(&proposal(commit, PER_COMMIT)).expect("room is left");
        record(&mut sequencer);
    }
    println!("{} objects in {:?}", sequencer.objects(), filled.elapsed());
    let bytes = sequencer.index_bytes();
    println!("index: {:.1} MB, {:.1} bytes an object", mb(bytes), bytes as f64 / OBJECTS as f64);
    println!("resident: {:.1} MB", mb(resident()));

    decide(&mut sequencer);

    let begin = Instant::now();
    let saved = sequencer.save();
    println!("saved {:.1} MB in {:?}", mb(saved.len()), begin.elapsed());
    let begin = Instant::now();
    let loaded = Sequencer::load(Settings::new("bench", Proving::Owned), &saved).expect("just saved");
    println!("loaded {} objects in {:?}", loaded.objects(), begin.elapsed());
}

/// Commits of one object each, 64 to a frame: decoding and deciding apart.
fn decide(sequencer: &mut Sequencer) {
    let texts: Vec<_> = (0..SINGLE_COMMITS).map(|commit| proposal(OBJECTS + commit, 1).text).collect();
    let (mut decoding, mut deciding, mut framing) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    for batch in texts.chunks(64) {
        let begin = Instant::now();
        let proposals: Vec<_> =
            batch.iter().map(|text| Proposal::decode(text.clone()).expect("its own")).collect();
        decoding += begin.elapsed();
        let begin = Instant::now();
        for proposal in &proposals {
            black_box(sequencer.propose(proposal)).expect("room is left");
        }
        deciding += begin.elapsed();
        let begin = Instant::now();
        record(sequencer);
        framing += begin.elapsed();
    }
    let per_second = |time: Duration| SINGLE_COMMITS as f64 / time.as_secs_f64();
    println!("decoded: {:.0} proposals/s of {} bytes", per_second(decoding), texts[0].len());
    println!("decided: {:.0} proposals/s", per_second(deciding));
    println!("framed, hashed and answered: {:.0} commits/s", per_second(framing));
}

/// Plays a stream that takes everything.
fn record(sequencer: &mut Sequencer) {
    let now = Timestamp::from_second(1_800_000_000).expect("in range");
    while let Some(append) = sequencer.ready(now).append {
        sequencer.appended(append.frame, append.expected_last.expect("fenced") + 1);
    }
}

fn proposal(number: usize, objects: usize) -> Proposal {
    let pad = "x".repeat(if objects == 1 { 1_000 } else { 10 });
    let pod = serde_json::json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "data": pad});
    let events = (0..objects).map(|index| Event {
        event_type: "PodCreated".into(),
        op: Op::Create,
        object: ObjectRef {
            version: "v1".into(),
            kind: "Pod".into(),
            resource: "pods".into(),
            namespace: "default".into(),
            name: format!("pod-{number}-{index}"),
            uid: format!("{number}-{index}"),
            ..ObjectRef::default()
        },
        prior: Revision::NONE,
        meta: Meta::default(),
        touches: vec![],
        state: state::encode(&pod),
    });
    let header = CommitHeader {
        id: Uuid::from_u128(number as u128 + 10),
        base: Revision::NONE,
        incarnation: 0,
        actor: Actor { user: "bench".into(), groups: vec![], via: "bench".into() },
        cause: None,
        why: String::new(),
        traceparent: None,
        writer: "bench/0".into(),
        expects: vec![Expect::Absent; objects],
        guards: vec![],
        counters: vec![],
    };
    Proposal::from(&Commit { header, events: events.collect() })
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or_default() * 4096
}

fn mb(bytes: usize) -> f64 {
    bytes as f64 / (1 << 20) as f64
}
