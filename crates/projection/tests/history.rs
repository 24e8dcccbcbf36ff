//! The past: as of N, versions, causes.
#![allow(clippy::unwrap_used)]

mod support;

use rutter_projection::{Error, IndexKey, ListQuery, Options, Projection, Snapshot};
use rutter_schemas::{Op, Revision};
use support::{Log, delete, pod, put};
use tempfile::TempDir;

fn history_of(log: &Log) -> (TempDir, Snapshot) {
    let dir = TempDir::new().unwrap();
    let projection = Projection::open(dir.path(), Options::with_history()).unwrap();
    for (frame, hash) in &log.frames {
        projection.apply(frame.header.number, frame, *hash).unwrap();
    }
    let snapshot = projection.snapshot().unwrap();
    (dir, snapshot)
}

fn names_at(snapshot: &Snapshot, query: &ListQuery, revision: u64) -> Vec<String> {
    let found = snapshot.list_at(query, Revision(revision)).unwrap();
    found
        .map(|found| found.unwrap())
        .map(|(key, record)| format!("{}@{}", key.name, record.revision))
        .collect()
}

#[test]
fn every_version_stays() {
    let mut log = Log::new();
    log.commit(&[put(pod("a").data("1"))]).commit(&[put(pod("a").data("2"))]).commit(&[delete("a")]);
    log.clock_s = 1_000_000;
    log.commit(&[put(pod("a").data("3"))]);
    let (_dir, snapshot) = history_of(&log);

    let versions = snapshot.versions(&pod("a").key).map(|found| found.unwrap());
    let told: Vec<_> = versions.map(|v| (v.op, v.record.revision.0, v.record.born.0)).collect();
    assert_eq!(told, [(Op::Create, 4, 4), (Op::Delete, 3, 1), (Op::Update, 2, 1), (Op::Create, 1, 1)]);
    let at = |n| snapshot.get_at(&pod("a").key, Revision(n)).unwrap().map(|record| record.revision.0);
    assert_eq!([at(1), at(2), at(3), at(4)], [Some(1), Some(2), None, Some(4)]);
}

#[test]
fn inside_a_commit_the_answer_is_its_end() {
    let mut log = Log::new();
    log.commit(&[put(pod("a"))])
        .commit(&[put(pod("b")), put(pod("a").data("2")), put(pod("c"))])
        .commit(&[delete("b")]);
    let (_dir, snapshot) = history_of(&log);

    let ends: Vec<_> = (1..=5).map(|n| snapshot.as_of(Revision(n)).unwrap().0).collect();
    assert_eq!(ends, [1, 4, 4, 4, 5]);
    let pods = ListQuery::of("", "pods");
    assert_eq!(names_at(&snapshot, &pods, 1), ["a@1"]);
    assert_eq!(names_at(&snapshot, &pods, 2), ["a@3", "b@2", "c@4"]);
    assert_eq!(names_at(&snapshot, &pods, 5), ["a@3", "c@4"]);
}

#[test]
fn lists_of_the_past_hold_lives_that_ended_and_lives_that_began_again() {
    let mut log = Log::new();
    log.commit(&[put(pod("a")), put(pod("b").label("app", "web")), put(pod("c").within("kube"))]);
    log.commit(&[delete("b")]).commit(&[put(pod("b"))]).commit(&[delete("a")]).commit(&[put(pod("d"))]);
    let (_dir, snapshot) = history_of(&log);

    let pods = ListQuery::of("", "pods").namespace("default");
    assert_eq!(names_at(&snapshot, &pods, 3), ["a@1", "b@2"]);
    assert_eq!(names_at(&snapshot, &pods, 4), ["a@1"]);
    assert_eq!(names_at(&snapshot, &pods, 5), ["a@1", "b@5"]);
    assert_eq!(names_at(&snapshot, &pods, 7), ["b@5", "d@7"]);
    assert_eq!(names_at(&snapshot, &pods.clone().after(pod("a").key), 3), ["b@2"]);
    assert_eq!(names_at(&snapshot, &pods.index(IndexKey::label("app", "web")), 3), ["b@2"]);
    assert_eq!(names_at(&snapshot, &ListQuery::of("", "pods"), 3), ["a@1", "b@2", "c@3"]);
}

#[test]
fn every_event_says_who_and_why() {
    let mut log = Log::new();
    log.frame(&[]).commit(&[put(pod("a"))]).commit(&[put(pod("a").data("2")), put(pod("b"))]);
    let (_dir, snapshot) = history_of(&log);

    let event = snapshot.event(Revision(3)).unwrap().unwrap();
    assert_eq!(
        (event.key.name.as_str(), event.op, event.event_type.as_str()),
        ("b", Op::Create, "PodCreated")
    );
    assert_eq!((event.commit, event.sequence), (Revision(2)..=Revision(3), 3));
    assert_eq!(
        (event.actor.user.as_str(), event.why.as_str(), event.cause),
        ("ada", "step 2", Some(Revision(1)))
    );
    assert_eq!(event.at, "2026-01-01T00:00:00Z");
    assert_eq!(snapshot.event(Revision(9)).unwrap(), None);
}

#[test]
fn the_future_is_not_answered_and_what_never_was_is_said() {
    let mut log = Log::new();
    log.commit(&[put(pod("a"))]).make_anew().commit(&[put(pod("b"))]);
    let (_dir, snapshot) = history_of(&log);
    let base = Revision::base_of(1);

    assert!(matches!(snapshot.as_of(base.plus(2)), Err(Error::Future { .. })));
    for lost in [2, 77, base.0 - 1] {
        let error = snapshot.as_of(Revision(lost)).unwrap_err();
        assert!(matches!(error, Error::Skipped { first: Revision(2), .. }), "{error}");
        assert!(matches!(snapshot.changes_since(Revision(lost)).err(), Some(Error::Skipped { .. })));
    }
    assert_eq!(names_at(&snapshot, &ListQuery::of("", "pods"), base.0 + 1), ["a@1", "b@4294967297"]);
    assert_eq!(snapshot.changes_since(Revision(1)).unwrap().count(), 1);
    assert_eq!(names_at(&snapshot, &ListQuery::of("", "pods"), base.0), ["a@1"]);
    assert_eq!(
        snapshot.changes_since(base).unwrap().count(),
        1,
        "a list made before the first new event goes on"
    );
}
