//! Steps that one cluster serves in order, told as a test harness tells its tests.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use crate::cluster::Cluster;

/// A step: its name is a sentence about behaviour.
pub type Step = (&'static str, fn(&Cluster));

/// What a test binary was called to do.
pub struct Called {
    /// Only steps whose name holds it.
    wanted: Option<String>,
}

/// What became of the steps.
#[derive(Default)]
pub struct Verdicts {
    passed: usize,
    failed: Vec<&'static str>,
}

impl Called {
    /// Reads the command line as libtest does; nothing is left to do if the steps were only to be listed.
    pub fn to_play(steps: &[Step]) -> Option<Called> {
        if std::env::args().any(|argument| argument == "--list") {
            steps.iter().for_each(|(name, _)| println!("{name}: test"));
            return None;
        }
        Some(Called { wanted: std::env::args().nth(1).filter(|argument| !argument.starts_with('-')) })
    }

    pub fn play(&self, steps: &[Step], cluster: &Cluster) -> Verdicts {
        let mut verdicts = Verdicts::default();
        let wanted = |name: &str| self.wanted.as_deref().is_none_or(|wanted| name.contains(wanted));
        for (name, step) in steps.iter().filter(|(name, _)| wanted(name)) {
            verdicts.judge(name, || step(cluster));
        }
        verdicts
    }
}

impl Verdicts {
    /// Runs one test more.
    pub fn judge(&mut self, name: &'static str, test: impl FnOnce()) {
        let began = Instant::now();
        let ran = catch_unwind(AssertUnwindSafe(test));
        let word = if ran.is_ok() { "ok" } else { "FAILED" };
        println!("test {name} ... {word} ({:.1} s)", began.elapsed().as_secs_f64());
        match ran {
            Ok(()) => self.passed += 1,
            Err(_) => self.failed.push(name),
        }
    }

    /// The last line; what a stopped cluster left is removed if nobody has to look at it.
    pub fn tell(self, data: &Path) -> ExitCode {
        if self.failed.is_empty() {
            // Its data is of no more use; what can't be removed is in the way of nothing.
            let _ = std::fs::remove_dir_all(data);
            let _ = std::fs::remove_file(data.with_extension("key"));
        } else {
            let log = std::fs::read_to_string(data.join("rutter.log")).unwrap_or_default();
            println!("the end of the cluster's log:\n{}", tail(&log, 60));
        }
        let word = if self.failed.is_empty() { "ok" } else { "FAILED" };
        println!("\ntest result: {word}. {} passed; {} failed; 0 ignored", self.passed, self.failed.len());
        if self.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Says aloud that nothing was tested, and why.
pub fn skipped(what: &str, missing: &str, steps: &[Step]) -> ExitCode {
    println!("SKIPPED, NOTHING WAS TESTED: {what} need {missing}");
    println!("test result: ok. 0 passed; 0 failed; {} ignored", steps.len());
    ExitCode::SUCCESS
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
