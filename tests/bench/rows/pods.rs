//! A Deployment of 5,000 pods on 1,000 simulated nodes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use http::Method;
use serde_json::{Value, json};

use crate::cluster::Bench;
use crate::report::{Bound, Report};

const NODES: u64 = 1_000;
const PODS: u64 = 5_000;

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let cluster = bench.cluster("pods", &["--runtime", "sim", "--nodes", "1000"])?;
    let client = cluster.client()?;
    until("all nodes are there", async || {
        let nodes: Value = client.get("/api/v1/nodes?limit=1").await?;
        let rest = nodes["metadata"]["remainingItemCount"].as_u64().unwrap_or(0);
        Ok(rest + 1 >= NODES)
    })
    .await?;
    let before = revision(&client).await?;
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "many"},
        "spec": {"replicas": PODS, "selector": {"matchLabels": {"app": "many"}},
                 "template": {"metadata": {"labels": {"app": "many"}},
                              "spec": {"containers": [{"name": "c", "image": "rutter/demo:latest",
                                                       "resources": {"requests": {"cpu": "10m", "memory": "8Mi"}}}]}}}});
    let began = Instant::now();
    client
        .json::<Value>(Method::POST, "/apis/apps/v1/namespaces/default/deployments", Some(&deployment))
        .await?;
    until("all pods are bound", async || Ok(pending(&client).await? == 0 && pods(&client).await? >= PODS))
        .await?;
    let bound = began.elapsed();
    until("all pods run", async || {
        let many: Value = client.get("/apis/apps/v1/namespaces/default/deployments/many").await?;
        Ok(many["status"]["readyReplicas"].as_u64() == Some(PODS))
    })
    .await?;
    let running = began.elapsed();
    let events = revision(&client).await? - before;
    #[allow(clippy::cast_precision_loss)]
    let per_second = |took: Duration| PODS as f64 / took.as_secs_f64();
    report.add(
        "5,000 pods on 1,000 sim nodes, create to all bound",
        "s",
        bound.as_secs_f64(),
        None,
        Bound::Free,
    );
    report.add(
        "5,000 pods on 1,000 sim nodes, create to all Running",
        "s",
        running.as_secs_f64(),
        None,
        Bound::Free,
    );
    report.add("pods bound per second", "1/s", per_second(bound), None, Bound::AtLeast(1_000.0));
    report.add("pods Running per second", "1/s", per_second(running), None, Bound::AtLeast(1_000.0));
    #[allow(clippy::cast_precision_loss)]
    report.add("events per pod", "1", events as f64 / PODS as f64, None, Bound::Free);
    report.add(
        "resident memory with 5,000 pods on 1,000 nodes",
        "MB",
        cluster.resident_mb()?,
        None,
        Bound::Free,
    );
    Ok(())
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !holds().await? {
        if Instant::now() > deadline {
            bail!("after two minutes it does not hold that {what}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn pods(client: &rutter_client::Client) -> Result<u64> {
    count(client, "").await
}

/// Pods without a node.
async fn pending(client: &rutter_client::Client) -> Result<u64> {
    count(client, "&fieldSelector=spec.nodeName%3D").await
}

async fn count(client: &rutter_client::Client, selector: &str) -> Result<u64> {
    let path = format!("/api/v1/namespaces/default/pods?resourceVersion=0{selector}");
    let list: Value = client.get(&path).await?;
    Ok(list["items"].as_array().context("a list has items")?.len() as u64)
}

async fn revision(client: &rutter_client::Client) -> Result<u64> {
    let now: Value = client.get("/apis/rutter.dev/v1/revision").await?;
    now["revision"].as_u64().context("a revision")
}
