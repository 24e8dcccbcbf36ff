//! A projection is a function of the log: by whatever path, the same bytes; and the same answers as a naive model.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use rutter_projection::{IndexKey, ListQuery, Options, Projection, Retention};
use rutter_schemas::{Key, Revision};
use support::{Act, Log, pod};
use tempfile::TempDir;

/// A random act, applied if it can be.
#[derive(Clone, Debug)]
struct Wish {
    name: u8,
    delete: bool,
    label: u8,
    node: u8,
    new_frame: bool,
    new_commit: bool,
    pause_s: i64,
    count: i64,
}

fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let wish = (
        0u8..6,
        prop::bool::weighted(0.25),
        0u8..3,
        0u8..3,
        any::<bool>(),
        any::<bool>(),
        0i64..2_000,
        -1i64..2,
    )
        .prop_map(|(name, delete, label, node, new_frame, new_commit, pause_s, count)| Wish {
            name,
            delete,
            label,
            node,
            new_frame,
            new_commit,
            pause_s,
            count,
        });
    prop::collection::vec(wish, 1..40)
}

/// The log of some wishes, and what lived at the end of each commit.
fn play(wishes: &[Wish]) -> (Log, BTreeMap<Revision, BTreeMap<Key, Revision>>) {
    let (mut log, mut model, mut then) = (Log::new(), BTreeMap::new(), BTreeMap::new());
    let (mut frame, mut commit): (Vec<Vec<Act>>, Vec<Act>) = (vec![], vec![]);
    let mut revision = Revision::NONE;
    for wish in wishes {
        let object = pod(&format!("p{}", wish.name))
            .label("v", &wish.label.to_string())
            .on(["", "n1", "n2"][wish.node as usize]);
        let key = object.key.clone();
        if wish.delete && !model.contains_key(&key) {
            continue;
        }
        revision = revision.next();
        if wish.count != 0 {
            log.counting(&format!("uid-p{}/v{}", wish.name, wish.label), wish.count);
        }
        if wish.delete {
            model.remove(&key);
            commit.push(Act::Delete(key));
        } else {
            model.insert(key, revision);
            commit.push(Act::Put(object));
        }
        if wish.new_commit {
            frame.push(std::mem::take(&mut commit));
            then.insert(revision, model.clone());
        }
        if wish.new_frame && commit.is_empty() {
            log.clock_s += wish.pause_s;
            log.frame(&std::mem::take(&mut frame).iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
    }
    if !commit.is_empty() {
        frame.push(commit);
        then.insert(revision, model);
    }
    log.frame(&frame.iter().map(Vec::as_slice).collect::<Vec<_>>());
    (log, then)
}

fn step_by_step(dir: &TempDir, options: Options, log: &Log) -> Projection {
    let projection = Projection::open(dir.path(), options).unwrap();
    for (frame, hash) in &log.frames {
        projection.apply(frame.header.number, frame, *hash).unwrap();
    }
    projection
}

fn loaded(dir: &TempDir, options: Options, log: &Log, stretch_bytes: usize) -> Projection {
    let mut loader =
        Projection::open(dir.path(), options).unwrap().load().unwrap().with_stretch(stretch_bytes);
    for (frame, hash) in &log.frames {
        loader.apply(frame.header.number, frame, *hash).unwrap();
    }
    loader.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_rebuilt_projection_equals_the_one_kept_byte_for_byte(wishes in wishes(), stretch_bytes in 1usize..20_000, history: bool) {
        let (log, _) = play(&wishes);
        let retention = Retention { age_s: 3_600, changes: 12 };
        let options = Options { history, retention, ..Options::default() };
        let (a, b) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let (kept, rebuilt) = (step_by_step(&a, options, &log), loaded(&b, options, &log, stretch_bytes));
        let (kept, rebuilt) = (kept.digest().unwrap(), rebuilt.digest().unwrap());
        prop_assert_eq!(kept.differences(&rebuilt), []);
        prop_assert_eq!(kept, rebuilt);
    }

    #[test]
    fn the_past_and_the_indexes_agree_with_a_naive_model(wishes in wishes()) {
        let (log, then) = play(&wishes);
        let dir = TempDir::new().unwrap();
        let snapshot = step_by_step(&dir, Options::with_history(), &log).snapshot().unwrap();
        let pods = ListQuery::of("", "pods");
        for (at, lived) in &then {
            let listed: BTreeMap<_, _> = snapshot.list_at(&pods, *at).unwrap().map(|found| found.unwrap())
                .map(|(key, record)| (key, record.revision)).collect();
            prop_assert_eq!(&listed, lived, "as of {}", at);
            for (key, revision) in lived {
                prop_assert_eq!(snapshot.get_at(key, *at).unwrap().unwrap().revision, *revision);
            }
        }
        let all: Vec<_> = snapshot.list(&pods).map(|found| found.unwrap()).collect();
        for index in ["0", "1", "2"].map(|v| IndexKey::label("v", v)).into_iter().chain(["", "n1", "n2"].map(IndexKey::node)) {
            let picked: Vec<_> = snapshot.list(&pods.clone().index(index.clone())).map(|found| found.unwrap()).collect();
            let expected: Vec<_> = all.iter().filter(|(_, record)| index.picks(&record.meta)).cloned().collect();
            prop_assert_eq!(picked, expected);
        }
    }
}

#[test]
fn a_flipped_byte_is_told_by_the_digest() {
    let (log, _) = play(&[0, 1, 2].map(|name| Wish {
        name,
        delete: false,
        label: 0,
        node: 1,
        new_frame: true,
        new_commit: true,
        pause_s: 0,
        count: 0,
    }));
    let mut other = Log::new();
    for (frame, hash) in &log.frames {
        let mut frame = frame.clone();
        for commit in &mut frame.commits {
            commit.header.why.push('!');
        }
        other.frames.push((frame, *hash));
    }
    let (a, b) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let digests = [(&a, &log), (&b, &other)]
        .map(|(dir, log)| step_by_step(dir, Options::with_history(), log).digest().unwrap());
    assert_eq!(digests[0].differences(&digests[1]), [rutter_projection::Table::Commits]);
}

/// Persisted shapes are append-only: if this moves, so must `LAYOUT`.
#[test]
fn a_known_log_makes_known_bytes() {
    let mut log = Log::new();
    log.frame(&[]).commit(&[Act::Put(pod("a").label("app", "web").owned_by("u").on("n1").data("x"))]);
    log.commit(&[Act::Put(pod("a").phase("Running")), Act::Put(pod("b"))])
        .commit(&[Act::Delete(pod("a").key)])
        .make_anew();
    log.counting("uid-b/pods", 3).commit(&[Act::Put(pod("c"))]);
    let dir = TempDir::new().unwrap();
    let digest = step_by_step(&dir, Options::with_history(), &log).digest().unwrap();
    let lines: Vec<_> = digest
        .tables
        .iter()
        .map(|t| format!("{:9} {} {}\n", t.table.name(), t.rows, &t.hash.to_string()[..16]))
        .collect();
    expect_test::expect![[r#"
        rows      2 4f9fd63188d18d68
        index     0 e3b0c44298fc1c14
        versions  5 9f8cd2bd6f678acd
        changes   5 7134fa43844d4612
        commits   4 ff247a62daa1f88c
        ended     1 2b911e7b1a7f8c0c
        state     4 4533c675a27cdae2
        counters  1 0063091c0307a8a5
    "#]]
    .assert_eq(&lines.concat());
}
