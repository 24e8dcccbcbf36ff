//! `sim --seeds 10000` runs seeds; `sim --seed 4711` tells the story of one; `--mutant NAME` plants a fault.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use rutter_sim::seeds::{Tally, run_all};
use rutter_sim::{Mutant, Setup, Story, run};

/// Runs are short-lived objects by the million.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs all machines together over an in-memory stream, with every fault there is, and checks the laws.
#[derive(Parser)]
#[command(name = "sim", version)]
struct Args {
    /// How many seeds to run.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run this seed alone and tell its story.
    #[arg(long)]
    seed: Option<u64>,
    /// Plant a fault, to see a law broken.
    #[arg(long)]
    mutant: Option<Mutant>,
    /// Threads; all cores if not said.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match args.seed {
        Some(seed) => tell(seed, args.mutant),
        None => run_many(&args),
    }
}

fn tell(seed: u64, mutant: Option<Mutant>) -> ExitCode {
    let report = run(Setup { seed, mutant }, Story::told());
    // A reader that has seen enough closes the pipe.
    let _ = std::io::stdout().write_all(report.story.as_bytes());
    code(report.violation.is_none())
}

fn run_many(args: &Args) -> ExitCode {
    let threads =
        args.threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let (started, told) = (Instant::now(), std::io::stderr().is_terminal());
    let mut done = 0;
    let tally = run_all(args.from..args.from + args.seeds, args.mutant, threads, |_| {
        done += 1;
        if told && done % 100 == 0 {
            eprint!("\r{done} of {} seeds", args.seeds);
        } else if !told && done % 1_000 == 0 {
            eprintln!("{done} of {} seeds after {:.0} s", args.seeds, started.elapsed().as_secs_f64());
        }
    });
    if told {
        eprintln!();
    }
    let Tally { runs, commits, events, rejections, epochs, broken } = &tally;
    println!(
        "{runs} seeds in {:.1} s: {commits} commits, {events} events, {rejections} rejections, {epochs} epochs",
        started.elapsed().as_secs_f64()
    );
    let Some(broken) = broken else {
        println!("no law broken");
        return ExitCode::SUCCESS;
    };
    if let Some(violation) = &broken.violation {
        println!("seed {}: {violation}", broken.seed);
    }
    let mutant = args.mutant.map(|mutant| format!(" --mutant {mutant}")).unwrap_or_default();
    println!("replay: cargo run -p rutter-sim --bin sim --profile fast -- --seed {}{mutant}", broken.seed);
    ExitCode::FAILURE
}

fn code(success: bool) -> ExitCode {
    if success { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
