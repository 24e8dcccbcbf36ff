//! The view on a real nats-server: what it follows, what it notices, when it stops serving.

use std::path::Path;
use std::time::Duration;

use crate::common::{server, stream};
use rutter_projection::Options;
use rutter_runtime::server::{EmbeddedServer, ServerConfig};
use rutter_runtime::shutdown::{Shutdown, Stage};
use rutter_runtime::stream::{Appended, LogStream};
use rutter_runtime::view::{Health, View, ViewOptions};
use rutter_schemas::{
    Actor, Commit, CommitHeader, Event, Expect, FrameHeader, FrameText, Hash, Key, Meta, ObjectRef, Op,
    Revision, Uuid, state,
};
use serde_json::json;
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(20);

/// Writes frames as a ledger does, one ConfigMap each.
struct Scribe {
    stream: LogStream,
    number: u64,
    prev: Hash,
    /// What each ConfigMap holds.
    data: String,
}

impl Scribe {
    fn new(stream: LogStream) -> Scribe {
        Scribe { stream, number: 0, prev: Hash::NONE, data: String::new() }
    }

    async fn write(&mut self, name: &str) -> Revision {
        self.write_text(&self.frame(name)).await
    }

    async fn write_text(&mut self, frame: &FrameText) -> Revision {
        let appended = self.stream.append(frame.text.clone(), self.number).await;
        assert_eq!(appended, Appended::Acked(self.number + 1));
        (self.number, self.prev) = (self.number + 1, frame.hash);
        Revision(self.number)
    }

    fn frame(&self, name: &str) -> FrameText {
        let commit = Commit {
            header: CommitHeader {
                id: Uuid::new_v4(),
                base: Revision(self.number),
                incarnation: 0,
                actor: Actor::default(),
                cause: None,
                why: String::new(),
                traceparent: None,
                writer: "test/0".into(),
                expects: vec![Expect::Absent],
                guards: Vec::new(),
                counters: Vec::new(),
            },
            events: vec![birth(name, &self.data)],
        };
        let header = FrameHeader {
            id: Uuid::new_v4(),
            number: self.number + 1,
            epoch: 1,
            ledger: "scribe".into(),
            incarnation: 0,
            first: Revision(self.number + 1),
            events: 1,
            commits: 1,
            prev: self.prev,
            at: "2026-01-01T00:00:00.000000Z".into(),
            skipped: None,
        };
        FrameText::join(header, [&commit.encode()])
    }
}

fn birth(name: &str, data: &str) -> Event {
    let object = json!({"kind": "ConfigMap", "apiVersion": "v1", "data": {"all": data},
                        "metadata": {"name": name, "namespace": "default", "uid": name}});
    Event {
        event_type: "ConfigMapCreated".into(),
        op: Op::Create,
        object: ObjectRef {
            version: "v1".into(),
            kind: "ConfigMap".into(),
            resource: "configmaps".into(),
            namespace: "default".into(),
            name: name.into(),
            uid: name.into(),
            ..ObjectRef::default()
        },
        prior: Revision::NONE,
        meta: Meta::default(),
        touches: Vec::new(),
        state: state::encode(&object),
    }
}

async fn start(stream: &LogStream, dir: &Path, stage: &Stage) -> View {
    let options = ViewOptions::new(dir, Options::default());
    View::start(stream.clone(), options, stage).await.unwrap()
}

