//! Stale reads: what is written through one gateway is read through another, without a revision, while the ledgers take
//! over from each other in every way there is. A read is stale when it doesn't show the last write that was
//! acknowledged before the read began.

mod chaos;
mod pairs;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::Result;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::apart::Apart;

use chaos::Takeovers;
use pairs::Counts;

/// What a run is made of. It goes on until both counts are reached.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub reads: u64,
    pub takeovers: u64,
    /// Who write and read.
    pub readers: u64,
    /// Who only write, as load.
    pub writers: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub reads: u64,
    pub stale: u64,
    /// Reads and writes that got no answer, or another than success, and were tried again.
    pub read_errors: u64,
    pub write_errors: u64,
    /// Writes of the load.
    pub writes: u64,
    pub takeovers: Takeovers,
    /// The first stale reads, for people to look at.
    pub examples: Vec<String>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { reads, stale, read_errors, write_errors, writes, takeovers, .. } = self;
        write!(
            f,
            "reads={reads} stale={stale} takeovers={} ({takeovers}) other_writes={writes} \
             retried_reads={read_errors} retried_writes={write_errors}",
            takeovers.all()
        )
    }
}

/// The ledgers of a run.
pub(crate) const LEDGERS: [&str; 2] = ["ledger-a", "ledger-b"];

/// Runs it in a directory that is empty; `progress` is told the reads and take-overs so far.
///
/// # Errors
/// When the cluster doesn't come back from a take-over; never for a stale read.
pub async fn run(
    rutter: &Path,
    dir: &Path,
    setup: &Setup,
    mut progress: impl FnMut(u64, u64),
) -> Result<Outcome> {
    let mut cluster = Apart::start(rutter, dir).await?;
    for ledger in LEDGERS {
        cluster.ledger(ledger)?;
    }
    let near = Arc::new(cluster.gateway("gateway-1").await?);
    let far = Arc::new(cluster.gateway("gateway-2").await?);
    let (counts, stop) = (Arc::new(Counts::default()), CancellationToken::new());
    let mut tasks = JoinSet::new();
    for reader in 0..setup.readers {
        tasks.spawn(pairs::write_and_read(near.clone(), far.clone(), reader, counts.clone(), stop.clone()));
    }
    for writer in 0..setup.writers {
        tasks.spawn(pairs::write(far.clone(), writer, counts.clone(), stop.clone()));
    }
    let mut takeovers = Takeovers::default();
    while counts.reads.load(Relaxed) < setup.reads || takeovers.all() < setup.takeovers {
        chaos::take_over(&mut cluster, &mut takeovers, &counts).await?;
        progress(counts.reads.load(Relaxed), takeovers.all());
    }
    stop.cancel();
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    cluster.check_alive()?;
    cluster.end_services().await?;
    Ok(counts.outcome(takeovers))
}
