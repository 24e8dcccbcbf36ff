//! A Deployment of 5,000 pods on 1,000 simulated nodes, beside as many events in durable frames.

use std::path::Path;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures::TryStreamExt;
use http::Method;
use rutter_runtime::stream::Appended;
use rutter_schemas::Revision;
use serde_json::{Value, json};

use crate::broker::Broker;
use crate::cluster::Bench;
use crate::events;
use crate::report::{Bound, Report};

const NODES: u64 = 1_000;
const PODS: u64 = 5_000;

#[allow(clippy::cast_precision_loss)]
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let cluster = bench.cluster("pods", &["--runtime", "sim", "--nodes", "1000"])?;
    let client = cluster.client()?;
    until("all nodes are there", async || {
        let nodes: Value = client.get("/api/v1/nodes?limit=1").await?;
        let rest = nodes["metadata"]["remainingItemCount"].as_u64().unwrap_or(0);
        Ok(rest + 1 >= NODES)
    })
    .await?;
    let before = Counted::read(&client).await?;
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
    let counted = Counted::read(&client).await?.since(&before);
    let memory = cluster.resident_mb()?;
    drop(cluster);
    let least = durable_frames(&bench.file("pods-floor"), counted.events).await?;

    let to = |what: &str| format!("5,000 pods on 1,000 sim nodes, create to all {what}");
    let (seconds, floor) = (running.as_secs_f64(), Some(least.as_secs_f64()));
    report.add(to("bound"), "s", bound.as_secs_f64(), floor, Bound::Free);
    report.add(to("Running"), "s", seconds, floor, Bound::Free);
    let per_second = |took: Duration| PODS as f64 / took.as_secs_f64();
    report.add("pods bound per second", "1/s", per_second(bound), None, Bound::AtLeast(1_000.0));
    report.add("pods Running per second", "1/s", per_second(running), None, Bound::AtLeast(1_000.0));
    let per_pod = |count: u64| count as f64 / PODS as f64;
    report.add("events per pod", "1", per_pod(counted.events), None, Bound::Free);
    let recorded = counted.proposals - counted.rejections;
    report.add("commits per pod", "1", per_pod(recorded), None, Bound::Free);
    report.add("commits refused per pod", "1", per_pod(counted.rejections), None, Bound::Free);
    report.add("frames per pod", "1", per_pod(counted.frames), None, Bound::Free);
    report.add("memory with 5,000 pods, 1,000 agents included", "MB", memory, None, Bound::Free);
    Ok(())
}

/// What the ledger has counted.
#[derive(Default)]
struct Counted {
    events: u64,
    proposals: u64,
    rejections: u64,
    frames: u64,
}

impl Counted {
    async fn read(client: &rutter_client::Client) -> Result<Counted> {
        let now: Value = client.get("/apis/rutter.dev/v1/revision").await?;
        let mut counted =
            Counted { events: now["revision"].as_u64().context("a revision")?, ..Counted::default() };
        let mut lines = pin!(client.lines("/metrics").await?);
        while let Some(line) = lines.try_next().await? {
            let line = String::from_utf8_lossy(&line).into_owned();
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let to = match name {
                "rutter_ledger_proposals_total" => &mut counted.proposals,
                "rutter_ledger_rejections_total" => &mut counted.rejections,
                "rutter_ledger_frames_total" => &mut counted.frames,
                _ => continue,
            };
            *to = value.parse().context("a count")?;
        }
        Ok(counted)
    }

    fn since(self, before: &Counted) -> Counted {
        Counted {
            events: self.events - before.events,
            proposals: self.proposals - before.proposals,
            rejections: self.rejections - before.rejections,
            frames: self.frames - before.frames,
        }
    }
}

/// How long as many events take in frames of 64, one in flight, appended to a bare stream.
async fn durable_frames(dir: &Path, events: u64) -> Result<Duration> {
    if dir.exists() {
        std::fs::remove_dir_all(dir)?;
    }
    let broker = Broker::alone(dir).await?;
    let stream = broker.stream().await?;
    let frame = Bytes::from(events::commit("c", Revision::NONE).repeat(64));
    let began = Instant::now();
    for number in 0..events.div_ceil(64) {
        let appended = stream.append(frame.clone(), number).await;
        anyhow::ensure!(matches!(appended, Appended::Acked(_)), "the stream says {appended:?}");
    }
    let took = began.elapsed();
    broker.stop().await;
    std::fs::remove_dir_all(dir)?;
    Ok(took)
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
