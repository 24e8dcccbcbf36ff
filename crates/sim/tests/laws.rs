//! The laws over many seeds; each mutant caught; the same seed, the same story; seeds that once failed.

use std::fs;
use std::path::Path;

use rutter_sim::seeds::run_all;
use rutter_sim::{Mutant, Setup, Story, run};

/// Seeds that `cargo test` runs; `sim --seeds 10000` runs more.
const SEEDS: u64 = 100;
/// Within so many seeds each mutant is caught.
const SEEDS_PER_MUTANT: u64 = 300;
const THREADS: usize = 2;

#[test]
fn no_law_is_broken_whatever_goes_wrong() {
    let tally = run_all(0..SEEDS, None, THREADS, |_| {});
    if let Some(broken) = tally.broken {
        let violation = broken.violation.map(|violation| violation.to_string()).unwrap_or_default();
        panic!(
            "seed {}: {violation}\nreplay: cargo run -p rutter-sim --bin sim -- --seed {}",
            broken.seed, broken.seed
        );
    }
    assert_eq!(tally.runs, SEEDS);
    assert!(tally.rejections > SEEDS && tally.epochs > SEEDS, "nothing went wrong: {tally:?}");
}

#[test]
fn the_same_seed_tells_the_same_story_twice() {
    for seed in [3, 4711] {
        let tell = || run(Setup { seed, mutant: None }, Story::told()).story;
        let (first, second) = (tell(), tell());
        assert!(first.lines().count() > 50, "a story is told: {first}");
        assert_eq!(first, second);
    }
}

#[test]
fn listening_to_a_story_does_not_change_it() {
    let told = run(Setup { seed: 5, mutant: None }, Story::told());
    let untold = run(Setup { seed: 5, mutant: None }, Story::untold());
    assert_eq!((told.events, told.commits, told.ended_at), (untold.events, untold.commits, untold.ended_at));
}

#[test]
fn every_planted_fault_is_caught() {
    for mutant in Mutant::all() {
        let tally = run_all(0..SEEDS_PER_MUTANT, Some(mutant), THREADS, |_| {});
        assert!(tally.broken.is_some(), "{mutant} breaks no law within {SEEDS_PER_MUTANT} seeds");
    }
}

/// A scenario is a file with lines of words: `seed N`; lines that begin with `#` say what went wrong once.
#[test]
fn what_once_failed_holds_now() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios");
    let mut replayed = 0;
    for entry in fs::read_dir(dir).expect("the scenarios lie beside the other tests") {
        let path = entry.expect("a directory can be read").path();
        if path.extension().is_none_or(|extension| extension != "seed") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a scenario can be read");
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            let seed = line.strip_prefix("seed ").and_then(|seed| seed.trim().parse().ok());
            let seed = seed.unwrap_or_else(|| panic!("{}: what is \"{line}\"?", path.display()));
            let report = run(Setup { seed, mutant: None }, Story::untold());
            assert_eq!(report.violation, None, "{}: seed {seed}", path.display());
            replayed += 1;
        }
    }
    assert!(replayed > 0);
}
