//! Keeping a projection: frames in, rows, indexes and cursor together.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use rutter_projection::{Change, Error, IndexKey, ListQuery, OpenError, Options, Projection, Retention};
use rutter_schemas::{Hash, Key, Op, Revision};
use support::{Log, Object, delete, pod, put};
use tempfile::TempDir;

fn fed(dir: &TempDir, options: Options, log: &Log) -> Projection {
    let projection = Projection::open(dir.path(), options).unwrap();
    feed(&projection, log);
    projection
}

fn feed(projection: &Projection, log: &Log) -> Vec<Change> {
    let from = projection.cursor().sequence as usize;
    let changes = log.frames[from..]
        .iter()
        .flat_map(|(frame, hash)| projection.apply(frame.header.number, frame, *hash).unwrap());
    changes.collect()
}

fn names(projection: &Projection, query: &ListQuery) -> Vec<String> {
    projection.snapshot().unwrap().list(query).map(|found| found.unwrap().0.name).collect()
}

#[test]
fn an_object_is_stored_as_it_is_served() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::new();
    log.frame(&[]).commit(&[put(pod("web").label("app", "web"))]).commit(&[put(pod("web").data("new"))]);
    let snapshot = fed(&dir, Options::default(), &log).snapshot().unwrap();

    let record = snapshot.get(&pod("web").key).unwrap().unwrap();
    assert_eq!(
        record.object,
        r#"{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"2","labels":{},"name":"web"},"data":"new","phase":""}"#
    );
    assert_eq!((record.revision, record.born, &*record.uid), (Revision(2), Revision(1), "uid-web"));
    assert_eq!(snapshot.get_object(&pod("web").key).unwrap(), Some(record.object));
    assert_eq!(snapshot.get(&pod("db").key).unwrap(), None);
    assert_eq!((snapshot.revision(), snapshot.cursor().sequence), (Revision(2), 3));
}

#[test]
fn lists_are_in_key_order_and_stay_within_their_namespace() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::new();
    let deployment = Object::of(Key::new("apps", "deployments", "default", "web"));
    log.commit(&[
        put(pod("b")),
        put(pod("a")),
        put(pod("a").within("kube")),
        put(pod("c").within("def")),
        put(deployment),
    ]);
    let projection = fed(&dir, Options::default(), &log);

    assert_eq!(names(&projection, &ListQuery::of("", "pods").namespace("default")), ["a", "b"]);
    assert_eq!(names(&projection, &ListQuery::of("", "pods")), ["c", "a", "b", "a"]);
    assert_eq!(names(&projection, &ListQuery::of("", "pods").after(pod("a").key)), ["b", "a"]);
    assert_eq!(
        names(&projection, &ListQuery::of("", "pods").namespace("default").after(pod("aa").key)),
        ["b"]
    );
    assert_eq!(names(&projection, &ListQuery::of("", "pod")), [""; 0]);
    let snapshot = projection.snapshot().unwrap();
    assert_eq!(snapshot.count(&ListQuery::of("", "pods")).unwrap(), 4);
    assert_eq!(snapshot.list_objects(&ListQuery::of("apps", "deployments")).count(), 1);
}

#[test]
fn an_index_forgets_old_labels_owners_and_nodes() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::new();
    log.commit(&[
        put(pod("a").label("app", "web").owned_by("rs1").on("n1")),
        put(pod("b").label("app", "web")),
    ]);
    let projection = fed(&dir, Options::default(), &log);
    let web = ListQuery::of("", "pods").index(IndexKey::label("app", "web"));
    let on_n1 = ListQuery::of("", "pods").index(IndexKey::node("n1"));
    let owned = |uid| {
        projection.snapshot().unwrap().owned_by(uid).map(|found| found.unwrap().0.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&projection, &web), ["a", "b"]);
    assert_eq!(names(&projection, &on_n1), ["a"]);
    assert_eq!(owned("rs1"), ["a"]);

    log.commit(&[put(pod("a").label("app", "db").owned_by("rs2").on("n2")), delete("b")]);
    feed(&projection, &log);
    assert_eq!(names(&projection, &web), [""; 0]);
    assert_eq!(names(&projection, &on_n1), [""; 0]);
    assert_eq!(names(&projection, &ListQuery::of("", "pods").index(IndexKey::label("app", "db"))), ["a"]);
    assert_eq!((owned("rs1"), owned("rs2")), (vec![], vec!["a".to_owned()]));
}

