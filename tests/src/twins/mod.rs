//! Twins: two replicators and two placements, all of them active, one of each lagging and the other stalling now and
//! then, while everything is scaled at random. What came of it is read from the log, from its first event to its last.

mod account;
mod load;
mod stalls;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use rutter_client::Client;
use rutter_schemas::protocol::ledger::Fact;
use serde_json::Value;

pub use account::Account;

use crate::apart::{Apart, SIMULATION};
use crate::wait::eventually;

/// What a run is made of.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// How long everything is scaled.
    pub length: Duration,
    /// How far behind the log one copy of each is.
    pub lag: Duration,
    pub nodes: u32,
    /// Whether plans are committed with their premises. Without, a late copy may undo what it is asked, so the run
    /// doesn't wait for the end of every pod.
    pub guarded: bool,
    /// What the scaling is drawn from.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    pub account: Account,
    /// Plans that the ledger refused, by the process that proposed them.
    pub refused: [(&'static str, u64); 4],
}

const COPIES: [(&str, &str); 4] = [
    ("replicator-a", "replicator"),
    ("replicator-b", "replicator"),
    ("placement-a", "placement"),
    ("placement-b", "placement"),
];

impl Outcome {
    /// How many plans were refused in all.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.refused.iter().map(|(_, refused)| refused).sum()
    }
}

/// Runs it in a directory that is empty.
///
/// # Errors
/// When the cluster doesn't do what it is asked; never for what the log says.
pub async fn run(rutter: &Path, dir: &Path, setup: &Setup) -> Result<Outcome> {
    let mut cluster = Apart::start(rutter, dir).await?;
    cluster.ledger("ledger")?;
    let client = cluster.gateway("gateway").await?;
    let lag = format!("{}ms", setup.lag.as_millis());
    for (name, service) in COPIES {
        let late: &[&str] = if name.ends_with('b') { &["--lag", &lag] } else { &[] };
        let guards = if setup.guarded { "on" } else { "off" };
        cluster.service(name, service, &[&["--standby=never", "--guards", guards][..], late].concat())?;
    }
    let nodes = setup.nodes.to_string();
    cluster.service(
        "nodes",
        "nodeagent",
        &["--runtime", "sim", "--nodes", &nodes, "--node-name", SIMULATION],
    )?;
    let room = room(&client, setup.nodes).await?;
    load::scale_at_random(&cluster, &client, setup, room).await?;
    if setup.guarded {
        load::scale_away(&client).await?;
    }
    cluster.check_alive()?;
    let account = eventually("the log is read", async || read(&client).await).await?;
    let mut refused = COPIES.map(|(name, _)| (name, 0));
    for (name, count) in &mut refused {
        *count =
            cluster.said(name)?.lines().filter(|line| line.contains("a plan was refused")).count() as u64;
    }
    cluster.end_services().await?;
    Ok(Outcome { account, refused })
}

/// The least of what the nodes have, in thousandths of a CPU, once all are ready.
async fn room(client: &Client, nodes: u32) -> Result<u64> {
    eventually("all nodes are ready", async || {
        let list: Value = client.get("/api/v1/nodes").await?;
        let items = list["items"].as_array().context("a list has items")?;
        ensure!(items.len() == nodes as usize, "{} nodes of {nodes}", items.len());
        let ready = |node: &Value| {
            let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
            conditions.clone().any(|one| one["type"] == "Ready" && one["status"] == "True")
        };
        ensure!(items.iter().all(ready), "some are not ready");
        items.iter().map(account::allocatable_cpu).min().context("there are no nodes")
    })
    .await
}

/// The whole log.
async fn read(client: &Client) -> Result<Account> {
    let mut account = Account::default();
    let mut lines = std::pin::pin!(client.lines("/apis/rutter.dev/v1/log?from=0").await?);
    while let Some(line) = lines.try_next().await? {
        let fact: Fact = serde_json::from_slice(&line).context("a fact of the log")?;
        account.take(&fact)?;
    }
    Ok(account)
}
