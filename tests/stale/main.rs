//! Writes through one gateway, reads through another, and ledgers that take over from each other all the while.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Parser;
use rutter_tests::stale::{self, Setup};

/// Looks for reads that don't show the last write acknowledged before they began.
#[derive(Parser)]
struct Args {
    /// How many reads at least
    #[arg(long, default_value_t = 10_000)]
    reads: u64,
    /// How many take-overs at least
    #[arg(long, default_value_t = 30)]
    takeovers: u64,
    #[arg(long, default_value_t = 8)]
    readers: u64,
    /// Who write besides
    #[arg(long, default_value_t = 16)]
    writers: u64,
    /// The binary under test
    #[arg(long, default_value = "target/release/rutter")]
    rutter: PathBuf,
    /// Where it runs; emptied first
    #[arg(long, default_value = ".rutter-stale")]
    data: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    if args.data.exists() {
        std::fs::remove_dir_all(&args.data)?;
    }
    let Args { reads, takeovers, readers, writers, .. } = args;
    let setup = Setup { reads, takeovers, readers, writers };
    let outcome = stale::run(&args.rutter, &args.data, &setup, |reads, takeovers| {
        eprintln!("  {reads} reads, {takeovers} take-overs");
    })
    .await?;
    println!("{outcome}");
    outcome.examples.iter().for_each(|example| println!("  {example}"));
    if outcome.stale > 0 {
        bail!("{} reads were stale", outcome.stale);
    }
    Ok(())
}
