//! Mixed traffic: many writers, many kinds, every way to change an object; then every projection that was kept of it is
//! held against the log, and bytes are flipped to see that this is noticed.

mod flip;
mod verify;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use rutter_client::Client;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::apart::Apart;
use crate::wait::until;

pub use flip::Flipped;
pub use verify::Verified;

/// What a run is made of.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Events of the log, about: writers stop when there are as many.
    pub events: u64,
    pub writers: u64,
    pub seed: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    pub events: u64,
    /// Requests that were answered otherwise than with success, in all.
    pub refused: u64,
    pub took: Duration,
    /// Each process's projection against the log.
    pub verified: Vec<Verified>,
    /// From starting a ledger that has to read the whole log again, to its leading. A second of it is waiting for others.
    pub recovery: Duration,
    /// A byte of the log's store, and one of a projection.
    pub flipped: Vec<Flipped>,
}

/// How often progress is told.
const LOOK: Duration = Duration::from_secs(1);
/// Whose projections are kept: with every version, and without.
const KEEPERS: [&str; 4] = ["ledger", "gateway", "replicator", "placement"];

/// Runs it in a directory that is empty; `progress` is told what is done, and how many events there are.
///
/// # Errors
/// When the cluster doesn't do what it is asked, or can't be verified; never for what verifying finds.
pub async fn run(
    rutter: &Path,
    dir: &Path,
    setup: &Setup,
    mut progress: impl FnMut(&str, u64),
) -> Result<Outcome> {
    let mut cluster = Apart::start(rutter, dir).await?;
    cluster.ledger("ledger")?;
    let client = Arc::new(cluster.gateway("gateway").await?);
    for service in ["replicator", "placement"] {
        cluster.service(service, service, &[])?;
    }
    let began = Instant::now();
    let (refused, stop) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
    let mut writers = JoinSet::new();
    for number in 0..setup.writers {
        let client = Arc::new(cluster.client("gateway")?);
        writers.spawn(writer::write(client, number, setup.seed, refused.clone(), stop.clone()));
    }
    let mut events = 0;
    while events < setup.events {
        sleep(LOOK).await;
        cluster.check_alive()?;
        events = revision(&client).await.unwrap_or(events);
        progress("writing", events);
    }
    stop.cancel();
    while let Some(ended) = writers.join_next().await {
        ended?;
    }
    let took = began.elapsed();
    let events = revision(&client).await?;
    cluster.end_services().await?;
    let mut verified = Vec::new();
    for keeper in KEEPERS {
        progress(&format!("verifying the projection of {keeper}"), events);
        verified.push(verify::verify(&cluster, keeper).await?);
    }
    progress("starting a ledger without its index", events);
    let recovery = recover(&mut cluster).await?;
    let mut flipped = Vec::new();
    progress("flipping a byte of a projection", events);
    flipped.push(flip::projection(&cluster, "gateway").await?);
    progress("flipping a byte of the log", events);
    cluster.end("nats-server", Signal::SIGTERM).await?;
    let flip = flip::log(&cluster)?;
    cluster.start_broker().await?;
    flipped.push(flip.found(&cluster, "gateway").await?);
    Ok(Outcome { events, refused: refused.load(Relaxed), took, verified, recovery, flipped })
}

/// Starts a ledger that lost its saved index, and waits until it leads.
async fn recover(cluster: &mut Apart) -> Result<Duration> {
    std::fs::remove_file(cluster.data("ledger").join("ledger.index"))?;
    let began = Instant::now();
    cluster.ledger("ledger")?;
    until("the ledger leads", async || !cluster.active_ledgers().is_empty()).await?;
    let took = began.elapsed();
    cluster.end_services().await?;
    Ok(took)
}

async fn revision(client: &Client) -> Result<u64> {
    let now: Value = client.get("/apis/rutter.dev/v1/revision").await?;
    now["revision"].as_u64().context("a revision")
}
