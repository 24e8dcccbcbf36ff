//! `rutter ledger verify`, with its time and memory.

use std::fmt;
use std::fs;
use std::io::Read;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{Instant, sleep};

use crate::apart::Apart;

/// How often a run's memory is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What verifying one projection came to.
#[derive(Clone, Debug)]
pub struct Verified {
    pub keeper: String,
    pub holds: bool,
    pub took: Duration,
    /// The most resident memory, in bytes.
    pub peak_memory: u64,
    /// What it printed, what went wrong included.
    pub said: String,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.holds { "holds" } else { "DOES NOT HOLD" };
        let (keeper, took, memory) = (&self.keeper, self.took.as_secs_f64(), self.peak_memory >> 20);
        write!(f, "{keeper}: {word} ({took:.1} s, {memory} MiB)\n{}", self.said.trim_end())
    }
}

/// Holds the projection of a process that has ended against the log.
pub(super) async fn verify(cluster: &Apart, keeper: &str) -> Result<Verified> {
    let mut command = cluster.ledger_command(&cluster.data(keeper));
    command.arg("verify").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (mut child, began, mut peak_memory) = (command.spawn()?, Instant::now(), 0);
    let status = loop {
        peak_memory = peak_memory.max(resident(&child).unwrap_or(0));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        sleep(LOOK).await;
    };
    let mut said = String::new();
    child.stdout.take().context("its output")?.read_to_string(&mut said)?;
    child.stderr.take().context("its errors")?.read_to_string(&mut said)?;
    Ok(Verified {
        keeper: keeper.to_owned(),
        holds: status.success(),
        took: began.elapsed(),
        peak_memory,
        said,
    })
}

/// The most that was resident so far, in bytes.
fn resident(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes << 10)
}
