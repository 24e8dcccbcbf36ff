//! `make bench`: one table; each row beside its floor, measured in the same run on the same machine, and the ratio.
//!
//! A floor does the least that any program could for the same promise: the same bytes, as durable, checking nothing.

mod cluster;
mod floor;
mod load;
mod report;
mod rows;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Parser;

use report::Report;

/// Measures Rutter beside its floors.
#[derive(Parser)]
struct Args {
    /// The binary under test
    #[arg(long, default_value = "target/release/rutter")]
    rutter: PathBuf,
    /// Where the clusters of the bench are kept; removed at the end
    #[arg(long, default_value = "target/bench")]
    data: PathBuf,
    /// The port of the cluster's API
    #[arg(long, default_value_t = 17443)]
    port: u16,
    /// Only rows whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// Seconds for each load
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Write the figures as JSON, too
    #[arg(long, default_value = "target/bench.json")]
    json: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(!cfg!(debug_assertions), "a bench needs a release build: make bench");
    ensure!(args.rutter.exists(), "{} is not there: make bench builds it", args.rutter.display());
    let mut report = Report::new(args.only.clone());
    let bench = cluster::Bench::new(&args.rutter, &args.data, args.port, args.seconds)?;
    rows::all(&bench, &mut report).await?;
    report.print();
    report.save(&args.json)?;
    eprintln!("figures as JSON: {}", args.json.display());
    Ok(())
}
