//! A watch whose gateway dies goes on at the other one: every event once, in order.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::TryStreamExt;
use rutter_client::{Client, Kubeconfig};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const COLLECTION: &str = "/api/v1/namespaces/default/configmaps";
/// How long a gateway may be silent before it is asked again.
const SILENCE: Duration = Duration::from_secs(5);

/// A client of one gateway, without the balancer.
pub(crate) fn gateway(kubeconfig: &Path, address: &str, port: u16) -> Result<Client> {
    let mut config = Kubeconfig::load(Some(kubeconfig))?;
    config.server = format!("https://{address}:{port}");
    Client::from_kubeconfig(config)
}

/// A watch under way.
pub(crate) struct Watch {
    task: JoinHandle<Result<Seen>>,
    until: mpsc::Sender<u64>,
    pub(crate) from: u64,
}

/// What it saw: each event's resourceVersion, and where it changed gateways.
pub(crate) struct Seen {
    pub(crate) events: Vec<u64>,
    pub(crate) moves: usize,
}

impl Watch {
    /// Watches at the first gateway from now on, and at the others in turn whenever one goes.
    pub(crate) async fn start(gateways: Vec<Client>) -> Result<Watch> {
        let list: Value = gateways[0].get(&format!("{COLLECTION}?limit=1")).await?;
        let from = revision(&list).context("a list has a revision")?;
        let (until, end) = mpsc::channel(1);
        let task = tokio::spawn(follow(gateways, from, end));
        Ok(Watch { task, until, from })
    }

    /// Goes on until it has seen this revision, and ends.
    pub(crate) async fn until(self, revision: u64) -> Result<Seen> {
        self.until.send(revision).await?;
        self.task.await?
    }
}

async fn follow(gateways: Vec<Client>, from: u64, mut end: mpsc::Receiver<u64>) -> Result<Seen> {
    let mut seen = Seen { events: Vec::new(), moves: 0 };
    let (mut at, mut last) = (from, None);
    for gateway in gateways.iter().cycle().take(1000) {
        let path = format!("{COLLECTION}?watch=true&allowWatchBookmarks=true&resourceVersion={at}");
        if let Ok(lines) = gateway.lines(&path).await {
            let mut lines = std::pin::pin!(lines);
            loop {
                if last.is_some_and(|last| at >= last) {
                    return Ok(seen);
                }
                let line = tokio::select! {
                    line = lines.try_next() => line,
                    wanted = end.recv(), if last.is_none() => { last = wanted; continue }
                    () = tokio::time::sleep(SILENCE) => break,
                };
                let Ok(Some(line)) = line else { break };
                // What was cut off in the middle of a line counts as not seen.
                let Ok(event) = serde_json::from_slice::<Value>(&line) else { break };
                at = revision(&event["object"])
                    .with_context(|| format!("an event without revision: {event}"))?;
                match event["type"].as_str() {
                    Some("ADDED" | "MODIFIED" | "DELETED") => seen.events.push(at),
                    Some("BOOKMARK") => {}
                    _ => bail!("the watch was told {event}"),
                }
            }
        }
        seen.moves += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("no gateway serves the watch")
}

fn revision(object: &Value) -> Option<u64> {
    object["metadata"]["resourceVersion"].as_str()?.parse().ok()
}

/// Holds what was seen against the log: every event of the collection after `from`, once, in order.
pub(crate) async fn check(client: &Client, from: u64, to: u64, seen: &Seen) -> Result<()> {
    ensure!(seen.events.is_sorted_by(|one, next| one < next), "events came twice or out of order");
    let mut recorded = BTreeMap::new();
    let path = format!("/apis/rutter.dev/v1/log?from={from}&follow=false");
    let mut lines = std::pin::pin!(client.lines(&path).await?);
    while let Some(line) = lines.try_next().await? {
        let fact: Value = serde_json::from_slice(&line)?;
        let revision =
            fact["revision"].as_u64().with_context(|| format!("a fact without revision: {fact}"))?;
        let key = &fact["key"];
        if key["resource"] == "configmaps" && key["namespace"] == "default" && revision <= to {
            recorded.insert(revision, fact);
        }
    }
    let expected: Vec<u64> = recorded.keys().copied().collect();
    let upto: Vec<u64> = seen.events.iter().copied().filter(|revision| *revision <= to).collect();
    ensure!(upto == expected, "{} events were seen, {} are recorded", upto.len(), expected.len());
    Ok(())
}
