//! Simulated nodes over a real nats-server: the whole node protocol as it goes over the wire, with a gateway that lives
//! in the test.

mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use rutter_nodeagent::{Config, Connections, RuntimeKind, run};
use rutter_schemas::protocol::node::{
    Feed, FeedChange, FeedMessage, FeedSync, NodeCommand, NodeReply, NodeStats,
};
use rutter_schemas::{Key, Revision, subjects};
use serde_json::{Value, json};
use support::Broker;
use tokio_util::sync::CancellationToken;

const NODES: u32 = 50;
const PODS_PER_NODE: usize = 5;

#[derive(Default)]
struct Seen {
    registered: BTreeSet<String>,
    beating: BTreeSet<String>,
    running: BTreeSet<String>,
    deleted: BTreeSet<String>,
}

fn pod(node: &str, number: usize, deleted: bool) -> FeedChange {
    let name = format!("{node}-pod-{number}");
    let mut object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": format!("uid-{name}"), "resourceVersion": "3"},
        "spec": {"nodeName": node, "containers": [{
            "name": "web", "image": "any:1", "readinessProbe": {"httpGet": {"path": "/", "port": 80}}}]},
    });
    if deleted {
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        object["metadata"]["deletionGracePeriodSeconds"] = json!(1);
    }
    let object = serde_json::value::to_raw_value(&object).expect("JSON");
    FeedChange::Put { key: Key::new("", "pods", "default", &name), object }
}

fn message(prior: u64, revision: u64, changes: Vec<FeedChange>) -> FeedMessage {
    FeedMessage {
        feed: Feed::Own,
        revision: Revision(revision),
        prior: Revision(prior),
        snapshot: false,
        end: false,
        part: 0,
        changes,
        traceparent: None,
    }
}

/// Answers syncs in two parts and takes every command.
async fn serve(client: async_nats::Client, seen: Arc<Mutex<Seen>>) {
    let mut syncs = client.subscribe(subjects::node::all("sync")).await.expect("connected");
    let mut commands = client.subscribe(subjects::node::all("command")).await.expect("connected");
    let mut stats = client.subscribe(subjects::node::all("stats")).await.expect("connected");
    loop {
        tokio::select! {
            Some(asked) = syncs.next() => {
                let sync: FeedSync = serde_json::from_slice(&asked.payload).expect("a sync");
                let node = subjects::node::name_in(&asked.subject).expect("a node's subject");
                let reply = asked.reply.expect("a request");
                let pods = if sync.feed == Feed::Own { PODS_PER_NODE } else { 0 };
                let half = (0..pods / 2).map(|number| pod(&node, number, false)).collect();
                let rest = (pods / 2..pods).map(|number| pod(&node, number, false)).collect();
                let of = |part, changes| {
                    FeedMessage { feed: sync.feed, snapshot: true, end: part == 1, part, ..message(0, 3, changes) }
                };
                for part in [of(0, half), of(1, rest)] {
                    let text = serde_json::to_vec(&part).expect("plain data");
                    client.publish(reply.clone(), text.into()).await.expect("connected");
                }
            }
            Some(asked) = commands.next() => {
                let node = subjects::node::name_in(&asked.subject).expect("a node's subject");
                let command = serde_json::from_slice(&asked.payload).expect("a command");
                take(&mut seen.lock().expect("no panic"), node, command);
                let reply = serde_json::to_vec(&NodeReply::Done { revision: Revision(4) }).expect("plain data");
                client.publish(asked.reply.expect("a request"), reply.into()).await.expect("connected");
            }
            Some(sample) = stats.next() => {
                let sample: NodeStats = serde_json::from_slice(&sample.payload).expect("statistics");
                seen.lock().expect("no panic").beating.insert(sample.node);
            }
            else => return,
        }
    }
}

fn take(seen: &mut Seen, node: String, command: NodeCommand) {
    match command {
        NodeCommand::Register { node: object } => {
            assert_eq!(object["metadata"]["name"], Value::from(node.as_str()));
            seen.registered.insert(node);
        }
        NodeCommand::PodStatus { name, status, .. } => {
            let ready = status["containerStatuses"][0]["ready"] == true;
            if status["phase"] == "Running" && ready {
                seen.running.insert(name);
            }
        }
        NodeCommand::PodDelete { name, .. } => {
            seen.deleted.insert(name);
        }
        _ => {}
    }
}

async fn until(what: &str, seen: &Mutex<Seen>, holds: impl Fn(&Seen) -> bool) {
    let began = Instant::now();
    while !holds(&seen.lock().expect("no panic")) {
        assert!(began.elapsed() < Duration::from_secs(60), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_simulated_nodes_run_and_end_their_pods() {
    let Some(broker) = Broker::start() else { return };
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let gateway = broker.connect().await;
    tokio::spawn(serve(gateway.clone(), seen.clone()));
    gateway.flush().await.expect("connected");
    let dir = tempfile::tempdir().expect("a directory");
    let cfg = Config {
        node_name: "sim".into(),
        data_dir: dir.path().to_owned(),
        run_dir: PathBuf::from("/tmp/never-made"),
        runtime: RuntimeKind::Sim { nodes: NODES },
        ..Config::default()
    };
    let stop = CancellationToken::new();
    let connections = Connections { control: broker.connect().await, data: broker.connect().await };
    let running = tokio::spawn(run(cfg, connections, stop.clone()));
    let (nodes, pods) = (NODES as usize, NODES as usize * PODS_PER_NODE);
    until("all nodes are registered", &seen, |seen| seen.registered.len() == nodes).await;
    until("all pods run", &seen, |seen| seen.running.len() == pods).await;
    until("all nodes beat", &seen, |seen| seen.beating.len() == nodes).await;

    // Twice, as from two gateways: a repeat is dropped.
    for _ in 0..2 {
        let node = "sim-7";
        let changes = (0..PODS_PER_NODE).map(|number| pod(node, number, true)).collect();
        let text = serde_json::to_vec(&message(3, 5, changes)).expect("plain data");
        gateway.publish(subjects::node::feed(node), text.into()).await.expect("connected");
    }
    until("its pods are deleted", &seen, |seen| seen.deleted.len() == PODS_PER_NODE).await;
    stop.cancel();
    running.await.expect("no panic").expect("the nodes ran");
    assert!(!PathBuf::from("/tmp/never-made").exists(), "a simulated node leaves nothing");
}
