//! The embedded nats-server, for real: what it keeps, who may do what, and how it comes back.

use std::time::Duration;

use crate::common::{SETTINGS, connect, server, stream};
use async_nats::{Client, Request, jetstream};
use futures::StreamExt;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rutter_runtime::roles::Role;
use rutter_runtime::server::{EmbeddedServer, ServerConfig, ServerState};
use rutter_runtime::stream::{Appended, Delivery, LogStream, StreamError};
use rutter_schemas::subjects;
use serde_json::json;

fn pid(server: &EmbeddedServer) -> u32 {
    match *server.state().borrow() {
        ServerState::Running { pid } => pid,
        other => panic!("it does not run: {other:?}"),
    }
}

fn kill_9(pid: u32) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
}

async fn restarted(server: &EmbeddedServer, old: u32) {
    let mut state = server.state();
    let again = state.wait_for(|state| matches!(state, ServerState::Running { pid } if *pid != old));
    tokio::time::timeout(Duration::from_secs(20), again).await.unwrap().unwrap();
}

/// Appends as the ledger does: the same bytes again until the leader has an opinion.
async fn append_until_heard(stream: &LogStream, text: &'static str, expected: u64) -> Appended {
    loop {
        match stream.append(text.into(), expected).await {
            Appended::TimedOut | Appended::Unavailable(_) => {
                tokio::time::sleep(Duration::from_millis(50)).await
            }
            heard => return heard,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_stands_behind_what_it_expects_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let stream = stream(&server).await;

    assert_eq!(stream.append("one".into(), 0).await, Appended::Acked(1));
    assert_eq!(stream.append("late".into(), 0).await, Appended::Refused);
    assert_eq!(stream.append("two".into(), 1).await, Appended::Acked(2));

    assert_eq!(stream.last().await.unwrap(), 2);
    assert_eq!(stream.read(2).await.unwrap().unwrap(), "two");
    assert_eq!(stream.read(3).await.unwrap(), None);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_and_followers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let stream = stream(&server).await;
    let mut follow = stream.follow(1);
    assert_eq!(follow.next().await, Delivery::Subscribed);
    assert_eq!(stream.append("one".into(), 0).await, Appended::Acked(1));
    assert_eq!(follow.next().await, Delivery::Frame(1, "one".into()));

    let old = pid(&server);
    kill_9(old);
    restarted(&server, old).await;

    assert_eq!(append_until_heard(&stream, "two", 1).await, Appended::Acked(2));
    let next = async {
        loop {
            if let Delivery::Frame(sequence, bytes) = follow.next().await {
                return (sequence, bytes);
            }
        }
    };
    let next = tokio::time::timeout(Duration::from_secs(20), next).await.unwrap();
    assert_eq!(next, (2, "two".into()));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gets_no_consumer_reads_the_log_frame_by_frame() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let client = connect(&server, &Role::Ledger).await;
    let one_consumer = json!({"name": subjects::STREAM, "subjects": [subjects::LOG], "max_consumers": 1});
    let made = client.request("$JS.API.STREAM.CREATE.RUTTER", one_consumer.to_string().into()).await.unwrap();
    assert!(!String::from_utf8_lossy(&made.payload).contains("error"));
    let stream = LogStream::open(client).await.unwrap();
    let mut first = stream.follow(1);
    assert_eq!(first.next().await, Delivery::Subscribed);

    assert_eq!(stream.append("one".into(), 0).await, Appended::Acked(1));
    assert_eq!(stream.append("two".into(), 1).await, Appended::Acked(2));
    let mut second = stream.follow(1);
    assert_eq!(second.next().await, Delivery::Subscribed);
    assert_eq!(second.next().await, Delivery::Frame(1, "one".into()));
    assert_eq!(second.next().await, Delivery::Frame(2, "two".into()));
    assert_eq!(stream.append("three".into(), 2).await, Appended::Acked(3));
    assert_eq!(second.next().await, Delivery::Frame(3, "three".into()));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_answers_on_a_new_connection_what_it_was_asked_on_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let (ledger, gateway) = (connect(&server, &Role::Ledger).await, connect(&server, &Role::Gateway).await);
    let mut asked = ledger.subscribe(subjects::PROPOSE).await.unwrap();
    hears(&ledger).await;
    let asking = gateway.clone();
    let answer = tokio::spawn(async move {
        let patient = Request::new().payload("may I?".into()).timeout(Some(Duration::from_secs(60)));
        asking.send_request(subjects::PROPOSE, patient).await
    });
    let question = asked.next().await.unwrap();

    let old = pid(&server);
    kill_9(old);
    restarted(&server, old).await;
    hears(&ledger).await;
    hears(&gateway).await;
    ledger.publish(question.reply.unwrap(), "yes".into()).await.unwrap();
    assert_eq!(answer.await.unwrap().unwrap().payload, "yes");
    server.stop().await;
}

/// Asks until a client gets answers, on a connection as it is now: each question is an attempt, and no event tells when
/// the next one is worth it.
async fn hears(client: &Client) {
    let hears = async {
        while client.request("$JS.API.STREAM.INFO.RUTTER", "".into()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), hears).await.expect("the server answers again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_leaves_nothing_and_starts_again_on_its_data() {
    let dir = tempfile::tempdir().unwrap();
    let first = server(dir.path()).await;
    let child = pid(&first);
    assert_eq!(stream(&first).await.append("one".into(), 0).await, Appended::Acked(1));
    first.stop().await;
    assert!(!std::path::Path::new(&format!("/proc/{child}")).exists());

    let second = server(dir.path()).await;
    assert_eq!(stream(&second).await.last().await.unwrap(), 1);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_is_refused_what_is_not_its_work() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let stream = stream(&server).await;
    assert_eq!(stream.append("one".into(), 0).await, Appended::Acked(1));
    let others =
        [Role::Gateway, Role::Placement, Role::Replicator, Role::Autoscaler, Role::Node("n.1".to_owned())];

    for role in others {
        let client = connect(&server, &role).await;
        client.publish("rutter.log", "forged".into()).await.unwrap();
        for verb in ["PURGE", "UPDATE", "DELETE", "CREATE"] {
            let refused = client.request(format!("$JS.API.STREAM.{verb}.RUTTER"), "{}".into());
            let heard = tokio::time::timeout(Duration::from_millis(100), refused).await;
            assert!(!matches!(heard, Ok(Ok(_))), "{role} may {verb} the stream");
        }
    }
    let info = stream.info().await.unwrap();
    assert_eq!((info.first, info.last), (1, 1));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_follows_the_log_and_a_node_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let stream = stream(&server).await;
    stream.append("one".into(), 0).await;

    for role in [Role::Gateway, Role::Placement, Role::Replicator, Role::Autoscaler] {
        let reader = LogStream::open(connect(&server, &role).await).await.unwrap();
        let mut follow = reader.follow(1);
        assert_eq!(follow.next().await, Delivery::Subscribed);
        assert_eq!(follow.next().await, Delivery::Frame(1, "one".into()), "{role}");
    }
    let node = jetstream::new(connect(&server, &Role::Node("a".to_owned())).await);
    let refused = tokio::time::timeout(Duration::from_millis(300), node.get_stream("RUTTER")).await;
    assert!(!matches!(refused, Ok(Ok(_))));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_hears_its_own_subjects_and_answers_but_not_its_neighbours() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let gateway = connect(&server, &Role::Gateway).await;
    let (a, b) = (
        connect(&server, &Role::Node("a".to_owned())).await,
        connect(&server, &Role::Node("b".to_owned())).await,
    );
    let mut own = a.subscribe("rutter.node.a.dial").await.unwrap();
    let mut foreign = b.subscribe("rutter.node.a.>").await.unwrap();
    a.flush().await.unwrap();
    b.flush().await.unwrap();

    let answering = tokio::spawn(async move {
        let asked = own.next().await.unwrap();
        a.publish(asked.reply.unwrap(), "here".into()).await.unwrap();
        a.flush().await.unwrap();
    });
    // The server may hear of the subscription after the first requests.
    let answer = async {
        loop {
            match gateway.request("rutter.node.a.dial", "who?".into()).await {
                Ok(answer) => return answer,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(20), answer).await.unwrap();
    assert_eq!(answer.payload, "here");
    answering.await.unwrap();
    let overheard = tokio::time::timeout(Duration::from_millis(200), foreign.next()).await;
    assert!(!matches!(overheard, Ok(Some(_))), "b heard what was for a");
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused_by_what_it_says_of_itself() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let old = dir.path().join("nats-server");
    std::fs::write(&old, "#!/bin/sh\necho 'nats-server: v2.9.10'\n").unwrap();
    std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o755)).unwrap();
    let refused = EmbeddedServer::start(ServerConfig {
        data_dir: dir.path().join("data"),
        listen: "127.0.0.1:0".parse().unwrap(),
        binary: Some(old),
        max_store_bytes: 1 << 30,
    });
    let refused = refused.await.expect_err("an old server is not started").to_string();
    assert!(refused.contains("2.9.10"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_would_lose_events_is_not_taken_for_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let client = connect(&server, &Role::Ledger).await;
    let careless = r#"{"name":"RUTTER","subjects":["rutter.log"],"retention":"limits","storage":"file",
                       "discard":"old","max_age":60000000000,"max_bytes":1048576,"num_replicas":1}"#;
    client.request("$JS.API.STREAM.CREATE.RUTTER", careless.into()).await.unwrap();
    let refused = LogStream::ensure(client, &SETTINGS).await.unwrap_err();
    let StreamError::Settings { mistakes } = &refused else { panic!("{refused}") };
    assert!(mistakes.iter().any(|mistake| mistake.starts_with("discard must be")), "{refused}");
    assert!(mistakes.iter().any(|mistake| mistake.starts_with("max_age must be")), "{refused}");
    server.stop().await;
}
