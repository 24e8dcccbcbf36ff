//! Kills what a cluster is made of, under load, and checks that nothing it acknowledged was lost, doubled or
//! misnumbered, that unknown outcomes resolve to one of their two possibilities, and that containers go on.
//!
//! Each run starts where the one before ended; the state file lets an interrupted series resume.

mod check;
mod cluster;
mod victim;
mod writer;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use rutter_client::Client;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use check::Verdict;
use cluster::Cluster;
use victim::Victim;
use writer::Written;

/// Kills parts of a cluster under load and checks that every acknowledged write is there.
#[derive(Parser)]
struct Args {
    /// How many kills
    #[arg(long, default_value_t = 20)]
    runs: u32,
    /// The binary under test
    #[arg(long, default_value = "target/release/rutter")]
    rutter: PathBuf,
    /// The program of the image rutter/demo:latest
    #[arg(long, default_value = "target/static/release/demo")]
    demo: PathBuf,
    /// Where the cluster and the state of the series are kept
    #[arg(long, default_value = ".rutter-crash")]
    data: PathBuf,
    #[arg(long, default_value_t = 16443)]
    port: u16,
    #[arg(long, default_value_t = 64)]
    writers: u32,
    /// What runs the pods: `sim`, or `containerd` to see that containers keep their ids
    #[arg(long, default_value = "containerd")]
    runtime: String,
    /// Forget the series and begin anew
    #[arg(long)]
    anew: bool,
}

/// What a series has seen so far.
#[derive(Default, Serialize, Deserialize)]
struct Series {
    done: u32,
    verdict: Verdict,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    if args.anew && args.data.exists() {
        Cluster::stop(&args.rutter, &args.data)?;
        fs::remove_dir_all(&args.data)?;
    }
    fs::create_dir_all(&args.data)?;
    let state = args.data.join("series.json");
    let mut series: Series = match fs::read(&state) {
        Ok(text) => serde_json::from_slice(&text).context("series.json is damaged: run with --anew")?,
        Err(_) => Series::default(),
    };
    if series.done > 0 {
        eprintln!("resuming after {} runs", series.done);
    }
    let mut cluster = Cluster::start(&args.rutter, &args.demo, &args.data, args.port, &args.runtime).await?;
    while series.done < args.runs {
        let victim = Victim::of_run(series.done);
        let verdict = run(&mut cluster, victim, series.done, args.writers).await?;
        eprintln!("run {:>3}  kill {victim}: {verdict}", series.done);
        series.verdict.add(verdict);
        series.done += 1;
        fs::write(&state, serde_json::to_vec(&series)?)?;
    }
    drop(cluster);
    Cluster::stop(&args.rutter, &args.data)?;
    println!("runs={} {}", series.done, series.verdict);
    if !series.verdict.holds() {
        bail!("something acknowledged did not hold");
    }
    Ok(())
}

/// Writers write and a rollout rolls while the victim is killed; when the cluster is back, everything is checked.
async fn run(cluster: &mut Cluster, victim: Victim, run: u32, writers: u32) -> Result<Verdict> {
    let client = Arc::new(cluster.client()?);
    cluster.roll(&client, run).await?;
    let before = cluster.containers()?;
    let stop = CancellationToken::new();
    let tasks: Vec<_> = (0..writers)
        .map(|writer| tokio::spawn(writer::write(client.clone(), run, writer, stop.clone())))
        .collect();
    tokio::time::sleep(victim.delay(run)).await;
    cluster.kill(victim).await?;
    cluster.back().await?;
    // Some writes land after the recovery too, so that what was acknowledged before and after meets.
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.cancel();
    let mut written: Vec<Written> = Vec::new();
    for task in tasks {
        written.extend(task.await?);
    }
    let mut verdict = check::all(&cluster.client()?, &written).await?;
    verdict.containers_changed = cluster.changed(&before)?;
    Ok(verdict)
}

/// Retries for as long as a cluster may need to come back.
async fn eventually<T>(what: &str, mut attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(90);
    loop {
        match attempt().await {
            Ok(found) => return Ok(found),
            Err(error) if tokio::time::Instant::now() > deadline => {
                return Err(error.context(what.to_owned()));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// The API of a client, for the rooms of this program.
type Api = Client;
