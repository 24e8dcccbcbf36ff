//! The log on three servers: what one server promises holds here too, and the death of any one is survived.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rutter_ledger::core::Proving;
use rutter_runtime::nats::NatsConfig;
use rutter_runtime::port::Port;
use rutter_runtime::roles::Role;
use rutter_runtime::server::{EmbeddedServer, Member, ServerConfig, ServerState};
use rutter_runtime::shutdown::Shutdown;
use rutter_runtime::stream::{LogStream, Replicas, StreamSettings};
use rutter_schemas::{Key, Revision};
use tokio::time::{Instant, timeout};

use crate::common::{Process, birth, committed, config, view};

const SETTINGS: StreamSettings = StreamSettings { replicas: Replicas::Three, max_bytes: 64 << 20 };

async fn three(dir: &Path) -> Vec<EmbeddedServer> {
    let local: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let held: Vec<Port> = (0..3).map(|_| Port::hold(local).unwrap()).collect();
    let peers: Vec<SocketAddr> = held.iter().map(Port::address).collect();
    let mut servers = Vec::new();
    for (number, listen) in peers.iter().enumerate() {
        let member = Member {
            name: format!("nats-{number}"),
            listen: *listen,
            routes: peers.iter().map(SocketAddr::to_string).collect(),
            reached_as: Vec::new(),
            keys: dir.join("keys"),
        };
        let config = ServerConfig {
            data_dir: dir.join(&member.name),
            listen: local,
            binary: crate::common::nats::binary(),
            max_store_bytes: 1 << 30,
        };
        servers.push(EmbeddedServer::start_member(config, &member).await.unwrap());
    }
    servers
}

/// A connection that knows all three.
fn connection(servers: &[EmbeddedServer], role: &Role) -> NatsConfig {
    let mut all = servers[0].connection(role);
    all.servers = servers.iter().map(|server| server.url().parse().unwrap()).collect();
    all
}

async fn stream_of(client: async_nats::Client) -> LogStream {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match LogStream::ensure(client.clone(), &SETTINGS).await {
            Ok(stream) => return stream,
            Err(error) if Instant::now() > deadline => panic!("no stream: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

fn kill_9(server: &EmbeddedServer) {
    let ServerState::Running { pid } = *server.state().borrow() else { panic!("it does not run") };
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_by_three_servers_is_lost_when_each_is_killed_in_turn() {
    let dir = tempfile::tempdir().unwrap();
    let servers = three(dir.path()).await;
    let connection = connection(&servers, &Role::Ledger);
    let client = rutter_runtime::nats::connect(&connection, &Role::Ledger).await.unwrap();
    let stream = stream_of(client).await;
    let config = rutter_ledger::LedgerConfig { stream: SETTINGS, ..config(dir.path(), "a", Proving::Framed) };
    let process = Process::on(stream, config, dir.path(), true).await;
    process.active().await;
    let writer = &process.writer;
    // Another process, which follows the log from the servers.
    let client = rutter_runtime::nats::connect(&connection, &Role::Ledger).await.unwrap();
    let mut elsewhere = Shutdown::new();
    let follower =
        view(&stream_of(client).await, &dir.path().join("follower"), &elsewhere.stage("view")).await;

    let mut acknowledged = Vec::new();
    for (round, server) in servers.iter().enumerate() {
        for number in 0..20 {
            let name = format!("r{round}-{number}");
            acknowledged.push((committed(writer, vec![birth(&name, 64)]).await, name));
        }
        kill_9(server);
        let name = format!("after-{round}");
        let again = timeout(Duration::from_secs(40), committed(writer, vec![birth(&name, 64)]));
        let revision = again.await.unwrap();
        follower.wait_for(revision, Instant::now() + Duration::from_secs(40)).await.unwrap();
        acknowledged.push((revision, name));
    }

    let deadline = Instant::now() + Duration::from_secs(40);
    let snapshot = writer.now.read(&writer.view, deadline).await.unwrap();
    assert_eq!(snapshot.revision(), Revision(63), "each was recorded once");
    for (revision, name) in acknowledged {
        let record = snapshot.get(&Key::new("", "configmaps", "default", &name)).unwrap().unwrap();
        assert_eq!(record.revision, revision, "{name}");
    }
    elsewhere.finish().await;
    process.stop().await;
    for server in servers {
        server.stop().await;
    }
}
