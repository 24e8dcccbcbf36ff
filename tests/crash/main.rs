//! Kills what a cluster is made of, under load, and checks that nothing it acknowledged was lost, doubled or
//! misnumbered, that unknown outcomes resolve to one of their two possibilities, and that containers go on.
//!
//! Each run starts where the one before ended; the state file lets an interrupted series resume.

mod cluster;
mod process;
mod rollout;
mod victim;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use rutter_tests::check::{self, Verdict};
use rutter_tests::eventually;
use rutter_tests::writer::{self, Progress, Written};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use cluster::Cluster;
use victim::Victim;

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
    /// Runs that were begun, also those that an end from outside cut short: no two write the same objects.
    #[serde(default)]
    begun: u32,
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
    let form = Victim::of_run(series.done).form;
    let mut cluster = Cluster::start(&args.rutter, &args.demo, &args.data, args.port, &args.runtime, form)?;
    while series.done < args.runs {
        let began = Instant::now();
        let (run, victim) = (series.done, Victim::of_run(series.done));
        series.begun += 1;
        fs::write(&state, serde_json::to_vec(&series)?)?;
        let (verdict, back) = kill_one(&mut cluster, victim, &series, args.writers)
            .await
            .with_context(|| format!("run {run}, which killed {victim}"))?;
        eprintln!(
            "run {run:>3}  kill {victim:<32} back in {:>4.1} s, {:>4.1} s in all: {verdict}",
            back.as_secs_f64(),
            began.elapsed().as_secs_f64()
        );
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

/// Writers write and a rollout rolls while the victim is killed; when every writer has written again and the rollout
/// has ended, everything is checked. Also tells how long writes stood still.
async fn kill_one(
    cluster: &mut Cluster,
    victim: Victim,
    series: &Series,
    writers: u32,
) -> Result<(Verdict, Duration)> {
    let (run, attempt) = (series.done, series.begun);
    cluster.is_whole(victim.form)?;
    let client = Arc::new(cluster.client()?);
    rollout::begin(&client, attempt).await?;
    let before = rollout::containers(&client).await?;
    let (stop, progress) = (CancellationToken::new(), Arc::new(Progress::of(writers)));
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            tokio::spawn(writer::write(client.clone(), attempt, writer, progress.clone(), stop.clone()))
        })
        .collect();
    tokio::time::sleep(victim.delay(run)).await;
    let killed = Instant::now();
    cluster.kill(victim, Victim::of_run(run + 1).form).await?;
    cluster.back().await?;
    let back = killed.elapsed();
    // What was acknowledged before and after meets in every writer's object.
    let then = progress.counts();
    eventually("every writer writes again", async || {
        ensure!(progress.has_grown_everywhere(&then), "some stand still");
        Ok(())
    })
    .await?;
    stop.cancel();
    let mut written: Vec<Written> = Vec::new();
    for task in tasks {
        written.extend(task.await?);
    }
    let client = cluster.client()?;
    rollout::end(&client).await?;
    let mut verdict = check::all(&client, &written).await?;
    verdict.containers_changed = rollout::changed(&client, &before).await?;
    Ok((verdict, back))
}
