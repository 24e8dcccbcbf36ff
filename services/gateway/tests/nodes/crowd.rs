//! Many at once: what nodes say together costs the log little, and what concerns one node is told to it alone.

use std::collections::BTreeSet;

use futures::future::join_all;
use rutter_runtime::roles::Role;
use rutter_schemas::protocol::node::{NodeCommand, NodeReply};
use rutter_schemas::{Revision, subjects};
use serde_json::Value;

use crate::agent::{Node, described};
use crate::cluster::Cluster;
use crate::stories::{create, pod, running, text};

/// Commands of many nodes over one connection, as a process that plays many nodes sends them: the gateway itself may
/// speak for any.
async fn together(cluster: &Cluster, commands: Vec<(String, NodeCommand)>) -> Vec<Revision> {
    let client = cluster.connect(&Role::Gateway).await;
    let asked = commands.into_iter().map(|(node, command)| {
        let client = client.clone();
        async move {
            let command = serde_json::to_vec(&command).expect("plain data");
            let request = async_nats::Request::new().payload(command.into()).timeout(None);
            let answer =
                client.send_request(subjects::node::command(&node), request).await.expect("an answer");
            match serde_json::from_slice(&answer.payload).expect("a reply") {
                NodeReply::Done { revision } => revision,
                other => panic!("not done: {other:?}"),
            }
        }
    });
    join_all(asked).await
}

#[tokio::test(flavor = "multi_thread")]
async fn more_nodes_than_ranges_register_at_once_and_no_range_is_given_twice() {
    let cluster = Cluster::start().await;
    let names: Vec<String> = (0..300).map(|number| format!("node-{number}")).collect();
    let register = |name: &String| (name.clone(), NodeCommand::Register { node: described(name) });
    together(&cluster, names.iter().map(register).collect()).await;

    let nodes = cluster.admin().get("/api/v1/nodes").await.json();
    let nodes = nodes["items"].as_array().expect("a list");
    assert_eq!(nodes.len(), 300);
    let given: Vec<String> =
        nodes.iter().map(|node| text(node, "/spec/podCIDR")).filter(|range| !range.is_empty()).collect();
    assert_eq!(given.iter().collect::<BTreeSet<&String>>().len(), given.len(), "one range, two nodes");
    assert_eq!(given.len(), 256, "all that there are");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_that_come_together_share_frames_and_each_keeps_its_reason() {
    let cluster = Cluster::start().await;
    let node = Node::start(&cluster, "a").await;
    let mut pods: Vec<Value> = Vec::new();
    for number in 0..100 {
        pods.push(create(&cluster, "pods", &pod(&format!("web-{number}"), "a")).await);
    }
    let report = |pod: &Value| (node.name.clone(), running(pod, Some(Revision(1))));
    let revisions = together(&cluster, pods.iter().map(report).collect()).await;

    let snapshot = cluster.gateway.store.current().await.expect("a view");
    let events =
        revisions.iter().map(|revision| snapshot.event(*revision).expect("readable").expect("recorded"));
    let mut frames = BTreeSet::new();
    for event in events {
        assert_eq!((&*event.event_type, event.cause), ("ContainerStarted", Some(Revision(1))));
        frames.insert(event.sequence);
    }
    assert!(frames.len() <= 25, "100 statuses took {} frames", frames.len());
    cluster.stop().await;
}
