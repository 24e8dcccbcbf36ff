//! The tour of the README on a real cluster: real kubectl, containerd, nft and nats-server. One cluster serves all
//! steps, in order; then it is stopped, and nothing of it may be left.
//!
//! Needs root; says aloud what it skips without.

mod cluster;
mod left;
mod tour;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use cluster::Cluster;

/// A step: its name is a sentence about behaviour.
type Step = (&'static str, fn(&Cluster));

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    if std::env::args().any(|argument| argument == "--list") {
        tour::STEPS.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    if let Some(missing) = cluster::missing() {
        println!("SKIPPED, NOTHING WAS TESTED: end-to-end tests need {missing}");
        println!("test result: ok. 0 passed; 0 failed; {} ignored", tour::STEPS.len());
        return ExitCode::SUCCESS;
    }
    let cluster = Cluster::start();
    let steps =
        tour::STEPS.iter().filter(|(name, _)| wanted.as_deref().is_none_or(|wanted| name.contains(wanted)));
    let (mut passed, mut failed) = (0, Vec::new());
    let mut verdict = |name: &'static str, ran: std::thread::Result<()>, began: Instant| {
        let word = if ran.is_ok() { "ok" } else { "FAILED" };
        println!("test {name} ... {word} ({:.1} s)", began.elapsed().as_secs_f64());
        match ran {
            Ok(()) => passed += 1,
            Err(_) => failed.push(name),
        }
    };
    for (name, step) in steps {
        let began = Instant::now();
        verdict(name, catch_unwind(AssertUnwindSafe(|| step(&cluster))), began);
    }
    let (began, log) = (Instant::now(), cluster.log());
    let data = cluster.stop();
    verdict("a_stopped_cluster_leaves_nothing", catch_unwind(|| left::nothing(&data)), began);
    if failed.is_empty() {
        // Its data is of no more use; what can't be removed is in the way of nothing.
        let _ = std::fs::remove_dir_all(&data);
        let _ = std::fs::remove_file(data.with_extension("key"));
    } else {
        println!(
            "the end of the cluster's log:\n{}",
            tail(&std::fs::read_to_string(log).unwrap_or_default(), 60)
        );
    }
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    println!("\ntest result: {word}. {passed} passed; {} failed; 0 ignored", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
