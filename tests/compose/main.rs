//! The tour of a cluster in containers, and what happens to it when its parts are killed during a rollout. The cluster is
//! the one that `make compose-up` started.
//!
//! Writers write through all of it; at the end everything they were told is held against the history.

mod containers;
mod faults;
mod kubectl;
mod log;
mod moving;
mod reach;
mod tour;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use rutter_tests::Client;

use containers::Containers;
use kubectl::Kubectl;
use log::Log;

/// Tours a cluster in containers and kills its parts.
#[derive(Parser)]
struct Args {
    /// Where `make compose-up` keeps the cluster's files
    #[arg(long, default_value = ".rutter-compose")]
    data: PathBuf,
    /// The directory of rutter and kubectl's own, before the PATH
    #[arg(long, default_value = "target/release")]
    bin: PathBuf,
    #[arg(long, env = "RUTTER_PORT", default_value_t = 6443)]
    port: u16,
    /// How often the leader of the stream is killed
    #[arg(long, default_value_t = 10)]
    leaders: u32,
    #[arg(long, default_value_t = 64)]
    writers: u32,
    /// Only the steps whose names contain this
    #[arg(long)]
    only: Option<String>,
}

/// What every step works with.
struct Cluster {
    args: Args,
    kubectl: Kubectl,
    containers: Containers,
    log: Log,
}

impl Cluster {
    async fn open(args: Args) -> Result<Cluster> {
        let data = args.data.canonicalize().context("there is no cluster: make compose-up")?;
        let kubectl = Kubectl::new(&data.join("kubeconfig"), &args.bin);
        let log = Log::connect(&data.join("etc")).await?;
        Ok(Cluster { args, kubectl, containers: Containers, log })
    }

    /// Through the balancer.
    fn client(&self) -> Result<Client> {
        Client::open(Some(&self.args.data.join("kubeconfig")))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let cluster = Cluster::open(Args::parse()).await?;
    let wanted = |name: &str| cluster.args.only.as_deref().is_none_or(|only| name.contains(only));
    if wanted("tour") {
        told("the tour", async || tour::walk(&cluster).await).await?;
    }
    if wanted("reach") {
        told("what a node lets others reach", async || reach::look(&cluster).await).await?;
    }
    if wanted("faults") {
        told("faults during rollouts", async || faults::play(&cluster).await).await?;
    }
    println!("all of it holds");
    Ok(())
}

/// A part, with how long it took.
async fn told(name: &str, part: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
    println!("{name}");
    let began = Instant::now();
    part().await.with_context(|| name.to_owned())?;
    println!("  {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}
