use super::*;
use expect_test::{Expect, expect};
use rutter_schemas::Scope;
use std::fmt::Write as _;

/// An executor and what was said.
struct Stage {
    executor: Executor,
    now: Timestamp,
    ids: u128,
    transcript: String,
}

fn stage(executor: fn(Limits) -> Executor) -> Stage {
    let now = Timestamp::from_second(1_800_000_000).expect("in range");
    let limits = Limits { attempts: 3, deadline: now + SignedDuration::from_secs(10) };
    let stage = Stage { executor: executor(limits), now, ids: 0, transcript: String::new() };
    stage.said("begin")
}

fn web() -> Key {
    Key::new("apps", "deployments", "default", "web")
}

impl Stage {
    fn decided(mut self) -> Stage {
        self.ids += 1;
        let id = Uuid::from_u128(self.ids);
        let text = Bytes::from(format!("commit {}", self.ids));
        self.executor.decided(Decision::Propose { id, text });
        self.said("decided")
    }

    fn nothing_to_change(mut self) -> Stage {
        self.executor.decided(Decision::Nothing);
        self.said("nothing to change")
    }

    fn committed(mut self) -> Stage {
        let outcome = Outcome::Committed { first: Revision(8), last: Revision(9) };
        self.executor.answered(Uuid::from_u128(self.ids), outcome);
        self.said("committed r8..r9")
    }

    fn rejected(self, rejection: Rejection) -> Stage {
        let id = self.ids;
        self.answered(id, rejection)
    }

    fn answered(mut self, id: u128, rejection: Rejection) -> Stage {
        let said = format!("{id} rejected: {rejection}");
        self.executor.answered(Uuid::from_u128(id), Outcome::Rejected(rejection));
        self.said(&said)
    }

    fn unanswered(mut self) -> Stage {
        self.executor.unanswered(Uuid::from_u128(self.ids));
        self.said("no answer")
    }

    fn seen(mut self, revision: u64) -> Stage {
        self.executor.seen(Revision(revision));
        self.said(&format!("the view has r{revision}"))
    }

    fn learned(mut self, revision: u64) -> Stage {
        self.executor.learned(NowAnswer { revision: Revision(revision), incarnation: 0 });
        self.said(&format!("the ledger stands at r{revision}"))
    }

    fn after_ms(mut self, ms: i64) -> Stage {
        self.now += SignedDuration::from_millis(ms);
        self.said(&format!("{ms} ms later"))
    }

    fn said(mut self, input: &str) -> Stage {
        let step = match self.executor.step(self.now) {
            Step::Decide { attempt } => format!("decide, attempt {attempt}"),
            Step::Propose { text, .. } => format!("propose {}", String::from_utf8_lossy(&text)),
            Step::Await { revision } => format!("await r{revision}"),
            Step::Learn => "learn where the ledger stands".into(),
            Step::Pause { until } => format!("pause {:?}", until.duration_since(self.now)),
            Step::End(end) => format!("end: {end:?}"),
        };
        writeln!(self.transcript, "{input} → {step}").expect("a string");
        self
    }

    fn then(self, expected: &Expect) {
        expected.assert_eq(&self.transcript);
    }
}

fn stale(actual: Option<u64>) -> Rejection {
    Rejection::Stale { key: web(), actual: actual.map(Revision) }
}

