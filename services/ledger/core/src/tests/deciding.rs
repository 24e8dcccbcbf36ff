//! What is recorded and what is refused.

use expect_test::expect;

use super::fixture::{active, active_with, commit};
use crate::{Proving, Room, Settings};

#[test]
fn proposals_that_wait_share_a_frame_and_are_answered_when_it_is_acknowledged() {
    active()
        .propose(&commit("A").create("a"))
        .propose(&commit("B").create("b").create("c"))
        .propose(&commit("C").base(1).update("a", 1))
        .ack()
        .ack()
        .then(&expect![[r#"
            A
              append frame 2 of epoch 1: r1..r1
            B
            C
            acknowledged
              A: committed r1..r1
              append frame 3 of epoch 1: r2..r4
            acknowledged
              B: committed r2..r3
              C: committed r4..r4
        "#]]);
}

#[test]
fn a_write_needs_its_object_as_it_was_seen_even_if_the_change_is_not_recorded_yet() {
    active()
        .propose_all(&[
            commit("A").create("a"),
            commit("twice").create("a"),
            commit("of nothing").update("b", 1),
            commit("A2").base(1).update("a", 1),
            commit("late").base(1).update("a", 1),
        ])
        .ack()
        .then(&expect![[r#"
            A, twice, of nothing, A2, late proposed
              append frame 2 of epoch 1: r1..r2
            acknowledged
              A: committed r1..r1
              A2: committed r2..r2
              twice: rejected: pods/default/a stands at r1
              of nothing: rejected: pods/default/b does not exist
              late: rejected: pods/default/a stands at r2
        "#]]);
}

#[test]
fn a_guard_refuses_what_was_decided_before_a_touch() {
    active()
        .propose_all(&[
            commit("touches").create("a").touching("owner:u"),
            commit("too late").guarding("owner:u").create("b"),
            commit("knows it").base(1).guarding("owner:u").create("c"),
            commit("other premise").guarding("owner:v").create("d"),
        ])
        .ack()
        .then(&expect![[r#"
            touches, too late, knows it, other premise proposed
              append frame 2 of epoch 1: r1..r3
            acknowledged
              touches: committed r1..r1
              knows it: committed r2..r2
              other premise: committed r3..r3
              too late: rejected: owner:u was touched at r1
        "#]]);
}

#[test]
fn a_commit_may_touch_what_it_guards() {
    active().propose(&commit("A").guarding("owner:u").create("a").touching("owner:u")).ack().then(&expect![
        [r#"
            A
              append frame 2 of epoch 1: r1..r1
            acknowledged
              A: committed r1..r1
        "#]
    ]);
}

#[test]
fn counters_commute_up_to_their_maximum_and_a_rejected_commit_counts_nothing() {
    active()
        .propose_all(&[
            commit("A").create("a").counting("pods", 2, 3),
            commit("too many").create("b").counting("pods", 2, 3),
            commit("B").create("b").counting("pods", 1, 3),
            commit("gives back").base(1).delete("a", 1).counting("pods", -2, 3),
            commit("C").base(3).create("c").counting("pods", 1, 3).counting("pods", 1, 3),
            commit("one more").base(3).create("d").counting("pods", 1, 3),
        ])
        .ack()
        .then(&expect![[r#"
            A, too many, B, gives back, C, one more proposed
              append frame 2 of epoch 1: r1..r4
            acknowledged
              A: committed r1..r1
              B: committed r2..r2
              gives back: committed r3..r3
              C: committed r4..r4
              too many: rejected: pods has 1 left
              one more: rejected: pods has 0 left
        "#]]);
}

#[test]
fn a_counter_ends_with_the_object_that_it_belongs_to() {
    active()
        .propose_all(&[
            commit("A").create("q").counting("q/pods", 2, 3),
            commit("too many").create("b").counting("q/pods", 2, 3),
            commit("gone").base(1).delete("q", 1).counting("q/pods", 1, 3),
            commit("B").base(2).create("b").counting("q/pods", 3, 3),
        ])
        .ack()
        .then(&expect![[r#"
            A, too many, gone, B proposed
              append frame 2 of epoch 1: r1..r3
            acknowledged
              A: committed r1..r1
              gone: committed r2..r2
              B: committed r3..r3
              too many: rejected: q/pods has 1 left
        "#]]);
}

#[test]
fn a_commit_sent_twice_is_recorded_once() {
    active()
        .propose_all(&[commit("A").create("a"), commit("A").create("a")])
        .ack()
        .propose(&commit("A").create("a"))
        .proved(2)
        .then(&expect![[r#"
            A, A proposed
              append frame 2 of epoch 1: r1..r1
            acknowledged
              A: committed r1..r1
              A: committed r1..r1
            A
              ask the stream where it ends
            the stream ends at 2
              A: committed r1..r1
        "#]]);
}

#[test]
fn a_late_copy_of_what_was_refused_is_refused_though_it_would_pass_by_now() {
    active()
        .propose(&commit("A").create("a").counting("pods", 1, 1))
        .ack()
        .propose(&commit("B").base(1).create("b").counting("pods", 1, 1))
        .proved(2)
        .propose(&commit("C").base(1).delete("a", 1).counting("pods", -1, 1))
        .ack()
        .propose(&commit("B").base(1).create("b").counting("pods", 1, 1))
        .proved(3)
        .then(&expect![[r#"
            A
              append frame 2 of epoch 1: r1..r1
            acknowledged
              A: committed r1..r1
            B
              ask the stream where it ends
            the stream ends at 2
              B: rejected: pods has 0 left
            C
              append frame 3 of epoch 1: r2..r2
            acknowledged
              C: committed r2..r2
            B
              ask the stream where it ends
            the stream ends at 3
              B: rejected: pods has 0 left
        "#]]);
}

#[test]
fn absence_has_to_have_lasted_since_the_base() {
    active()
        .propose_all(&[commit("A").create("a"), commit("B").base(1).delete("a", 1)])
        .ack()
        .propose_all(&[commit("old").create("a"), commit("new").base(2).create("a")])
        .ack()
        .then(&expect![[r#"
            A, B proposed
              append frame 2 of epoch 1: r1..r2
            acknowledged
              A: committed r1..r1
              B: committed r2..r2
            old, new proposed
              append frame 3 of epoch 1: r3..r3
            acknowledged
              new: committed r3..r3
              old: rejected: absent:pods/default/a was touched at r2
        "#]]);
}

#[test]
fn a_base_has_to_be_of_this_log() {
    active()
        .propose_all(&[
            commit("other incarnation").incarnation(1).create("a"),
            commit("future").base(7).create("a"),
            commit("twice the same").create("a").create("a"),
        ])
        .proved(1)
        .then(&expect![[r#"
            other incarnation, future, twice the same proposed
              ask the stream where it ends
            the stream ends at 1
              other incarnation: rejected: the log is in incarnation 0
              future: rejected: its base r7 is ahead of the log, which stands at r0
              twice the same: rejected: a commit writes each object once
        "#]]);
}

#[test]
fn what_cannot_be_read_is_rejected_in_words() {
    active().receive("A", "{}\n").proved(1).then(&expect![[r#"
        A
          ask the stream where it ends
        the stream ends at 1
          A: rejected: line 1 is not a commit header: missing field `id` at line 1 column 2
    "#]]);
}

#[test]
fn when_the_disk_is_nearly_full_deletions_and_status_pass() {
    let full = Room::Scarce { reason: "93 % of the stream's share is used".into() };
    active()
        .propose_all(&[commit("A").create("a"), commit("B").create("b")])
        .ack()
        .room(full)
        .propose_all(&[
            commit("C").base(2).create("c"),
            commit("S").base(2).status("a", 1),
            commit("D").base(2).delete("b", 2),
            commit("mixed").base(2).delete("a", 3).create("e"),
        ])
        .ack()
        .room(Room::Ample)
        .propose(&commit("E").base(4).create("e"))
        .ack()
        .then(&expect![[r#"
            A, B proposed
              append frame 2 of epoch 1: r1..r2
            acknowledged
              A: committed r1..r1
              B: committed r2..r2
            room: Scarce { reason: "93 % of the stream's share is used" }
            C, S, D, mixed proposed
              append frame 3 of epoch 1: r3..r4
            acknowledged
              S: committed r3..r3
              D: committed r4..r4
              C: rejected: storage is nearly full: 93 % of the stream's share is used
              mixed: rejected: storage is nearly full: 93 % of the stream's share is used
            room: Ample
            E
              append frame 4 of epoch 1: r5..r5
            acknowledged
              E: committed r5..r5
        "#]]);
}

#[test]
fn what_waits_is_bounded_and_the_same_bytes_may_come_again() {
    let size = commit("A").create("a").proposal().text.len();
    let settings = Settings { queue_bytes: 2 * size, ..Settings::new("ledger-a", Proving::Asked) };
    active_with(settings)
        .propose(&commit("A").create("a"))
        .propose_all(&[commit("B").create("b"), commit("C").create("c"), commit("D").create("d")])
        .ack()
        .propose(&commit("D").create("d"))
        .ack()
        .then(&expect![[r#"
            A
              append frame 2 of epoch 1: r1..r1
              D: too much is waiting
            B, C, D proposed
            acknowledged
              A: committed r1..r1
              append frame 3 of epoch 1: r2..r3
            D
            acknowledged
              B: committed r2..r2
              C: committed r3..r3
              append frame 4 of epoch 1: r4..r4
        "#]]);
}

#[test]
fn a_frame_holds_what_fits() {
    let mut drafts = Vec::new();
    for commit_number in 0..13 {
        let mut draft = commit(&format!("c{commit_number}"));
        for event in 0..1000 {
            draft = draft.create(&format!("pod-{commit_number}-{event}"));
        }
        drafts.push(draft);
    }
    active().propose(&commit("A").create("a")).propose_all(&drafts).ack().ack().ack().then(&expect![[r#"
        A
          append frame 2 of epoch 1: r1..r1
        c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12 proposed
        acknowledged
          A: committed r1..r1
          append frame 3 of epoch 1: r2..r12001
        acknowledged
          c0: committed r2..r1001
          c1: committed r1002..r2001
          c2: committed r2002..r3001
          c3: committed r3002..r4001
          c4: committed r4002..r5001
          c5: committed r5002..r6001
          c6: committed r6002..r7001
          c7: committed r7002..r8001
          c8: committed r8002..r9001
          c9: committed r9002..r10001
          c10: committed r10002..r11001
          c11: committed r11002..r12001
          append frame 4 of epoch 1: r12002..r13001
        acknowledged
          c12: committed r12002..r13001
    "#]]);
}

#[test]
fn ids_below_the_floor_are_refused_as_too_old() {
    let mut settings = Settings::new("ledger-a", Proving::Asked);
    settings.recent.ids = 2;
    active_with(settings)
        .propose_all(&[commit("A").create("a"), commit("B").create("b"), commit("C").create("c")])
        .ack()
        .propose_all(&[
            commit("A").create("a"),
            commit("old").create("d"),
            commit("B").create("b"),
            commit("new enough").base(1).create("d"),
        ])
        .ack()
        .then(&expect![[r#"
            A, B, C proposed
              append frame 2 of epoch 1: r1..r3
            acknowledged
              A: committed r1..r1
              B: committed r2..r2
              C: committed r3..r3
            A, old, B, new enough proposed
              append frame 3 of epoch 1: r4..r4
            acknowledged
              new enough: committed r4..r4
              A: rejected: decided before r1
              old: rejected: decided before r1
              B: committed r2..r2
        "#]]);
}

#[test]
fn ten_minutes_later_by_the_time_of_the_frames_a_commit_is_forgotten() {
    active()
        .propose(&commit("A").create("a").touching("owner:u"))
        .ack()
        .after_ms(600_000)
        .propose(&commit("B").base(1).create("b"))
        .ack()
        .propose(&commit("A").create("a"))
        .proved(3)
        .after_ms(1_000)
        .propose(&commit("C").base(1).create("c"))
        .ack()
        .propose_all(&[commit("A").create("a"), commit("D").base(1).guarding("owner:u").create("d")])
        .ack()
        .then(&expect![[r#"
            A
              append frame 2 of epoch 1: r1..r1
            acknowledged
              A: committed r1..r1
            600000 ms later
            B
              append frame 3 of epoch 1: r2..r2
            acknowledged
              B: committed r2..r2
            A
              ask the stream where it ends
            the stream ends at 3
              A: committed r1..r1
            1000 ms later
            C
              append frame 4 of epoch 1: r3..r3
            acknowledged
              C: committed r3..r3
            A, D proposed
              append frame 5 of epoch 1: r4..r4
            acknowledged
              D: committed r4..r4
              A: rejected: decided before r1
        "#]]);
}