#[test]
fn a_label_changed_twice_in_one_frame_leaves_one_entry() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::new();
    log.commit(&[put(pod("a").label("v", "0"))]);
    log.frame(&[
        &[put(pod("a").label("v", "1"))],
        &[put(pod("a").label("v", "2"))],
        &[put(pod("b").label("v", "1"))],
    ]);
    let projection = fed(&dir, Options::default(), &log);
    let at = |value| names(&projection, &ListQuery::of("", "pods").index(IndexKey::label("v", value)));
    assert_eq!([at("0"), at("1"), at("2")], [vec![], vec!["b".to_owned()], vec!["a".to_owned()]]);
}

#[test]
fn a_field_without_an_index_picks_the_same_by_looking_at_every_row() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::new();
    log.commit(&[
        put(pod("a").phase("Running")),
        put(pod("b").phase("Pending")),
        put(pod("c").on("n1").phase("Running")),
    ]);
    let projection = fed(&dir, Options::default(), &log);
    let by = |path, value| names(&projection, &ListQuery::of("", "pods").index(IndexKey::field(path, value)));
    assert_eq!(by("status.phase", "Running"), ["a", "c"]);
    assert_eq!(by("spec.nodeName", ""), ["a", "b"]);
    assert_eq!(by("spec.nodeName", "n1"), ["c"]);
}

#[test]
fn changes_say_what_was_and_what_is() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::new();
    log.commit(&[put(pod("a").data("1"))])
        .commit(&[put(pod("a").data("2")), put(pod("b"))])
        .commit(&[delete("a")]);
    let projection = Projection::open(dir.path(), Options::default()).unwrap();
    let told = feed(&projection, &log);

    let story: Vec<_> = told
        .iter()
        .map(|c| {
            let at = |record: &Option<rutter_projection::Record>| record.as_ref().map(|r| r.revision.0);
            (c.revision.0, c.commit_last.0, c.op, at(&c.before), at(&c.after), at(&c.last))
        })
        .collect();
    assert_eq!(
        story,
        [
            (1, 1, Op::Create, None, Some(1), None),
            (2, 3, Op::Update, Some(1), Some(2), None),
            (3, 3, Op::Create, None, Some(3), None),
            (4, 4, Op::Delete, Some(2), None, Some(4)),
        ]
    );
    let snapshot = projection.snapshot().unwrap();
    let read: Vec<_> = snapshot.changes_since(Revision::NONE).unwrap().map(Result::unwrap).collect();
    assert_eq!(read, told, "the change table tells a watch after a restart what the frames told it before");
}

#[test]
fn cursor_and_rows_survive_together() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::new();
    for n in 0..20 {
        log.commit(&[put(pod(&format!("p{n}"))), put(pod("same").data(&n.to_string()))]);
        let projection = fed(&dir, Options::default(), &log);
        let (cursor, hash) = (projection.cursor(), log.frames.last().unwrap().1);
        assert_eq!((cursor.sequence, cursor.revision, cursor.hash), (n + 1, log.head, hash));
        drop(projection);

        let reopened = Projection::open(dir.path(), Options::default()).unwrap();
        assert_eq!(reopened.cursor(), cursor);
        let snapshot = reopened.snapshot().unwrap();
        assert_eq!(snapshot.count(&ListQuery::of("", "pods")).unwrap(), n + 2);
        assert_eq!(snapshot.get(&pod("same").key).unwrap().unwrap().revision, log.head);
    }
}

#[test]
fn a_snapshot_keeps_showing_its_frame() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::new();
    log.commit(&[put(pod("a").data("old"))]);
    let projection = fed(&dir, Options::default(), &log);
    let before = projection.snapshot().unwrap();
    log.commit(&[put(pod("a").data("new")), put(pod("b"))]);
    feed(&projection, &log);
    let after = projection.snapshot().unwrap();
    drop(projection);
    assert_eq!((before.revision(), before.list(&ListQuery::of("", "pods")).count()), (Revision(1), 1));
    assert_eq!((after.revision(), after.list(&ListQuery::of("", "pods")).count()), (Revision(3), 2));
}

#[test]
fn what_does_not_follow_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::new();
    log.commit(&[put(pod("a"))]).commit(&[put(pod("b"))]).commit(&[put(pod("a"))]);
    let projection = Projection::open(dir.path(), Options::default()).unwrap();
    let [(first, _), (second, _), (third, _)] = &log.frames[..] else { panic!("three frames") };
    projection.apply(1, first, Hash::NONE).unwrap();

    assert!(matches!(projection.apply(1, first, Hash::NONE), Err(Error::NotNext { last: 1, number: 1 })));
    assert!(matches!(projection.apply(3, third, Hash::NONE), Err(Error::NotNext { last: 1, number: 3 })));
    let mut gap = second.clone();
    gap.header.first = Revision(7);
    assert!(matches!(projection.apply(2, &gap, Hash::NONE), Err(Error::NotDense { .. })));
    let mut diverged = second.clone();
    diverged.commits[0].events[0].prior = Revision(1);
    assert!(matches!(projection.apply(2, &diverged, Hash::NONE), Err(Error::Diverged { .. })));
    assert_eq!(
        (projection.cursor().sequence, names(&projection, &ListQuery::of("", "pods"))),
        (1, vec!["a".to_owned()])
    );
    projection.apply(2, second, Hash::NONE).unwrap();
}

