//! Take-overs: the active ledger leaves, is killed, or is halted until the other has taken over, and resumed.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use super::LEDGERS;
use super::pairs::Counts;
use crate::apart::Apart;
use crate::wait::{eventually, until};

/// Writes that are acknowledged between two take-overs: under load, not beside it.
const WRITES_BETWEEN: u64 = 400;

/// How often each happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Takeovers {
    /// SIGTERM: it hands over.
    pub left: u64,
    /// SIGKILL.
    pub killed: u64,
    /// SIGSTOP, then SIGCONT: it wakes up with questions to answer, and is not the active one any more.
    pub halted: u64,
}

impl Takeovers {
    #[must_use]
    pub fn all(&self) -> u64 {
        self.left + self.killed + self.halted
    }
}

impl fmt::Display for Takeovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "left {}, killed {}, halted {}", self.left, self.killed, self.halted)
    }
}

/// The next take-over, and writes after it.
pub(super) async fn take_over(cluster: &mut Apart, takeovers: &mut Takeovers, counts: &Counts) -> Result<()> {
    let before = counts.acknowledged.load(Relaxed);
    until("writes are acknowledged", async || counts.acknowledged.load(Relaxed) >= before + WRITES_BETWEEN)
        .await?;
    let active = active(cluster).await?;
    let other = LEDGERS.into_iter().find(|name| *name != active).context("there are two ledgers")?;
    match takeovers.all() % 3 {
        0 => {
            halt(cluster, &active, other).await?;
            takeovers.halted += 1;
        }
        1 => {
            replace(cluster, &active, other, Signal::SIGTERM).await?;
            takeovers.left += 1;
        }
        _ => {
            replace(cluster, &active, other, Signal::SIGKILL).await?;
            takeovers.killed += 1;
        }
    }
    Ok(())
}

/// The active ledger, as soon as there is just one.
async fn active(cluster: &Apart) -> Result<String> {
    eventually("one ledger is active", async || {
        let active = cluster.active_ledgers();
        ensure!(active.len() == 1, "active are {active:?}");
        active.into_iter().next().context("one")
    })
    .await
}

async fn leads(cluster: &Apart, name: &str) -> Result<()> {
    until("the other ledger takes over", async || cluster.metric(name, "rutter_ledger_active") == Some(1))
        .await
}

async fn halt(cluster: &mut Apart, active: &str, other: &str) -> Result<()> {
    cluster.signal(active, Signal::SIGSTOP)?;
    let taken = leads(cluster, other).await;
    cluster.signal(active, Signal::SIGCONT)?;
    taken
}

async fn replace(cluster: &mut Apart, active: &str, other: &str, signal: Signal) -> Result<()> {
    cluster.end(active, signal).await?;
    leads(cluster, other).await?;
    cluster.ledger(active)
}
