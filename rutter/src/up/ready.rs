//! Waiting for what a start promises.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rutter_client::Client;
use serde_json::Value;

/// How long a node may take to be Ready.
const NODES_READY: Duration = Duration::from_secs(120);

/// Waits until the API says that it is ready.
pub(super) async fn api(client: &Client) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match client.get::<Value>("/api/v1/namespaces/default").await {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => {
                return Err(error.context("the API does not become ready"));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// Waits until every node that was asked for is Ready.
pub(super) async fn nodes(client: &Client, wanted: usize) -> Result<()> {
    let deadline = Instant::now() + NODES_READY;
    loop {
        let nodes: Value = client.get("/api/v1/nodes").await?;
        let items = nodes["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ready = items.iter().filter(|node| is_ready(node)).count();
        if ready >= wanted {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!(
                "{ready} of {wanted} nodes are Ready after {} s: {}",
                NODES_READY.as_secs(),
                reasons(items)
            );
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn is_ready(node: &Value) -> bool {
    condition(node).is_some_and(|condition| condition["status"] == "True")
}

fn condition(node: &Value) -> Option<&Value> {
    node["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == "Ready")
}

fn reasons(nodes: &[Value]) -> String {
    let told = nodes.iter().filter(|node| !is_ready(node)).map(|node| {
        let message = condition(node)
            .and_then(|condition| condition["message"].as_str())
            .unwrap_or("it has said nothing yet");
        format!("{}: {message}", node["metadata"]["name"].as_str().unwrap_or_default())
    });
    let told: Vec<String> = told.take(3).collect();
    if told.is_empty() { "no node has registered".to_owned() } else { told.join("; ") }
}
