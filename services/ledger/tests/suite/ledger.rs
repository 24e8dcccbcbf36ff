//! A ledger on a real nats-server: commits, refusals, reads, take-overs, restarts, the past.

use crate::common::nats::server;
use crate::common::{Process, birth, change, commit, committed, config, propose, soon, with_room};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rutter_ledger::core::{Proving, Role};
use rutter_ledger::verify::{Verifier, VerifyError, verify};
use rutter_ledger::{LedgerError, history};
use rutter_log::FollowError;
use rutter_projection::Options;
use rutter_runtime::server::{EmbeddedServer, ServerState};
use rutter_schemas::protocol::ledger::{HistoryAnswer, HistoryQuery};
use rutter_schemas::{Key, Outcome, Rejection, Revision};

fn key(name: &str) -> Key {
    Key::new("", "configmaps", "default", name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_goes_from_the_proposer_through_the_ledger_into_the_view() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let process = Process::start(&server, dir.path(), "a", Proving::Owned).await;
    let writer = &process.writer;

    let revision = committed(writer, vec![birth("one", 8), birth("two", 8)]).await;
    assert_eq!(revision, Revision(2));
    writer.view.wait_for(revision, soon()).await.unwrap();
    let record = writer.view.snapshot().unwrap().get(&key("two")).unwrap().unwrap();
    assert_eq!(record.revision, Revision(2));

    let again = propose(writer, vec![birth("one", 8)]).await;
    let actual = Some(Revision(1));
    assert_eq!(again, Outcome::Rejected(Rejection::Stale { key: key("one"), actual }));
    process.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_bytes_twice_are_recorded_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let process = Process::start(&server, dir.path(), "a", Proving::Asked).await;
    process.active().await;
    let writer = &process.writer;
    let text = commit(writer, vec![birth("one", 8)]).encode();

    let first = writer.proposer.attempt(text.clone()).await;
    let second = writer.proposer.attempt(text).await;
    assert_eq!(first, Some(Outcome::Committed { first: Revision(1), last: Revision(1) }));
    assert_eq!(first, second);
    process.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_after_a_write_sees_it_whichever_way_it_is_proved() {
    for proving in [Proving::Owned, Proving::Asked, Proving::Framed] {
        let dir = tempfile::tempdir().unwrap();
        let server = server(dir.path()).await;
        let process = Process::start(&server, dir.path(), "a", proving).await;
        let written = committed(&process.writer, vec![birth("one", 8)]).await;
        let snapshot = process.writer.now.read(&process.writer.view, soon()).await.unwrap();
        assert!(snapshot.revision() >= written, "{proving:?}");
        process.stop().await;
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_at_once_when_the_active_ledger_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let first = Process::start(&server, dir.path(), "a", Proving::Asked).await;
    first.active().await;
    let second = Process::with(&server, config(dir.path(), "b", Proving::Asked), dir.path(), false).await;
    let before = committed(&second.writer, vec![birth("one", 8)]).await;

    first.stop().await;
    second.active().await;
    second.writer.view.wait_for(before, soon()).await.unwrap();
    let after = committed(&second.writer, vec![change("one", before)]).await;
    assert_eq!(after, before.next());
    assert_eq!(second.ledger.state().borrow().epoch, 2);
    second.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_deposed_behind_its_back_follows_and_answers_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let deposed = Process::start(&server, dir.path(), "a", Proving::Asked).await;
    deposed.active().await;
    // One that waits for nobody takes over although the other lives.
    let usurper = Process::start(&server, dir.path(), "b", Proving::Owned).await;
    usurper.active().await;

    let mut state = deposed.ledger.state();
    let following = state.wait_for(|state| state.role == Role::Following && state.epoch == 2);
    tokio::time::timeout(std::time::Duration::from_secs(10), following).await.unwrap().unwrap();
    let through_the_deposed = committed(&deposed.writer, vec![birth("one", 8)]).await;
    assert_eq!(through_the_deposed, Revision(1));
    usurper.stop().await;
    deposed.stop().await;
    server.stop().await;
}

fn kill_server(server: &EmbeddedServer) {
    let ServerState::Running { pid } = *server.state().borrow() else { panic!("it does not run") };
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled_when_the_server_is_killed_under_writers() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let process = Process::start(&server, dir.path(), "a", Proving::Owned).await;
    process.active().await;
    let writers: Vec<_> = (0..8)
        .map(|number| {
            let writer = process.writer.clone();
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for round in 0..40 {
                    let name = format!("w{number}-{round}");
                    acknowledged.push((committed(&writer, vec![birth(&name, 64)]).await, name));
                }
                acknowledged
            })
        })
        .collect();
    // In the middle of it.
    process.writer.view.wait_for(Revision(80), soon()).await.unwrap();
    kill_server(&server);

    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    let snapshot = process.writer.now.read(&process.writer.view, soon()).await.unwrap();
    assert_eq!(snapshot.revision(), Revision(320), "each was recorded once");
    for (revision, name) in acknowledged {
        assert_eq!(snapshot.get(&key(&name)).unwrap().unwrap().revision, revision, "{name}");
    }
    process.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_from_the_saved_index_or_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let first = Process::start(&server, dir.path(), "a", Proving::Owned).await;
    committed(&first.writer, vec![birth("one", 8)]).await;
    first.stop().await;
    for (round, saved) in [true, false].into_iter().enumerate() {
        if !saved {
            std::fs::remove_file(dir.path().join("a-index")).unwrap();
        }
        let next = Process::start(&server, dir.path(), "a", Proving::Owned).await;
        let stale = propose(&next.writer, vec![birth("one", 8)]).await;
        assert!(matches!(stale, Outcome::Rejected(Rejection::Stale { .. })), "{stale:?}");
        let name = format!("round-{round}");
        let revision = committed(&next.writer, vec![birth(&name, 8)]).await;
        assert_eq!(revision, Revision(2 + round as u64));
        next.stop().await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_nearly_full_takes_deletes_only_and_recovers_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let narrow = with_room(config(dir.path(), "a", Proving::Owned), 17 << 20);
    let process = Process::with(&server, narrow, dir.path(), true).await;
    let writer = &process.writer;
    let first = committed(writer, vec![birth("first", 1 << 20)]).await;

    let refused = async {
        loop {
            let name = uuid::Uuid::new_v4().to_string();
            // The first left less than is kept free. Small ones leave the rest until the ledger looks, so that what
            // refuses is the look and not the broker.
            match propose(writer, vec![birth(&name, 8)]).await {
                Outcome::Committed { .. } => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
                Outcome::Rejected(rejection) => return rejection,
            }
        }
    };
    let refused = tokio::time::timeout(std::time::Duration::from_secs(60), refused).await.unwrap();
    assert!(matches!(refused, Rejection::StorageFull { .. }), "{refused:?}");
    let mut death = change("first", first);
    death.op = rutter_schemas::Op::Delete;
    committed(writer, vec![death]).await;

    let wide = crate::common::nats::connect(&server, &rutter_runtime::roles::Role::Ledger).await;
    rutter_runtime::stream::LogStream::ensure(wide, &crate::common::nats::SETTINGS).await.unwrap();
    let again = async {
        while let Outcome::Rejected(_) = propose(writer, vec![birth("again", 8)]).await {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), again).await.unwrap();
    process.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_lost_its_tail_is_noticed_and_goes_on_only_as_a_new_incarnation() {
    let dir = tempfile::tempdir().unwrap();
    let (log, backup) = (dir.path().join("nats/store"), dir.path().join("backup"));
    let first = server(dir.path()).await;
    let process = Process::start(&first, dir.path(), "a", Proving::Owned).await;
    committed(&process.writer, vec![birth("kept", 8)]).await;
    process.stop().await;
    first.stop().await;
    copy(&log, &backup);
    let second = server(dir.path()).await;
    let process = Process::start(&second, dir.path(), "a", Proving::Owned).await;
    committed(&process.writer, vec![birth("lost", 8)]).await;
    process.stop().await;
    second.stop().await;
    std::fs::remove_dir_all(&log).unwrap();
    copy(&backup, &log);

    let third = server(dir.path()).await;
    let stream = crate::common::nats::stream(&third).await;
    let refused = rutter_ledger::check(&config(dir.path(), "a", Proving::Owned), &stream).await;
    assert!(matches!(refused, Err(LedgerError::LostTail { .. })), "{refused:?}");

    let anew =
        rutter_ledger::LedgerConfig { new_incarnation: true, ..config(dir.path(), "a", Proving::Owned) };
    std::fs::remove_dir_all(dir.path().join("a-view")).unwrap();
    let process = Process::with(&third, anew, dir.path(), true).await;
    process.active().await;
    let head = process.writer.now.read(&process.writer.view, soon()).await.unwrap().revision();
    assert!(head.incarnation() > 0, "{head}");
    let revision = committed(&process.writer, vec![birth("lost", 8)]).await;
    assert_eq!(revision, Revision::base_of(head.incarnation()).next());
    process.stop().await;
    third.stop().await;
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_past_is_told_what_happened_why_and_how_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let process = Process::start(&server, dir.path(), "a", Proving::Owned).await;
    let writer = &process.writer;
    let born = committed(writer, vec![birth("one", 8)]).await;
    writer.view.wait_for(born, soon()).await.unwrap();
    let mut answering = commit(writer, vec![change("one", born)]);
    answering.header.cause = Some(born);
    writer.proposer.propose(&answering, soon()).await.unwrap();
    writer.view.wait_for(born.next(), soon()).await.unwrap();

    let reaching =
        |reaching| HistoryQuery::History { key: key("one"), after: Revision::NONE, reaching, limit: 10 };
    let ahead = history::ask(&writer.view, reaching(Revision(99))).await;
    assert!(matches!(ahead, HistoryAnswer::Behind { at } if at == born.next()), "{ahead:?}");
    let asked = reaching(born.next());
    let HistoryAnswer::Facts { facts, more: false } = history::ask(&writer.view, asked).await else {
        panic!("not facts")
    };
    let types: Vec<&str> = facts.iter().map(|fact| fact.event_type.as_str()).collect();
    assert_eq!(types, ["ConfigMapCreated", "ConfigMapUpdated"]);

    let why = history::ask(&writer.view, HistoryQuery::Why { revision: born.next() }).await;
    let HistoryAnswer::Facts { facts, .. } = why else { panic!("not facts") };
    assert_eq!(facts.iter().map(|fact| fact.revision).collect::<Vec<_>>(), [born.next(), born]);

    let was = history::ask(&writer.view, HistoryQuery::GetAt { key: key("one"), revision: born }).await;
    let HistoryAnswer::Object { object: Some(object), .. } = was else { panic!("no object") };
    assert!(object.get().contains("\"resourceVersion\":\"1\""));
    process.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_projection_equals_one_rebuilt_and_a_flipped_byte_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let process = Process::start(&server, dir.path(), "a", Proving::Owned).await;
    let writer = &process.writer;
    for number in 0..20 {
        let revision = committed(writer, vec![birth(&format!("c{number}"), 100)]).await;
        writer.view.wait_for(revision, soon()).await.unwrap();
    }
    let stream = crate::common::nats::stream(&server).await;
    let (kept, scratch) = (writer.view.projection().unwrap(), tempfile::tempdir().unwrap());
    let report = verify(&stream, &kept, Options::with_history(), scratch.path(), |_, _| {}).await.unwrap();
    assert_eq!((report.events, report.differs), (20, Vec::new()));

    let scratch = tempfile::tempdir().unwrap();
    let mut verifier = Verifier::start(scratch.path(), Options::with_history()).unwrap();
    let broken = async {
        for sequence in 1..=report.frames {
            let mut bytes = stream.read(sequence).await.unwrap().unwrap().to_vec();
            if sequence == 7 {
                let text = bytes.windows(3).position(|three| three == b"xxx").unwrap();
                bytes[text] = b'y';
            }
            verifier.take(sequence, &bytes)?;
        }
        Ok::<_, VerifyError>(())
    };
    let found = broken.await.unwrap_err();
    assert!(matches!(found, VerifyError::Broken(FollowError::Forked { sequence: 8, .. })), "{found:?}");
    process.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_frame_can_hold_is_refused_and_says_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let process = Process::start(&server, dir.path(), "a", Proving::Owned).await;
    let large = (0..9).map(|number| birth(&format!("c{number}"), 1 << 20)).collect();
    let refused = propose(&process.writer, large).await;
    assert!(matches!(refused, Outcome::Rejected(Rejection::TooLarge { .. })), "{refused:?}");
    process.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_events_are_published_to_who_asked_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let process = Process::start(&server, dir.path(), "a", Proving::Owned).await;
    process.active().await;
    let listener = crate::common::nats::connect(&server, &rutter_runtime::roles::Role::Autoscaler).await;
    let mut events = listener.subscribe("rutter.event.=.configmaps.default.*").await.unwrap();
    listener.publish(rutter_runtime::roles::ASK_FOR_EVENTS, "".into()).await.unwrap();
    listener.flush().await.unwrap();

    let heard = async {
        for number in 0.. {
            committed(&process.writer, vec![birth(&format!("c{number}"), 8)]).await;
            let next = futures::StreamExt::next(&mut events);
            if let Ok(Some(message)) = tokio::time::timeout(std::time::Duration::from_millis(200), next).await
            {
                return message;
            }
        }
        unreachable!("it goes on until it hears something")
    };
    let message = tokio::time::timeout(std::time::Duration::from_secs(20), heard).await.unwrap();
    let fact: rutter_schemas::protocol::ledger::Fact = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(fact.event_type, "ConfigMapCreated");
    process.stop().await;
    server.stop().await;
}
