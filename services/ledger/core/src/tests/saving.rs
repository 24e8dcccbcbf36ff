//! The index on disk.

use super::fixture::{active, commit, stage};
use crate::{LoadError, Proving, Sequencer, Settings};

fn settings() -> Settings {
    Settings::new("ledger-b", Proving::Asked)
}

#[test]
fn what_is_not_recorded_is_not_saved_and_not_lost() {
    let mut stage =
        active().propose(&commit("A").create("a").touching("owner:u").counting("pods", 1, 9)).ack();
    let before = stage.sequencer.save();
    stage = stage.propose_all(&[
        commit("B").base(1).guarding("owner:u").update("a", 1).touching("owner:u").counting("pods", 1, 9),
        commit("C").base(1).create("c"),
    ]);
    assert_eq!(stage.sequencer.save(), before);
    assert_eq!(stage.sequencer.objects(), 2);
    let stage = stage.ack();
    let mut stage = stage.propose(&commit("D").base(3).update("a", 2).counting("pods", 7, 9)).ack();
    assert_ne!(stage.sequencer.save(), before);
}

#[test]
fn a_loaded_index_goes_on_where_the_log_does() {
    let mut leader = active().propose(&commit("A").create("a").touching("owner:u")).ack();
    let mut loaded = Sequencer::load(settings(), &leader.sequencer.save()).expect("just saved");
    let leader = leader.propose(&commit("B").base(1).delete("a", 1).counting("pods", 1, 9));
    let frame = leader.bytes();
    let mut leader = leader.ack();
    loaded.frame(3, &frame).expect("it follows");
    assert_eq!(loaded.save(), leader.sequencer.save());
    let taken = stage(loaded).take_over("next").ack();
    assert_eq!(taken.sequencer.epoch(), 2);
}

#[test]
fn damage_and_other_versions_are_noticed() {
    let mut saved = active().propose(&commit("A").create("a")).ack().sequencer.save();
    assert_eq!(Sequencer::load(settings(), b"").err(), Some(LoadError::Version));
    assert_eq!(Sequencer::load(settings(), &saved[..40]).err(), Some(LoadError::Damaged));
    saved[100] ^= 1;
    assert_eq!(Sequencer::load(settings(), &saved).err(), Some(LoadError::Damaged));
    saved[13] = b'0';
    assert_eq!(Sequencer::load(settings(), &saved).err(), Some(LoadError::Version));
}
