//! The end of a cluster: nothing of it is left but its data.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::args::{DownArgs, STOP};
use super::{lock, paths::Home};

/// Stops the process in good order, then ends what its node has on this machine.
pub(crate) async fn down(args: DownArgs) -> Result<()> {
    let Some(home) = Home::existing(&args.data) else {
        eprintln!("  there is no cluster in {}", args.data.display());
        return Ok(());
    };
    match lock::running(&home) {
        Some(pid) => end(pid).await?,
        None => eprintln!("  no cluster of {} runs", home.root().display()),
    }
    if !args.keep_pods {
        eprintln!("  ending pods, containerd, networks and tables");
        crate::service::node::teardown(&home).await?;
    }
    Ok(())
}

async fn end(pid: Pid) -> Result<()> {
    eprintln!("  stopping pid {pid}");
    kill(pid, Signal::SIGTERM)?;
    let deadline = Instant::now() + STOP;
    while kill(pid, None).is_ok() {
        if Instant::now() > deadline {
            eprintln!("  it does not end after {} s: killing it", STOP.as_secs());
            kill(pid, Signal::SIGKILL)?;
        }
        if Instant::now() > deadline + Duration::from_secs(5) {
            bail!("pid {pid} can't be ended");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
