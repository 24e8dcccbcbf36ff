//! The laws hold over many seeds, and each check is proven able to fail.

use proptest::prelude::*;

use super::world::{Tally, run};
use crate::Mutant;

const STEPS: usize = 400;

#[test]
fn no_law_breaks_over_many_seeds_and_the_seeds_do_a_lot() {
    let mut all = Tally::default();
    for seed in 0..150 {
        let tally = run(seed, STEPS, None).unwrap_or_else(|law| panic!("{law}")).tally;
        all.committed += tally.committed;
        all.rejected += tally.rejected;
        all.readings += tally.readings;
        all.take_overs += tally.take_overs;
        all.deposed += tally.deposed;
        all.resent_frames += tally.resent_frames;
        all.incarnations += tally.incarnations;
    }
    assert!(all.committed > 1_000 && all.rejected > 1_000 && all.readings > 200, "{all:?}");
    assert!(all.deposed > 200 && all.resent_frames > 500 && all.incarnations > 20, "{all:?}");
}

#[test]
fn the_same_seed_twice_is_the_same_story() {
    let story = |seed| run(seed, STEPS, None).unwrap_or_else(|law| panic!("{law}")).trace;
    assert_eq!(story(4711), story(4711));
}

#[test]
fn every_planted_fault_is_noticed() {
    for mutant in Mutant::ALL {
        let caught = (0..400).find_map(|seed| run(seed, STEPS, Some(mutant)).err());
        assert!(caught.is_some(), "{mutant:?} was never noticed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_law_breaks_for_any_seed(seed in any::<u64>(), steps in 50_usize..800) {
        if let Err(law) = run(seed, steps, None) {
            return Err(TestCaseError::fail(law));
        }
    }
}