#[test]
fn without_history_the_past_is_kept_for_an_hour() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::new();
    log.commit(&[put(pod("a").data("1")), put(pod("b"))])
        .commit(&[put(pod("a").data("2"))])
        .commit(&[delete("b")]);
    log.clock_s = 3_000;
    log.commit(&[put(pod("a").data("3"))]);
    log.clock_s = 4_000;
    log.commit(&[put(pod("c"))]);
    let projection = fed(&dir, Options::default(), &log);
    let snapshot = projection.snapshot().unwrap();

    assert_eq!(snapshot.floor(), Revision(4));
    assert!(matches!(
        snapshot.changes_since(Revision(3)).err(),
        Some(Error::BelowFloor { floor: Revision(4), .. })
    ));
    assert_eq!(snapshot.changes_since(Revision(4)).unwrap().count(), 2);
    let a_at = |n| snapshot.get_at(&pod("a").key, Revision(n)).unwrap().unwrap().revision.0;
    assert_eq!([a_at(4), a_at(5), a_at(6)], [3, 5, 5]);
    assert_eq!(snapshot.versions(&pod("b").key).count(), 0);
    assert_eq!(snapshot.list_at(&ListQuery::of("", "pods"), Revision(4)).unwrap().count(), 1);
}

#[test]
fn without_history_the_past_is_bounded_in_number_too() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::new();
    for n in 0..50 {
        log.commit(&[put(pod("a").data(&n.to_string()))]);
    }
    let options = Options { retention: Retention { age_s: 3_600, changes: 10 }, ..Options::default() };
    let snapshot = fed(&dir, options, &log).snapshot().unwrap();
    assert_eq!(snapshot.floor(), Revision(40));
    assert_eq!(snapshot.versions(&pod("a").key).count(), 11);
}

#[test]
fn counters_are_as_the_commits_up_to_a_revision_made_them() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::new();
    log.counting("uid-q/pods", 2).commit(&[put(pod("q"))]);
    log.counting("uid-q/pods", 3).counting("uid-q/cpu", -1).commit(&[put(pod("a"))]);
    let projection = fed(&dir, Options::default(), &log);
    let then = projection.snapshot().unwrap();
    log.counting("uid-q/cpu", 1).counting("uid-r/cpu", 7).commit(&[put(pod("b"))]);
    feed(&projection, &log);

    let all = |snapshot: &rutter_projection::Snapshot| snapshot.counters().unwrap();
    assert_eq!(all(&then), [("uid-q/cpu".into(), -1), ("uid-q/pods".into(), 5)]);
    let now = projection.snapshot().unwrap();
    assert_eq!(all(&now), [("uid-q/pods".into(), 5), ("uid-r/cpu".into(), 7)]);
    assert_eq!(now.counter("uid-q/pods").unwrap(), 5);
    assert_eq!(now.counter("uid-q/cpu").unwrap(), 0);

    drop((now, then, projection));
    let again = Projection::open(dir.path(), Options::default()).unwrap();
    log.counting("uid-q/pods", 1).commit(&[put(pod("c"))]);
    feed(&again, &log);
    assert_eq!(again.snapshot().unwrap().counter("uid-q/pods").unwrap(), 6);
}

#[test]
fn counters_end_with_the_object_that_they_belong_to() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::new();
    log.counting("uid-q/pods", 2).counting("uid-qq/pods", 3).commit(&[put(pod("q"))]);
    log.counting("uid-q/cpu", 4).commit(&[delete("q")]);
    let snapshot = fed(&dir, Options::default(), &log).snapshot().unwrap();
    assert_eq!(snapshot.counters().unwrap(), [("uid-qq/pods".into(), 3)]);
}

