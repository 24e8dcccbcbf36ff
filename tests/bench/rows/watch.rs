//! From a write to its event at every watcher, beside an append to the bare stream and its delivery at as many consumers.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures::TryStreamExt;
use rutter_client::Client;
use rutter_runtime::stream::{Appended, Delivery};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::broker::Broker;
use crate::cluster::{Bench, Cluster};
use crate::load::{Connection, Target, percentile};
use crate::report::{Bound, Report};

const COLLECTION: &str = "/api/v1/namespaces/default/configmaps";
const WRITES: usize = 300;
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let cluster = bench.cluster("watch", &["--runtime", "none"])?;
    let client = cluster.client()?;
    for watchers in [1, 100, 1_000] {
        let events = round(&client, &cluster.target, COLLECTION, watchers).await?;
        let least = bare(&bench.file("watch-floor"), watchers).await?;
        for (percent, bound) in [(50, Bound::Above(1.0)), (99, Bound::Above(5.0))] {
            let name = format!("write to watch event, {watchers} watchers, p{percent}");
            let at = |times: &[Duration]| percentile(times, f64::from(percent));
            report.add(name, "ms", at(&events), Some(at(&least)), bound);
        }
    }
    steady(bench, &cluster, report).await
}

/// Writes at a steady rate, not each after the events of the one before.
async fn steady(bench: &Bench, cluster: &Cluster<'_>, report: &mut Report) -> Result<()> {
    const WATCHERS: usize = 1_000;
    const PER_SECOND: u32 = 500;
    let (mut told, watchers) = watch(&cluster.client()?, COLLECTION, WATCHERS).await?;
    let began = cluster.processor_time()?;
    let mut connection = Connection::open(&cluster.target).await?;
    let writes = PER_SECOND * u32::try_from(bench.length.as_secs())?;
    let writer = tokio::spawn(async move {
        let mut due = tokio::time::interval(Duration::from_secs(1) / PER_SECOND);
        let mut sent = BTreeMap::new();
        for n in 0..writes {
            due.tick().await;
            let name = format!("steady-{n}");
            sent.insert(name.clone(), Instant::now());
            connection.send("POST", COLLECTION, object(&name)).await?;
        }
        anyhow::Ok(sent)
    });
    let mut heard = Vec::new();
    for _ in 0..usize::try_from(writes)? * WATCHERS {
        heard.push(tokio::time::timeout(PATIENCE, told.recv()).await?.context("the watchers ended")?);
    }
    let taken = cluster.processor_time()? - began;
    drop(watchers);
    let sent = writer.await??;
    let took = |(name, at): &(String, Instant)| sent.get(name).map(|sent| at.duration_since(*sent));
    let mut events: Vec<Duration> = heard.iter().filter_map(took).collect();
    events.sort_unstable();
    let name = |what| format!("{WATCHERS} watchers at {PER_SECOND} writes/s, {what}");
    report.add(name("p50"), "ms", percentile(&events, 50.0), None, Bound::Free);
    report.add(name("p99"), "ms", percentile(&events, 99.0), None, Bound::Free);
    #[allow(clippy::cast_precision_loss)]
    let each = taken.as_secs_f64() * 1e6 / events.len() as f64;
    report.add(name("processor time for each event"), "us", each, None, Bound::Free);
    Ok(())
}

/// Sorted: from sending each append to its delivery at each consumer.
async fn bare(dir: &Path, consumers: usize) -> Result<Vec<Duration>> {
    if dir.exists() {
        std::fs::remove_dir_all(dir)?;
    }
    let broker = Broker::alone(dir).await?;
    let stream = broker.stream().await?;
    let (tell, mut told) = mpsc::channel::<(u64, Instant)>(consumers * 64);
    let mut tasks = JoinSet::new();
    for _ in 0..consumers {
        let (mut follow, tell) = (stream.follow(1), tell.clone());
        tasks.spawn(async move {
            loop {
                // Sequence 0 says that the consumer is there.
                let sequence = match follow.next().await {
                    Delivery::Frame(sequence, _) => sequence,
                    Delivery::Subscribed => 0,
                };
                if tell.send((sequence, Instant::now())).await.is_err() {
                    return;
                }
            }
        });
    }
    for _ in 0..consumers {
        tokio::time::timeout(PATIENCE, told.recv()).await?.context("the consumers ended")?;
    }
    let (mut last, mut events) = (0, Vec::new());
    for _ in 0..WRITES {
        let began = Instant::now();
        let appended = stream.append(object(&last.to_string()), last).await;
        let Appended::Acked(sequence) = appended else { bail!("the stream says {appended:?}") };
        last = sequence;
        for _ in 0..consumers {
            let (_, at) =
                tokio::time::timeout(PATIENCE, told.recv()).await?.context("the consumers ended")?;
            events.push(at.duration_since(began));
        }
    }
    tasks.shutdown().await;
    broker.stop().await;
    std::fs::remove_dir_all(dir)?;
    events.sort_unstable();
    Ok(events)
}

fn object(name: &str) -> Bytes {
    let object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"n": name}});
    object.to_string().into()
}

/// Sorted: from sending each write to its event at each watcher.
pub(super) async fn round(
    client: &Client,
    target: &Target,
    collection: &str,
    watchers: usize,
) -> Result<Vec<Duration>> {
    let (mut told, tasks) = watch(client, collection, watchers).await?;
    let mut connection = Connection::open(target).await?;
    let (mut sent, mut events) = (BTreeMap::new(), Vec::new());
    for n in 0..WRITES {
        let name = format!("watched-{watchers}-{n}");
        let began = Instant::now();
        connection.send("POST", collection, object(&name)).await?;
        sent.insert(name, began);
        for _ in 0..watchers {
            let (name, at) =
                tokio::time::timeout(PATIENCE, told.recv()).await?.context("the watchers ended")?;
            events.extend(sent.get(&name).map(|began| at.duration_since(*began)));
        }
    }
    drop(tasks);
    events.sort_unstable();
    Ok(events)
}

/// So many watches from now on; what comes is told by name, with when it came. They end when dropped.
async fn watch(
    client: &Client,
    collection: &str,
    watchers: usize,
) -> Result<(mpsc::Receiver<(String, Instant)>, JoinSet<()>)> {
    let (tell, told) = mpsc::channel::<(String, Instant)>(watchers * 64);
    let mut tasks = JoinSet::new();
    let list: Value = client.get(&format!("{collection}?limit=1")).await?;
    let from = list["metadata"]["resourceVersion"].as_str().context("a list has a revision")?.to_owned();
    for _ in 0..watchers {
        let path = format!("{collection}?watch=true&resourceVersion={from}");
        let lines = client.lines(&path).await?;
        let tell = tell.clone();
        tasks.spawn(async move {
            let mut lines = std::pin::pin!(lines);
            while let Ok(Some(line)) = lines.try_next().await {
                let at = Instant::now();
                if let Some(name) = name_in(&line)
                    && tell.send((name, at)).await.is_err()
                {
                    break;
                }
            }
        });
    }
    Ok((told, tasks))
}

fn name_in(line: &[u8]) -> Option<String> {
    let event: Value = serde_json::from_slice(line).ok()?;
    Some(event["object"]["metadata"]["name"].as_str()?.to_owned())
}
