//! Three servers hold the log; the one that leads the stream is killed or halted, again and again, while writers write.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Parser;
use rutter_tests::leader::{self, End, Setup};

/// Measures when writes are back after the loss of the stream's leader, and whether any were lost.
#[derive(Parser)]
struct Args {
    /// How often it is lost
    #[arg(long, default_value_t = 10)]
    losses: u32,
    /// Halt it instead of killing it, as a machine that hangs
    #[arg(long)]
    halt: bool,
    /// Who write besides
    #[arg(long, default_value_t = 4)]
    writers: u32,
    /// The binary under test
    #[arg(long, default_value = "target/release/rutter")]
    rutter: PathBuf,
    /// Where it runs; emptied first
    #[arg(long, default_value = ".rutter-leader")]
    data: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    if args.data.exists() {
        std::fs::remove_dir_all(&args.data)?;
    }
    let end = if args.halt { End::Halted } else { End::Killed };
    let setup = Setup { losses: args.losses, end, writers: args.writers };
    let outcome = leader::run(&args.rutter, &args.data, &setup, |loss| println!("{loss}")).await?;
    println!("{outcome}");
    if !outcome.verdict.holds() {
        bail!("something acknowledged did not hold");
    }
    Ok(())
}
