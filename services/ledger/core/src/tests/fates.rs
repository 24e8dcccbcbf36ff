//! What becomes of a frame whose fate is not known at once, and of the ledger that sent it.

use expect_test::expect;

use super::fixture::{active, commit, standby};
use crate::{Proving, Role};

#[test]
fn nothing_is_answered_before_the_epoch_frame_stands() {
    standby(Proving::Owned)
        .propose(&commit("too early").create("a"))
        .take_over("seed")
        .propose_all(&[commit("A").create("a"), commit("B").create("a")])
        .ask("Q")
        .ack()
        .ack()
        .then(&expect![[r#"
            too early: this ledger is not the active one
            take over
              append frame 1 of epoch 1: nothing, next is r1
            A, B proposed
            Q
            acknowledged
              append frame 2 of epoch 1: r1..r1
            acknowledged
              A: committed r1..r1
              B: rejected: pods/default/a stands at r1
              Q: the log stands at r1 of incarnation 0
        "#]]);
}

#[test]
fn after_a_time_out_the_same_bytes_are_sent_again() {
    let stage = active().propose(&commit("A").create("a"));
    let first = stage.bytes();
    let stage = stage.propose(&commit("B").create("b")).time_out();
    assert_eq!(stage.bytes(), first);
    stage.ack().then(&expect![[r#"
        A
          append frame 2 of epoch 1: r1..r1
        B
        no answer
          append again frame 2 of epoch 1: r1..r1
        acknowledged
          A: committed r1..r1
          append frame 3 of epoch 1: r2..r2
    "#]]);
}

#[test]
fn a_refusal_alone_is_not_a_deposition_since_its_own_frame_may_stand_there() {
    active().propose(&commit("A").create("a")).time_out().refuse().own_stands().then(&expect![[r#"
        A
          append frame 2 of epoch 1: r1..r1
        no answer
          append again frame 2 of epoch 1: r1..r1
        refused
          read 2
        2 holds its own frame
          A: committed r1..r1
    "#]]);
}

#[test]
fn an_empty_position_tells_nothing_and_the_frame_is_sent_again_after_a_pause() {
    active()
        .propose(&commit("A").create("a"))
        .refuse()
        .nothing_stands(2)
        .after_ms(50)
        .after_ms(50)
        .ack()
        .then(&expect![[r#"
            A
              append frame 2 of epoch 1: r1..r1
            refused
              read 2
            2 is empty
            50 ms later
            50 ms later
              append again frame 2 of epoch 1: r1..r1
            acknowledged
              A: committed r1..r1
        "#]]);
}

#[test]
fn anothers_frame_in_its_place_deposes_a_ledger_and_it_answers_nothing_more() {
    let other = standby(Proving::Asked).take_over("other");
    let stage = active()
        .propose_all(&[commit("A").create("a"), commit("B").create("a")])
        .ask("Q")
        .refuse()
        .another_stands(2, &other.bytes())
        .propose(&commit("C").create("c"))
        .then(&expect![[r#"
            A, B proposed
              append frame 2 of epoch 1: r1..r1
            Q
            refused
              read 2
            2 holds another's frame
              steps down: another stands at 2; unanswered: [A, B, Q]
            C: this ledger is not the active one
        "#]]);
    assert_eq!(stage.sequencer.role(), Role::Following);
    assert_eq!(stage.sequencer.objects(), 0);
}

#[test]
fn a_late_acknowledgement_of_an_earlier_leadership_settles_nothing() {
    let stage = active().propose(&commit("A").create("a"));
    let earlier = stage.append.clone().expect("handed out");
    let other = standby(Proving::Asked).take_over("other");
    stage
        .refuse()
        .another_stands(2, &other.bytes())
        .take_over("again")
        .late_ack(&earlier)
        .note("still opening")
        .then(&expect![[r#"
            A
              append frame 2 of epoch 1: r1..r1
            refused
              read 2
            2 holds another's frame
              steps down: another stands at 2; unanswered: [A]
            take over
              append frame 2 of epoch 2: nothing, next is r1
            an earlier frame acknowledged
            still opening
        "#]]);
}

#[test]
fn its_own_frame_going_by_is_as_good_as_an_acknowledgement() {
    let stage = active().propose(&commit("A").create("a"));
    let frame = stage.bytes();
    stage.frame(2, &frame).frame(2, &frame).then(&expect![[r#"
        A
          append frame 2 of epoch 1: r1..r1
        frame 2 goes by
          A: committed r1..r1
        frame 2 goes by
    "#]]);
}

#[test]
fn a_standby_that_finds_a_late_frame_where_its_epoch_should_begin_applies_it_first() {
    let leader = active().propose(&commit("A").create("a"));
    let late = leader.bytes();
    let first = standby(Proving::Asked).take_over("seed").bytes();
    standby(Proving::Asked)
        .frame(1, &first)
        .take_over("second")
        .refuse()
        .another_stands(2, &late)
        .frame(2, &late)
        .take_over("third")
        .propose(&commit("A").create("a"))
        .ack()
        .then(&expect![[r#"
            frame 1 goes by
            take over
              append frame 2 of epoch 2: nothing, next is r1
            refused
              read 2
            2 holds another's frame
              steps down: another stands at 2; unanswered: []
            frame 2 goes by
            take over
              append frame 3 of epoch 2: nothing, next is r2
            A
            acknowledged
              ask the stream where it ends
        "#]]);
}

#[test]
fn a_new_incarnation_skips_the_revisions_that_may_have_been_seen() {
    active()
        .propose(&commit("A").create("a"))
        .ack()
        .resign()
        .take_over_as(2)
        .propose(&commit("old").base(1).create("b"))
        .ack()
        .propose(&commit("B").base(8_589_934_592).incarnation(2).update("a", 1))
        .ack()
        .proved(4)
        .then(&expect![[r#"
            A
              append frame 2 of epoch 1: r1..r1
            acknowledged
              A: committed r1..r1
            resign
              steps down: Resigned; unanswered: []
            take over as incarnation 2
              append frame 3 of epoch 2: nothing, next is r8589934593, skipping r2..r8589934592
            old
            acknowledged
              ask the stream where it ends
            B
              append frame 4 of epoch 2: r8589934593..r8589934593
            acknowledged
              B: committed r8589934593..r8589934593
              old: rejected: the log is in incarnation 2
            the stream ends at 4
        "#]]);
}

#[test]
fn a_ledger_whose_log_was_restored_under_it_stops_answering() {
    let restored = standby(Proving::Asked).take_over("of the backup").bytes();
    active().ask("Q").frame(1, &restored).then(&expect![[r#"
        Q
          ask the stream where it ends
        frame 1 goes by: frame 1 does not follow from what was applied: expected 0652a5168a2a2f7c631b2df4ee0593f69bce02a80a69aadd7aee367d0a3cc111, got 9394755610c188bb2a4d10567c21cad34f8455e5308957b3aea1503f7cf0a506
          steps down: the log changed at 1; unanswered: [Q]
    "#]]);
}

#[test]
fn resigning_answers_what_was_taken_and_takes_nothing_more() {
    active().propose_all(&[commit("A").create("a")]).resign().propose(&commit("B").create("b")).ack().then(
        &expect![[r#"
            A proposed
              append frame 2 of epoch 1: r1..r1
            resign
            B: this ledger is not the active one
            acknowledged
              A: committed r1..r1
              steps down: Resigned; unanswered: []
        "#]],
    );
}

#[test]
fn frames_never_go_back_in_time() {
    let stage = active().propose(&commit("A").create("a"));
    let early = rutter_schemas::Frame::decode(&stage.bytes()).expect("its own").header.at;
    let stage = stage.ack().after_ms(-5_000).propose(&commit("B").create("b"));
    let late = rutter_schemas::Frame::decode(&stage.bytes()).expect("its own").header.at;
    assert_eq!(
        (early.as_str(), late.as_str()),
        ("2027-01-15T08:00:00.000000Z", "2027-01-15T08:00:00.000000Z")
    );
}
