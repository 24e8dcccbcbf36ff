//! A long log of mixed traffic, and whether everything that was kept of it is what the log says, byte for byte.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Parser;
use rutter_tests::traffic::{self, Setup};

/// Writes mixed traffic, then verifies the log and every projection of it, and flips bytes to see that found.
#[derive(Parser)]
struct Args {
    /// Events of the log, about
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    #[arg(long, default_value_t = 64)]
    writers: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The binary under test
    #[arg(long, default_value = "target/release/rutter")]
    rutter: PathBuf,
    /// Where it runs; emptied first
    #[arg(long, default_value = ".rutter-verify")]
    data: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    if args.data.exists() {
        std::fs::remove_dir_all(&args.data)?;
    }
    let setup = Setup { events: args.events, writers: args.writers, seed: args.seed };
    let mut told = 0;
    let outcome = traffic::run(&args.rutter, &args.data, &setup, |what, events| {
        // Ten seconds of writing are one line.
        told += 1;
        if what != "writing" || told % 10 == 0 {
            eprintln!("  {what}: {events} events");
        }
    })
    .await?;
    let (events, seconds) = (outcome.events, outcome.took.as_secs_f64());
    println!("events={events} seconds={seconds:.0} refused_requests={}", outcome.refused);
    outcome.verified.iter().for_each(|verified| println!("{verified}"));
    println!("a ledger without its saved index leads after {:.1} s", outcome.recovery.as_secs_f64());
    outcome.flipped.iter().for_each(|flipped| println!("{flipped}"));
    ensure!(outcome.verified.iter().all(|verified| verified.holds), "a projection is not what the log says");
    ensure!(outcome.flipped.iter().all(traffic::Flipped::is_found), "a flipped byte was not found");
    std::fs::remove_dir_all(&args.data)?;
    Ok(())
}
