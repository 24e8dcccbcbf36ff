//! From a write to its event at a watcher. The floor is the write itself: an event can't come before it is durable.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::TryStreamExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::cluster::{Bench, Cluster};
use crate::load::{Connection, percentile};
use crate::report::{Bound, Report};

const COLLECTION: &str = "/api/v1/namespaces/default/configmaps";
const WRITES: usize = 300;

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let cluster = bench.cluster("watch", &["--runtime", "none"])?;
    for watchers in [1, 100, 1_000] {
        let (events, writes) = round(&cluster, watchers).await?;
        let name = |percent: u32| format!("write to watch event, {watchers} watchers, p{percent}");
        report.add(
            name(50),
            "ms",
            percentile(&events, 50.0),
            Some(percentile(&writes, 50.0)),
            Bound::Above(1.0),
        );
        report.add(
            name(99),
            "ms",
            percentile(&events, 99.0),
            Some(percentile(&writes, 99.0)),
            Bound::Above(5.0),
        );
    }
    Ok(())
}

/// Sorted: from sending each write to its event at each watcher, and to the write's own answer.
async fn round(cluster: &Cluster<'_>, watchers: usize) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let (tell, mut told) = mpsc::channel::<(String, Instant)>(watchers * 64);
    let mut tasks = Vec::new();
    let client = cluster.client()?;
    let list: Value = client.get(&format!("{COLLECTION}?limit=1")).await?;
    let from = list["metadata"]["resourceVersion"].as_str().context("a list has a revision")?.to_owned();
    for _ in 0..watchers {
        let path = format!("{COLLECTION}?watch=true&resourceVersion={from}");
        let lines = client.lines(&path).await?;
        let tell = tell.clone();
        tasks.push(tokio::spawn(async move {
            let mut lines = std::pin::pin!(lines);
            while let Ok(Some(line)) = lines.try_next().await {
                let at = Instant::now();
                if let Some(name) = name_in(&line)
                    && tell.send((name, at)).await.is_err()
                {
                    break;
                }
            }
        }));
    }
    drop(tell);
    let mut connection = Connection::open(&cluster.target).await?;
    let (mut sent, mut writes, mut events) = (BTreeMap::new(), Vec::new(), Vec::new());
    for n in 0..WRITES {
        let name = format!("watched-{watchers}-{n}");
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"n": n.to_string()}});
        let began = Instant::now();
        connection.send("POST", COLLECTION, Bytes::from(object.to_string())).await?;
        writes.push(began.elapsed());
        sent.insert(name, began);
        for _ in 0..watchers {
            let (name, at) = tokio::time::timeout(Duration::from_secs(20), told.recv())
                .await?
                .context("the watchers ended")?;
            events.extend(sent.get(&name).map(|began| at.duration_since(*began)));
        }
    }
    for task in tasks {
        task.abort();
    }
    events.sort_unstable();
    writes.sort_unstable();
    Ok((events, writes))
}

fn name_in(line: &[u8]) -> Option<String> {
    let event: Value = serde_json::from_slice(line).ok()?;
    Some(event["object"]["metadata"]["name"].as_str()?.to_owned())
}
