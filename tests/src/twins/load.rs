//! Random scaling: sets and Deployments grow and shrink, templates change, pods are deleted, and the nodes can't bear
//! all that is asked for.

use anyhow::{Context, Result};
use http::Method;
use rutter_client::Client;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::Setup;
use super::stalls::Stalls;
use crate::apart::Apart;
use crate::dice::Dice;
use crate::wait::eventually;

const SETS: &str = "/apis/apps/v1/namespaces/default/replicasets";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const PODS: &str = "/api/v1/namespaces/default/pods";
const MERGE: &str = "application/merge-patch+json";
/// Of each kind of workload.
const WORKLOADS: u64 = 3;
/// This many pods fill a node.
const PODS_PER_NODE: u64 = 3;

/// Scales until the time is over.
pub(super) async fn scale_at_random(
    cluster: &Apart,
    client: &Client,
    setup: &Setup,
    room_milli: u64,
) -> Result<()> {
    let mut dice = Dice::new(setup.seed);
    let cpu = format!("{}m", room_milli / PODS_PER_NODE);
    for number in 0..WORKLOADS {
        make(client, SETS, "ReplicaSet", &format!("set-{number}"), &cpu).await?;
        make(client, DEPLOYMENTS, "Deployment", &format!("deploy-{number}"), &cpu).await?;
    }
    // All together may ask for a third more than there is room for.
    let most = u64::from(setup.nodes) * PODS_PER_NODE * 4 / 3 / WORKLOADS;
    let end = Instant::now() + setup.length;
    let mut stalls = Stalls::new(&mut dice);
    while Instant::now() < end {
        stalls.tick(cluster, &mut dice)?;
        act(client, &mut dice, most).await?;
        sleep(dice.millis(0, 60)).await;
    }
    stalls.end(cluster)
}

/// Scales to nothing and waits until nothing is left.
pub(super) async fn scale_away(client: &Client) -> Result<()> {
    for number in 0..WORKLOADS {
        scale(client, &format!("{SETS}/set-{number}"), 0).await?;
        scale(client, &format!("{DEPLOYMENTS}/deploy-{number}"), 0).await?;
    }
    eventually("everything is scaled away", async || {
        let left: Value = client.get(PODS).await?;
        let left = left["items"].as_array().context("a list has items")?.len();
        anyhow::ensure!(left == 0, "{left} pods are left");
        Ok(())
    })
    .await
}

async fn act(client: &Client, dice: &mut Dice, most: u64) -> Result<()> {
    let number = dice.below(WORKLOADS);
    match dice.below(10) {
        0..=3 => scale(client, &format!("{SETS}/set-{number}"), dice.below(most)).await,
        4..=6 => scale(client, &format!("{DEPLOYMENTS}/deploy-{number}"), dice.below(most)).await,
        7 => roll(client, &format!("{DEPLOYMENTS}/deploy-{number}"), dice.below(3)).await,
        _ => delete_some(client, dice).await,
    }
}

async fn scale(client: &Client, path: &str, replicas: u64) -> Result<()> {
    patch(client, path, &json!({"spec": {"replicas": replicas}})).await
}

/// One of a few templates, so that old sets are taken up again.
async fn roll(client: &Client, path: &str, version: u64) -> Result<()> {
    let labels = json!({"version": version.to_string()});
    patch(client, path, &json!({"spec": {"template": {"metadata": {"annotations": labels}}}})).await
}

async fn patch(client: &Client, path: &str, patch: &Value) -> Result<()> {
    eventually("a workload is changed", async || client.patch::<Value>(path, MERGE, patch).await).await?;
    Ok(())
}

/// One to four pods, one request after the other.
async fn delete_some(client: &Client, dice: &mut Dice) -> Result<()> {
    let pods: Value = eventually("pods are listed", async || client.get(PODS).await).await?;
    let mut names: Vec<&str> = pods["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|pod| pod["metadata"]["name"].as_str())
        .collect();
    for _ in 0..=dice.below(4) {
        if names.is_empty() {
            break;
        }
        let name = names.swap_remove(dice.index(names.len()));
        // It may have gone meanwhile.
        let _ = client.json::<Value>(Method::DELETE, &format!("{PODS}/{name}"), None).await;
    }
    Ok(())
}

async fn make(client: &Client, path: &str, kind: &str, name: &str, cpu: &str) -> Result<()> {
    let labels = json!({"app": name});
    let container = json!({"name": "c", "image": "rutter/demo:latest",
                           "resources": {"requests": {"cpu": cpu, "memory": "16Mi"}}});
    let workload = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]}}}});
    eventually("a workload is made", async || {
        client.json::<Value>(Method::POST, path, Some(&workload)).await
    })
    .await?;
    Ok(())
}
