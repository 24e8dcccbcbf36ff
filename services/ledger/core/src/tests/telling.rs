//! When an answer may be told.

use expect_test::expect;

use super::fixture::{active, active_with, commit};
use crate::{Proving, Settings};

#[test]
fn a_rejection_waits_for_the_frames_it_was_decided_on_and_for_a_proof() {
    active()
        .propose_all(&[commit("A").create("a"), commit("B").create("a")])
        .ack()
        .note("the frame was made after B came: it proves enough")
        .propose(&commit("C").create("a"))
        .note("now no frame is under way")
        .proved(2)
        .then(&expect![[r#"
            A, B proposed
              append frame 2 of epoch 1: r1..r1
            acknowledged
              A: committed r1..r1
              B: rejected: pods/default/a stands at r1
            the frame was made after B came: it proves enough
            C
              ask the stream where it ends
            now no frame is under way
            the stream ends at 2
              C: rejected: pods/default/a stands at r1
        "#]]);
}

#[test]
fn a_frame_that_was_made_before_the_question_proves_nothing_about_it() {
    active().propose(&commit("A").create("a")).ask("Q").ack().proved(2).then(&expect![[r#"
        A
          append frame 2 of epoch 1: r1..r1
        Q
        acknowledged
          A: committed r1..r1
          ask the stream where it ends
        the stream ends at 2
          Q: the log stands at r1 of incarnation 0
    "#]]);
}

#[test]
fn a_frame_that_was_made_after_the_question_proves_it() {
    active().propose(&commit("A").create("a")).ask("Q").propose(&commit("B").create("b")).ack().ack().then(
        &expect![[r#"
            A
              append frame 2 of epoch 1: r1..r1
            Q
            B
            acknowledged
              A: committed r1..r1
              append frame 3 of epoch 1: r2..r2
            acknowledged
              B: committed r2..r2
              Q: the log stands at r2 of incarnation 0
        "#]],
    );
}

#[test]
fn questions_that_come_after_the_proof_began_wait_for_the_next() {
    active().ask("Q").ask("R").proved(1).proved(1).then(&expect![[r#"
        Q
          ask the stream where it ends
        R
        the stream ends at 1
          Q: the log stands at r0 of incarnation 0
          ask the stream where it ends
        the stream ends at 1
          R: the log stands at r0 of incarnation 0
    "#]]);
}

#[test]
fn a_stream_that_goes_on_behind_our_last_append_proves_nothing() {
    active().ask("Q").proved(2).after_ms(100).then(&expect![[r#"
        Q
          ask the stream where it ends
        the stream ends at 2
        100 ms later
          ask the stream where it ends
    "#]]);
}

#[test]
fn several_servers_prove_by_one_empty_frame_without_revision() {
    active_with(Settings::new("ledger-a", Proving::Framed))
        .ask("Q")
        .ask("R")
        .ask("S")
        .ack()
        .ack()
        .propose(&commit("A").create("a"))
        .ack()
        .then(&expect![[r#"
            Q
              append frame 2 of epoch 1: nothing, next is r1
            R
            S
            acknowledged
              Q: the log stands at r0 of incarnation 0
            acknowledged
              append frame 3 of epoch 1: nothing, next is r1
            A
            acknowledged
              R: the log stands at r0 of incarnation 0
              S: the log stands at r0 of incarnation 0
              append frame 4 of epoch 1: r1..r1
        "#]]);
}

#[test]
fn who_owns_the_server_needs_no_proof() {
    active_with(Settings::new("ledger-a", Proving::Owned))
        .ask("Q")
        .propose(&commit("A").create("a"))
        .propose(&commit("B").create("a"))
        .ack()
        .then(&expect![[r#"
            Q
              Q: the log stands at r0 of incarnation 0
            A
              append frame 2 of epoch 1: r1..r1
            B
            acknowledged
              A: committed r1..r1
              B: rejected: pods/default/a stands at r1
        "#]]);
}