#[test]
fn a_write_ends_when_the_view_has_it() {
    stage(Executor::new).decided().committed().seen(8).seen(9).then(&expect![[r#"
        begin → decide, attempt 1
        decided → propose commit 1
        committed r8..r9 → await r9
        the view has r8 → await r9
        the view has r9 → end: Committed { first: Revision(8), last: Revision(9), seen: true }
    "#]]);
}

#[test]
fn a_write_that_need_not_be_seen_ends_with_its_outcome() {
    stage(|limits| Executor::new(limits).unseen()).decided().committed().then(&expect![[r#"
        begin → decide, attempt 1
        decided → propose commit 1
        committed r8..r9 → end: Committed { first: Revision(8), last: Revision(9), seen: false }
    "#]]);
}

#[test]
fn a_rejection_waits_for_the_view_and_is_decided_anew_under_a_new_id() {
    stage(Executor::new)
        .decided()
        .rejected(stale(Some(7)))
        .seen(6)
        .seen(7)
        .decided()
        .rejected(Rejection::Touched { scope: Scope::owner("u"), actual: Revision(8) })
        .seen(8)
        .decided()
        .committed()
        .seen(9)
        .then(&expect![[r#"
            begin → decide, attempt 1
            decided → propose commit 1
            1 rejected: deployments.apps/default/web stands at r7 → await r7
            the view has r6 → await r7
            the view has r7 → decide, attempt 2
            decided → propose commit 2
            2 rejected: owner:u was touched at r8 → await r8
            the view has r8 → decide, attempt 3
            decided → propose commit 3
            committed r8..r9 → await r9
            the view has r9 → end: Committed { first: Revision(8), last: Revision(9), seen: true }
        "#]]);
}

#[test]
fn where_the_object_is_gone_the_ledger_is_asked_how_far_to_catch_up() {
    stage(Executor::new).decided().rejected(stale(None)).seen(9).learned(7).seen(7).then(&expect![[r#"
        begin → decide, attempt 1
        decided → propose commit 1
        1 rejected: deployments.apps/default/web does not exist → learn where the ledger stands
        the view has r9 → learn where the ledger stands
        the ledger stands at r7 → await r7
        the view has r7 → decide, attempt 2
    "#]]);
}

#[test]
fn without_an_answer_the_same_is_sent_again() {
    stage(Executor::new)
        .decided()
        .unanswered()
        .after_ms(20)
        .unanswered()
        .after_ms(40)
        .committed()
        .seen(9)
        .then(&expect![[r#"
        begin → decide, attempt 1
        decided → propose commit 1
        no answer → pause 20ms
        20 ms later → propose commit 1
        no answer → pause 40ms
        40 ms later → propose commit 1
        committed r8..r9 → await r9
        the view has r9 → end: Committed { first: Revision(8), last: Revision(9), seen: true }
    "#]]);
}

#[test]
fn a_late_answer_to_an_earlier_decision_changes_nothing() {
    stage(Executor::new)
        .decided()
        .rejected(stale(Some(7)))
        .seen(7)
        .decided()
        .answered(1, stale(Some(7)))
        .committed()
        .then(&expect![[r#"
            begin → decide, attempt 1
            decided → propose commit 1
            1 rejected: deployments.apps/default/web stands at r7 → await r7
            the view has r7 → decide, attempt 2
            decided → propose commit 2
            1 rejected: deployments.apps/default/web stands at r7 → propose commit 2
            committed r8..r9 → await r9
        "#]]);
}

#[test]
fn a_named_resource_version_conflicts_at_once() {
    stage(|limits| Executor::pinned(limits, web())).decided().rejected(stale(Some(7))).then(&expect![[r#"
        begin → decide, attempt 1
        decided → propose commit 1
        1 rejected: deployments.apps/default/web stands at r7 → end: Failed(Conflict { key: Key { group: "apps", resource: "deployments", namespace: "default", name: "web" }, actual: Some(Revision(7)) })
    "#]]);
}

#[test]
fn a_named_resource_version_still_bears_other_premises_to_change() {
    stage(|limits| Executor::pinned(limits, web()))
        .decided()
        .rejected(Rejection::Touched { scope: Scope::ns_life("default"), actual: Revision(7) })
        .then(&expect![[r#"
            begin → decide, attempt 1
            decided → propose commit 1
            1 rejected: ns:default:life was touched at r7 → await r7
        "#]]);
}

#[test]
fn attempts_are_bounded() {
    stage(Executor::new)
        .decided()
        .rejected(stale(Some(7)))
        .seen(7)
        .decided()
        .rejected(stale(Some(8)))
        .seen(8)
        .decided()
        .rejected(stale(Some(9)))
        .then(&expect![[r#"
            begin → decide, attempt 1
            decided → propose commit 1
            1 rejected: deployments.apps/default/web stands at r7 → await r7
            the view has r7 → decide, attempt 2
            decided → propose commit 2
            2 rejected: deployments.apps/default/web stands at r8 → await r8
            the view has r8 → decide, attempt 3
            decided → propose commit 3
            3 rejected: deployments.apps/default/web stands at r9 → end: Failed(Contended { attempts: 3, last: Stale { key: Key { group: "apps", resource: "deployments", namespace: "default", name: "web" }, actual: Some(Revision(9)) } })
        "#]]);
}

#[test]
fn busy_is_no_outcome_and_pauses_grow() {
    stage(Executor::new)
        .decided()
        .rejected(Rejection::Busy)
        .after_ms(20)
        .rejected(Rejection::Busy)
        .after_ms(40)
        .committed()
        .then(&expect![[r#"
            begin → decide, attempt 1
            decided → propose commit 1
            1 rejected: too much is waiting → pause 20ms
            20 ms later → propose commit 1
            1 rejected: too much is waiting → pause 40ms
            40 ms later → propose commit 1
            committed r8..r9 → await r9
        "#]]);
}

#[test]
fn what_a_new_decision_would_not_change_ends_it() {
    let large = Rejection::TooLarge { size: 9, limit: 8 };
    stage(Executor::new).decided().rejected(large).then(&expect![[r#"
        begin → decide, attempt 1
        decided → propose commit 1
        1 rejected: 9 is above the limit of 8 → end: Failed(Refused(TooLarge { size: 9, limit: 8 }))
    "#]]);
}

#[test]
fn a_full_counter_is_decided_on_a_view_that_shows_it() {
    let exhausted = Rejection::Exhausted { counter: "quota/pods".into(), left: 0 };
    stage(Executor::new).decided().rejected(exhausted).learned(7).seen(7).then(&expect![[r#"
        begin → decide, attempt 1
        decided → propose commit 1
        1 rejected: quota/pods has 0 left → learn where the ledger stands
        the ledger stands at r7 → await r7
        the view has r7 → decide, attempt 2
    "#]]);
}

#[test]
fn a_write_that_changes_nothing_records_nothing() {
    stage(Executor::new).nothing_to_change().then(&expect![[r#"
        begin → decide, attempt 1
        nothing to change → end: Unchanged
    "#]]);
}

#[test]
fn the_deadline_says_what_is_known() {
    stage(Executor::new).after_ms(10_000).then(&expect![[r#"
        begin → decide, attempt 1
        10000 ms later → end: Failed(TimedOut)
    "#]]);
    stage(Executor::new).decided().unanswered().after_ms(10_000).then(&expect![[r#"
        begin → decide, attempt 1
        decided → propose commit 1
        no answer → pause 20ms
        10000 ms later → end: Failed(Unknown)
    "#]]);
    stage(Executor::new).decided().rejected(stale(Some(7))).after_ms(10_000).then(&expect![[r#"
        begin → decide, attempt 1
        decided → propose commit 1
        1 rejected: deployments.apps/default/web stands at r7 → await r7
        10000 ms later → end: Failed(Contended { attempts: 1, last: Stale { key: Key { group: "apps", resource: "deployments", namespace: "default", name: "web" }, actual: Some(Revision(7)) } })
    "#]]);
    stage(Executor::new).decided().rejected(Rejection::Busy).after_ms(10_000).then(&expect![[r#"
        begin → decide, attempt 1
        decided → propose commit 1
        1 rejected: too much is waiting → pause 20ms
        10000 ms later → end: Failed(TimedOut)
    "#]]);
    stage(Executor::new).decided().unanswered().rejected(Rejection::Busy).after_ms(10_000).then(&expect![[
        r#"
        begin → decide, attempt 1
        decided → propose commit 1
        no answer → pause 20ms
        1 rejected: too much is waiting → pause 40ms
        10000 ms later → end: Failed(Unknown)
    "#
    ]]);
    stage(Executor::new).decided().committed().after_ms(10_000).then(&expect![[r#"
        begin → decide, attempt 1
        decided → propose commit 1
        committed r8..r9 → await r9
        10000 ms later → end: Committed { first: Revision(8), last: Revision(9), seen: false }
    "#]]);
}

#[test]
fn a_floor_that_moved_over_an_unanswered_commit_hides_its_outcome() {
    let too_old = || Rejection::TooOld { floor: Revision(7) };
    stage(Executor::new).decided().unanswered().rejected(too_old()).then(&expect![[r#"
        begin → decide, attempt 1
        decided → propose commit 1
        no answer → pause 20ms
        1 rejected: decided before r7 → end: Failed(Unknown)
    "#]]);
    stage(Executor::new).decided().rejected(too_old()).seen(7).then(&expect![[r#"
        begin → decide, attempt 1
        decided → propose commit 1
        1 rejected: decided before r7 → await r7
        the view has r7 → decide, attempt 2
    "#]]);
}

#[test]
fn each_failure_has_a_status() {
    let subject = rutter_apimachinery::status::Subject::new("apps", "deployments");
    let code = |failure: Failure| failure.status(subject, "web").code;
    assert_eq!(code(Failure::Conflict { key: web(), actual: None }), 409);
    assert_eq!(code(Failure::Contended { attempts: 3, last: stale(None) }), 409);
    assert_eq!(code(Failure::Unknown), 504);
    assert_eq!(code(Failure::TimedOut), 504);
    assert_eq!(code(Failure::Refused(Rejection::TooLarge { size: 9, limit: 8 })), 413);
    assert_eq!(code(Failure::Refused(Rejection::StorageFull { reason: "93 %".into() })), 503);
    let exhausted = Rejection::Exhausted { counter: "quota:pods".into(), left: 0 };
    assert_eq!(code(Failure::Contended { attempts: 3, last: exhausted }), 403);
    assert!(Failure::Unknown.status(subject, "web").message.contains("may have been applied"));
}