#[test]
fn a_damaged_directory_is_said_and_made_anew() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::new();
    log.commit(&[put(pod("a"))]);
    drop(fed(&dir, Options::default(), &log));
    fs::write(dir.path().join("layout-2/CURRENT"), "nonsense").unwrap();

    let error = Projection::open(dir.path(), Options::default()).err().unwrap();
    assert!(matches!(error, OpenError::Corrupt { .. }) && error.is_rebuildable(), "{error}");
    let (projection, why) = Projection::open_or_discard(dir.path(), Options::default()).unwrap();
    assert!(why.unwrap().to_string().contains("is damaged"));
    assert_eq!(projection.cursor().sequence, 0);
    feed(&projection, &log);
    assert_eq!(names(&projection, &ListQuery::of("", "pods")), ["a"]);
}

#[test]
fn a_missing_table_file_is_damage() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::new();
    log.commit(&[put(pod("a"))]);
    let mut loader = Projection::open(dir.path(), Options::default()).unwrap().load().unwrap();
    loader.apply(1, &log.frames[0].0, log.frames[0].1).unwrap();
    drop(loader.finish().unwrap());
    for file in fs::read_dir(dir.path().join("layout-2")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|ext| ext == "sst") {
            fs::remove_file(path).unwrap();
        }
    }
    let error = Projection::open(dir.path(), Options::default()).err().unwrap();
    assert!(error.is_rebuildable(), "{error}");
}

#[test]
fn a_held_directory_is_not_thrown_away() {
    let dir = TempDir::new().unwrap();
    let _held = Projection::open(dir.path(), Options::default()).unwrap();
    let error = Projection::open(dir.path(), Options::default()).err().unwrap();
    assert!(matches!(error, OpenError::Held { .. }) && !error.is_rebuildable());
}

#[test]
fn another_layout_stays_beside_until_ours_is_ready() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("layout-0")).unwrap();
    assert!(Projection::is_of_another_layout(dir.path()));
    let mut log = Log::new();
    log.commit(&[put(pod("a"))]);
    let projection = fed(&dir, Options::default(), &log);
    assert!(dir.path().join("layout-0").exists() && !Projection::is_of_another_layout(dir.path()));
    assert_eq!(Projection::remove_other_layouts(dir.path()).unwrap(), 1);
    assert!(!dir.path().join("layout-0").exists());
    assert_eq!(names(&projection, &ListQuery::of("", "pods")), ["a"]);
}

#[test]
fn a_projection_without_history_cannot_pass_for_one_with_it() {
    let dir = TempDir::new().unwrap();
    drop(Projection::open(dir.path(), Options::default()).unwrap());
    let error = Projection::open(dir.path(), Options::with_history()).err().unwrap();
    assert!(matches!(error, OpenError::OtherHistory { found: false, asked: true, .. }));
    assert_eq!(error.source_free_words(), "made without history, now it is asked for with history");
}

trait Words {
    fn source_free_words(&self) -> String;
}

impl Words for OpenError {
    fn source_free_words(&self) -> String {
        self.to_string().split_once("was ").map(|(_, words)| words.to_owned()).unwrap_or_default()
    }
}

#[test]
fn an_unfinished_load_is_noticed() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::new();
    log.commit(&[put(pod("a"))]);
    let mut loader = Projection::open(dir.path(), Options::default()).unwrap().load().unwrap();
    loader.apply(1, &log.frames[0].0, log.frames[0].1).unwrap();
    drop(loader);
    let error = Projection::open(dir.path(), Options::default()).err().unwrap();
    assert!(matches!(error, OpenError::Unfinished { .. }) && error.is_rebuildable());
}

#[test]
fn a_load_that_is_given_up_writes_no_more() {
    let mut log = Log::new();
    log.commit(&[put(pod("a"))]);
    for _ in 0..20 {
        let dir = TempDir::new().unwrap();
        let loader = Projection::open(dir.path(), Options::default()).unwrap().load().unwrap();
        let mut loader = loader.with_stretch(1);
        loader.apply(1, &log.frames[0].0, log.frames[0].1).unwrap();
        drop(loader);
        // A thread that still wrote would hold it.
        let error = Projection::open(dir.path(), Options::default()).err().unwrap();
        assert!(matches!(error, OpenError::Unfinished { .. }), "{error}");
    }
}

#[test]
fn a_checkpoint_is_a_projection_of_its_own() {
    let (dir, copy) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut log = Log::new();
    log.commit(&[put(pod("a"))]);
    let projection = fed(&dir, Options::with_history(), &log);
    let cursor = projection.checkpoint(copy.path()).unwrap();
    log.commit(&[put(pod("b"))]);
    feed(&projection, &log);

    let copied = Projection::open(copy.path(), Options::with_history()).unwrap();
    assert_eq!(copied.cursor(), cursor);
    feed(&copied, &log);
    assert_eq!(copied.digest().unwrap(), projection.digest().unwrap());
}