fn has(view: &View, name: &str) -> bool {
    let key = Key::new("", "configmaps", "default", name);
    view.snapshot().unwrap().get(&key).unwrap().is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_catches_up_and_follows_and_tells_its_subscribers_what_came_after_their_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let mut scribe = Scribe::new(stream(&server).await);
    scribe.write("before").await;
    let mut shutdown = Shutdown::new();
    let view = start(&scribe.stream, &dir.path().join("view"), &shutdown.stage("view")).await;
    view.ready().await.unwrap();
    assert!(has(&view, "before"));

    let (snapshot, mut frames) = view.subscribe().unwrap();
    assert_eq!(snapshot.revision(), Revision(1));
    let written = scribe.write("after").await;
    view.wait_for(written, Instant::now() + PATIENCE).await.unwrap();
    assert_eq!(frames.next().await.unwrap().revision, written);
    assert!(has(&view, "after"));

    let future = view.wait_for(Revision(99), Instant::now() + Duration::from_millis(50)).await;
    assert_eq!(future.unwrap_err().at, written);
    shutdown.finish().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_directory_is_rebuilt_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let mut scribe = Scribe::new(stream(&server).await);
    scribe.write("one").await;
    let home = dir.path().join("view");
    let mut shutdown = Shutdown::new();
    let view = start(&scribe.stream, &home, &shutdown.stage("view")).await;
    view.ready().await.unwrap();
    shutdown.finish().await;
    drop(view);
    spoil(&home);

    let mut shutdown = Shutdown::new();
    let view = start(&scribe.stream, &home, &shutdown.stage("view")).await;
    view.ready().await.unwrap();
    assert!(has(&view, "one"));
    shutdown.finish().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projection_of_another_layout_is_made_anew_and_goes_once_ours_has_caught_up() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let mut scribe = Scribe::new(stream(&server).await);
    scribe.write("one").await;
    let (home, old) = (dir.path().join("view"), dir.path().join("view/layout-1"));
    std::fs::create_dir_all(&old).unwrap();
    let mut shutdown = Shutdown::new();
    let view = start(&scribe.stream, &home, &shutdown.stage("view")).await;
    view.ready().await.unwrap();
    assert!(has(&view, "one"));
    while old.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    shutdown.finish().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_whose_disk_was_full_goes_on_when_there_is_room_again() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: a small disk needs root");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let mut scribe = Scribe::new(stream(&server).await);
    let disk = SmallDisk::mount(&dir.path().join("disk"));
    let mut shutdown = Shutdown::new();
    let view = start(&scribe.stream, &disk.0.join("view"), &shutdown.stage("view")).await;
    view.ready().await.unwrap();
    let before = scribe.write("before").await;
    view.wait_for(before, Instant::now() + PATIENCE).await.unwrap();

    let health = view.health();
    let ballast = disk.fill();
    // More than the store has reserved for its next writes.
    scribe.data = "x".repeat(64 << 10);
    let mut written = 0;
    while !matches!(*health.borrow(), Health::Unfit { .. }) {
        scribe.write(&format!("while-full-{written}")).await;
        written += 1;
        assert!(written < 1_000, "a full disk takes frames");
    }
    std::fs::remove_file(ballast).unwrap();
    let after = scribe.write("after").await;
    view.wait_for(after, Instant::now() + PATIENCE).await.unwrap();
    view.ready().await.unwrap();
    assert!(has(&view, "before") && has(&view, "while-full-0") && has(&view, "after"));
    shutdown.finish().await;
    drop(view);
    server.stop().await;
}

/// A file system of 64 MiB in memory; gone when dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> SmallDisk {
        use nix::mount::{MsFlags, mount};
        std::fs::create_dir_all(at).unwrap();
        mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::empty(), Some("size=64m")).unwrap();
        SmallDisk(at.to_owned())
    }

    /// Takes all the room that is left; gives the file that has it.
    fn fill(&self) -> std::path::PathBuf {
        use std::io::Write;
        let path = self.0.join("ballast");
        let mut file = std::fs::File::create(&path).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The directory under it is a temporary one.
        let _ = nix::mount::umount2(&self.0, nix::mount::MntFlags::MNT_DETACH);
    }
}

/// Overwrites RocksDB's manifests.
fn spoil(dir: &Path) {
    let mut spoilt = 0;
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            spoil(&entry.path());
        } else if entry.file_name().to_string_lossy().starts_with("MANIFEST") {
            std::fs::write(entry.path(), b"not a manifest").unwrap();
            spoilt += 1;
        }
    }
    assert!(spoilt <= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_restored_from_an_older_backup_under_a_running_view_is_noticed_and_nothing_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let (store, backup) = (dir.path().join("nats/store"), dir.path().join("backup"));
    let first = server(dir.path()).await;
    let port = first.url().rsplit_once(':').unwrap().1.to_owned();
    let mut scribe = Scribe::new(stream(&first).await);
    scribe.write("kept").await;
    first.stop().await;
    copy(&store, &backup);

    let second = server_at(dir.path(), &port).await;
    scribe.stream = stream(&second).await;
    let lost = scribe.write("lost").await;
    let mut shutdown = Shutdown::new();
    let view = start(&scribe.stream, &dir.path().join("view"), &shutdown.stage("view")).await;
    view.wait_for(lost, Instant::now() + PATIENCE).await.unwrap();
    second.stop().await;
    std::fs::remove_dir_all(&store).unwrap();
    copy(&backup, &store);

    let third = server_at(dir.path(), &port).await;
    let mut health = view.health();
    let unfit = health.wait_for(|health| matches!(health, Health::Unfit { .. }));
    let unfit = timeout(PATIENCE, unfit).await.unwrap().unwrap().clone();
    assert_eq!(unfit, Health::Unfit { why: "the log ends at frame 1, but frame 2 was applied".into() });
    assert!(view.snapshot().is_err());
    shutdown.finish().await;
    third.stop().await;
}

