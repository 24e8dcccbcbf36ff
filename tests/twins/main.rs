//! Two active copies of every controller, one of them lagging, under random scaling: what the log says came of it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};
use rutter_tests::twins::{self, Setup};

/// Runs twins of every controller, and reads from the log whether a pod was born, killed or placed once too often.
#[derive(Parser)]
struct Args {
    /// How long everything is scaled
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How far behind one copy of each is, in milliseconds
    #[arg(long, default_value_t = 2_000)]
    lag_ms: u64,
    #[arg(long, default_value_t = 8)]
    nodes: u32,
    /// Off, the same run has to break
    #[arg(long, value_enum, default_value_t)]
    guards: Guards,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The binary under test
    #[arg(long, default_value = "target/release/rutter")]
    rutter: PathBuf,
    /// Where it runs; emptied first
    #[arg(long, default_value = ".rutter-twins")]
    data: PathBuf,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Guards {
    #[default]
    On,
    Off,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    if args.data.exists() {
        std::fs::remove_dir_all(&args.data)?;
    }
    let setup = Setup {
        length: Duration::from_secs(args.seconds),
        lag: Duration::from_millis(args.lag_ms),
        nodes: args.nodes,
        guarded: args.guards == Guards::On,
        seed: args.seed,
    };
    let outcome = twins::run(&args.rutter, &args.data, &setup).await?;
    println!("{}", outcome.account);
    let refused: Vec<String> =
        outcome.refused.iter().map(|(name, count)| format!("{name}={count}")).collect();
    println!("refused plans: {}", refused.join(" "));
    outcome.account.examples.iter().for_each(|example| println!("  {example}"));
    match (setup.guarded, outcome.account.holds()) {
        (true, false) => bail!("something was done twice"),
        (true, true) if outcome.refusals() == 0 => bail!("nothing was refused: the copies did not meet"),
        (false, true) => bail!("nothing broke without guards: the run shows nothing"),
        _ => Ok(()),
    }
}
