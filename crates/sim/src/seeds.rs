//! Many seeds, on all cores.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::{Mutant, Report, Setup, Story, run};

/// What many runs came to.
#[derive(Debug, Default)]
pub struct Tally {
    pub runs: u64,
    pub commits: u64,
    pub events: u64,
    pub rejections: u64,
    pub epochs: u64,
    /// The broken run with the least seed among those that were found.
    pub broken: Option<Report>,
}

/// Runs the seeds on `threads` threads, and ends early when a law is broken. `each` hears of every run.
pub fn run_all(
    seeds: Range<u64>,
    mutant: Option<Mutant>,
    threads: usize,
    mut each: impl FnMut(&Report),
) -> Tally {
    let (next, stop) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let (send, reports) = mpsc::channel();
    let mut tally = Tally::default();
    thread::scope(|scope| {
        for _ in 0..threads {
            let (send, next, stop, end) = (send.clone(), &next, &stop, seeds.end);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || send.send(run(Setup { seed, mutant }, Story::untold())).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        for report in reports {
            each(&report);
            tally.add(report);
            stop.store(tally.broken.is_some(), Ordering::Relaxed);
        }
    });
    tally
}

impl Tally {
    fn add(&mut self, report: Report) {
        self.runs += 1;
        self.commits += report.commits;
        self.events += report.events;
        self.rejections += report.rejections;
        self.epochs += report.epochs;
        let least = self.broken.as_ref().is_none_or(|broken| report.seed < broken.seed);
        if report.violation.is_some() && least {
            self.broken = Some(report);
        }
    }
}
