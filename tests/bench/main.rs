//! `make bench`: one table; each row beside its floor, measured in the same run on the same machine, and the ratio.
//!
//! A floor does the least that any program could for the same promise: the same bytes, as durable, checking nothing.

mod broker;
mod cluster;
mod events;
mod floor;
mod load;
mod report;
mod rows;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};

use report::Report;

// What the binary under test uses; floors live in this one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Rutter beside its floors.
#[derive(Parser)]
struct Args {
    /// The binary under test
    #[arg(long, default_value = "target/release/rutter")]
    rutter: PathBuf,
    /// The program of the image that pods run
    #[arg(long, default_value = "target/static/release/demo")]
    demo: PathBuf,
    /// Where the clusters of the bench are kept; removed at the end
    #[arg(long, default_value = "target/bench")]
    data: PathBuf,
    /// The port of the cluster's API; the next one is taken, too
    #[arg(long, default_value_t = 17443)]
    port: u16,
    /// Only these groups of rows, separated by commas: api, apart, lists, patches, definitions, commits,
    /// watch, replay, pods, pod, start, index
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The kubeconfig of another server of the Kubernetes API: the same loads on it and on Rutter, instead of the groups.
    /// What is made there is in a namespace of its own, which is deleted
    #[arg(long, conflicts_with = "only")]
    beside: Option<PathBuf>,
    /// Seconds for each load
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Events to replay
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Write the figures as JSON, too
    #[arg(long, default_value = "target/bench.json")]
    json: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Processes of the bench itself.
#[derive(Subcommand)]
enum Command {
    /// Serves the floors over HTTPS
    #[command(hide = true)]
    Floor(floor::Args),
    /// Tells the memory of a sequencer
    #[command(hide = true)]
    Index,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    match args.command {
        Some(Command::Floor(args)) => return floor::serve(args).await,
        Some(Command::Index) => return rows::index::tell(),
        None => {}
    }
    ensure!(!cfg!(debug_assertions), "a bench needs a release build: make bench");
    ensure!(args.rutter.exists(), "{} is not there: make bench builds it", args.rutter.display());
    let only = match args.beside {
        Some(_) => vec![report::BESIDE.to_owned()],
        None => args.only.clone(),
    };
    let mut report = Report::new(only)?;
    let bench = cluster::Bench::new(&args)?;
    rows::all(&bench, &mut report).await;
    report.print();
    report.save(&args.json)?;
    eprintln!("figures as JSON: {}", args.json.display());
    Ok(())
}
