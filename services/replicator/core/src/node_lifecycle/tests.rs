//! What becomes of nodes that fall silent, and of their pods.

use jiff::{SignedDuration, Timestamp};
use rutter_controller::given::{Given, NOW, given};

use super::silence::{self, Hearing};
use super::{NodeLifecycle, View};

const NODES: &str = "Node a ready; Node b ready; Node c ready; Node d ready";

fn at(seconds: i64) -> Timestamp {
    NOW + SignedDuration::from_secs(seconds)
}

/// A world in which we have listened since its beginning.
fn world(text: &str) -> Given<NodeLifecycle> {
    given(text).told(|view: &mut View| view.hearing_mut().listens(at(0)))
}

fn hear(given: Given<NodeLifecycle>, tell: impl FnOnce(&mut Hearing)) -> Given<NodeLifecycle> {
    given.told(|view| tell(view.hearing_mut()))
}

#[test]
fn a_silent_node_that_does_not_answer_is_unreachable() {
    let given = hear(world(NODES), |hearing| {
        for node in ["b", "c", "d"] {
            hearing.heard(node, at(55));
        }
    });
    assert_eq!(silence::to_ask(given.view(), at(60)), ["a"]);
    let given = hear(given, |hearing| hearing.unanswered("a", at(58)));
    assert!(silence::to_ask(given.view(), at(60)).is_empty());
    given.after(60).reconcile("Node a").then(
        r#"because a is silent and does not answer
           ~ Node a/status: Ready=Unknown(NodeStatusUnknown), MemoryPressure=Unknown(NodeStatusNeverUpdated), DiskPressure=Unknown(NodeStatusNeverUpdated), PIDPressure=Unknown(NodeStatusNeverUpdated)
           ~ Node a: taints [{"effect":"NoSchedule","key":"node.kubernetes.io/unreachable"},{"effect":"NoExecute","key":"node.kubernetes.io/unreachable","timeAdded":"2026-01-01T00:01:00Z"}]
           ! Node a: NodeNotReady: Node a status is now: NodeNotReady"#,
    );
}

#[test]
fn silence_does_not_count_before_a_full_grace_period_of_our_own_listening() {
    let early = world(NODES).after(40).reconcile("Node a");
    assert!(early.plans[0].is_idle() && early.plans[0].look_again == Some(at(50)), "{}", early.printed());
    let given = hear(early.carried_out(), |hearing| {
        hearing.deaf();
        hearing.listens(at(45));
    });
    let later = given.after(40).reconcile("Node a");
    assert_eq!(later.plans[0].look_again, Some(at(95)));
}

#[test]
fn silence_does_not_count_without_a_question() {
    let decided = world(NODES).after(60).reconcile("Node a");
    assert!(decided.plans[0].is_idle(), "{}", decided.printed());
}

#[test]
fn most_nodes_at_once_are_held_back_and_it_is_said() {
    let given = hear(world(NODES), |hearing| {
        for node in ["a", "b", "c"] {
            hearing.unanswered(node, at(58));
        }
        hearing.heard("d", at(58));
    });
    assert_eq!(silence::held_back(given.view(), at(60)), 3);
    assert_eq!(silence::held_back(given.view(), at(40)), 0);
    given.after(60).reconcile("Node a").then("because a is silent, but so are more than half of the nodes");
}

#[test]
fn a_single_node_may_be_lost() {
    let given = hear(world("Node a ready"), |hearing| hearing.unanswered("a", at(58)));
    let decided = given.after(60).reconcile("Node a");
    assert!(decided.printed().contains("Ready=Unknown"), "{}", decided.printed());
    decided.carried_out();
}

#[test]
fn a_node_that_is_ready_again_loses_its_taints_and_keeps_those_of_others() {
    let given = world(
        r#"Node a ready spec.taints=[{"key":"mine","effect":"NoSchedule"},{"key":"node.kubernetes.io/unreachable","effect":"NoExecute","timeAdded":"2026-01-01T00:00:00Z"}]"#,
    );
    let given = hear(given, |hearing| hearing.heard("a", at(1)));
    given.after(2).reconcile("Node a").then(
        r#"because a is ready
           ~ Node a: taints [{"effect":"NoSchedule","key":"mine"}]
           look again at 2026-01-01T00:00:51Z"#,
    );
}

#[test]
fn pods_of_a_node_that_is_not_ready_are_not_ready_either_and_go_when_their_patience_ends() {
    let tolerant = r#"spec.tolerations=[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]"#;
    let forever = r#"spec.tolerations=[{"operator":"Exists"}]"#;
    let text = format!(
        "Node a unready; Pod none on=a ready; Pod some on=a ready {tolerant}; Pod ever on=a ready {forever}; Pod elsewhere on=b ready"
    );
    let decided = given::<NodeLifecycle>(&text).reconcile("Node a");
    let printed = decided.printed();
    assert!(
        printed.contains("- Pod none") && printed.contains("DisruptionTarget=True(DeletionByTaintManager)")
    );
    assert!(printed.contains("~ Pod some/status: Ready=False(NodeNotReady)"), "{printed}");
    assert!(printed.contains("! Pod none: TaintManagerEviction: Marking for deletion Pod default/none"));
    assert!(printed.contains("! Pod some: NodeNotReady: Node is not ready"), "{printed}");
    assert!(
        !printed.contains("elsewhere") && printed.contains("look again at 2026-01-01T00:05:00Z"),
        "{printed}"
    );
    let later = decided.carried_out().after(301).reconcile("Node a");
    assert!(
        later.printed().contains("- Pod some") && !later.printed().contains("- Pod ever"),
        "{}",
        later.printed()
    );
    later.carried_out();
}

#[test]
fn a_cordoned_node_is_tainted() {
    given::<NodeLifecycle>("Node a ready spec.unschedulable=true").reconcile("Node a").then(
        r#"because a is ready
           ~ Node a: taints [{"effect":"NoSchedule","key":"node.kubernetes.io/unschedulable"}]"#,
    );
}

#[test]
fn a_pod_wakes_only_a_node_in_trouble() {
    assert!(given::<NodeLifecycle>("Node a ready").wakes("Pod p on=a").is_empty());
    assert_eq!(given::<NodeLifecycle>("Node a unready").wakes("Pod p on=a"), ["nodes/a"]);
}