async fn server_at(dir: &Path, port: &str) -> EmbeddedServer {
    let config = ServerConfig {
        data_dir: dir.to_path_buf(),
        listen: format!("127.0.0.1:{port}").parse().unwrap(),
        binary: crate::common::binary(),
        max_store_bytes: 1 << 30,
    };
    EmbeddedServer::start(config).await.unwrap()
}

fn copy(from: &Path, to: &Path) {
    assert!(std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_is_fed_takes_each_frame_once_and_fetches_what_the_feed_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let mut scribe = Scribe::new(stream(&server).await);
    let mut shutdown = Shutdown::new();
    let view = start(&scribe.stream, &dir.path().join("view"), &shutdown.stage("view")).await;
    view.ready().await.unwrap();
    let mut last = Revision::NONE;
    for number in 0..30_u64 {
        let frame = scribe.frame(&format!("c{number}"));
        last = scribe.write_text(&frame).await;
        if number % 7 != 3 {
            view.feed(number + 1, frame.text);
        }
    }
    view.wait_for(last, Instant::now() + PATIENCE).await.unwrap();
    assert!((0..30).all(|number| has(&view, &format!("c{number}"))));
    view.end_feed();
    let more = scribe.write("delivered").await;
    view.wait_for(more, Instant::now() + PATIENCE).await.unwrap();
    shutdown.finish().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_log_is_loaded_in_bulk_and_then_followed() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let mut scribe = Scribe::new(stream(&server).await);
    for number in 0..2_100 {
        scribe.write(&format!("c{number}")).await;
    }
    let mut shutdown = Shutdown::new();
    let view = start(&scribe.stream, &dir.path().join("view"), &shutdown.stage("view")).await;
    view.ready().await.unwrap();
    assert_eq!(view.revision(), Revision(2_100));
    let more = scribe.write("more").await;
    view.wait_for(more, Instant::now() + PATIENCE).await.unwrap();
    shutdown.finish().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_from_the_future_is_kept_with_what_this_version_does_not_know() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let mut scribe = Scribe::new(stream(&server).await);
    let mut shutdown = Shutdown::new();
    let view = start(&scribe.stream, &dir.path().join("view"), &shutdown.stage("view")).await;
    view.ready().await.unwrap();

    // Of a version that says more in every line, about a kind that this one never heard of, in another century.
    let mut frame = scribe.frame("new");
    let text = String::from_utf8(frame.text.to_vec()).unwrap();
    let lines = text.lines().map(|line| line.replacen('{', r#"{"novelty":{"deep":[1]},"#, 1) + "\n");
    let text: String = lines.collect();
    let text = text.replace("ConfigMapCreated", "DreamCaught").replace("2026-01-01T", "2126-01-01T");
    let text = text.replace(r#""resource":"configmaps""#, r#""resource":"dreams""#);
    frame.text = text.into();
    frame.hash = Hash::of(&frame.text);
    let written = scribe.write_text(&frame).await;
    scribe.write("after").await;

    view.wait_for(written.next(), Instant::now() + PATIENCE).await.unwrap();
    let snapshot = view.snapshot().unwrap();
    let dream = Key::new("", "dreams", "default", "new");
    assert_eq!(snapshot.get(&dream).unwrap().unwrap().revision, written);
    assert_eq!(snapshot.event(written).unwrap().unwrap().event_type, "DreamCaught");
    assert!(has(&view, "after"), "and the log goes on");
    shutdown.finish().await;
    server.stop().await;
}
