//! What budgets come to.

use proptest::prelude::*;
use rutter_controller::given::{Given, given};
use serde_json::Value;

use super::Disruption;

const BUDGET: &str = "PodDisruptionBudget web spec.selector.matchLabels.app=web";

fn world(text: &str) -> Given<Disruption> {
    given(text)
}

fn status(given: &Given<Disruption>) -> Value {
    let (_, budget) =
        given.world.objects().find(|(key, _)| key.resource == "poddisruptionbudgets").expect("there is one");
    budget["status"].clone()
}

/// Current, desired, expected, allowed.
fn counts(given: &Given<Disruption>) -> [i64; 4] {
    let status = status(given);
    ["currentHealthy", "desiredHealthy", "expectedPods", "disruptionsAllowed"]
        .map(|field| status[field].as_i64().expect("it is counted"))
}

#[test]
fn what_is_healthy_beyond_the_minimum_may_go() {
    let given = world(&format!(
        "{BUDGET} spec.minAvailable=1
         ReplicaSet web replicas=3
         Pod a of web on=n ready; Pod b of web on=n ready; Pod c of web on=n unready; Pod other labels=app:x on=n ready"
    ))
    .reconcile("PodDisruptionBudget web")
    .carried_out();
    assert_eq!(counts(&given), [2, 1, 3, 1]);
    let condition = &status(&given)["conditions"][0];
    assert_eq!((&condition["type"], &condition["status"]), (&"DisruptionAllowed".into(), &"True".into()));
    assert_eq!((&condition["reason"], &condition["message"]), (&"SufficientPods".into(), &"".into()));
    assert_eq!(status(&given)["observedGeneration"], 1);
}

#[test]
fn a_share_is_of_what_the_controllers_want() {
    let pods = "Deployment top replicas=10; ReplicaSet web replicas=10 of Deployment/top; ReplicationController old replicas=5
        Pod a of ReplicaSet/web on=n ready labels=app:web; Pod b of ReplicaSet/web on=n ready labels=app:web
        Pod c of ReplicationController/old on=n ready labels=app:web; Pod alone labels=app:web on=n ready";
    let cases = [("minAvailable", "10%", [4, 2, 15, 2]), ("maxUnavailable", "80%", [4, 3, 15, 1])];
    for (field, bound, expected) in cases {
        let given = world(&format!("{BUDGET} spec.{field}=\"{bound}\"\n{pods}"));
        let given = given.reconcile("PodDisruptionBudget web").carried_out();
        assert_eq!(counts(&given), expected, "{field} {bound}");
    }
}

#[test]
fn a_budget_without_pods_lets_nobody_go() {
    let given =
        world(&format!("{BUDGET} spec.minAvailable=0")).reconcile("PodDisruptionBudget web").carried_out();
    assert_eq!(counts(&given), [0, 0, 0, 0]);
    assert_eq!(status(&given)["conditions"][0]["reason"], "InsufficientPods");
}

#[test]
fn a_pod_of_an_unknown_controller_lets_nobody_go() {
    let given = world(&format!(
        "{BUDGET} spec.maxUnavailable=1 status.disruptionsAllowed=1
         Widget w
         Pod a of Widget/w labels=app:web on=n ready"
    ))
    .reconcile("PodDisruptionBudget web")
    .carried_out();
    let condition = &status(&given)["conditions"][0];
    assert_eq!(condition["reason"], "SyncFailed");
    assert_eq!(condition["message"], "found no controllers for pod \"a\"");
    assert_eq!(status(&given)["disruptionsAllowed"], 0);
}

#[test]
fn a_pod_that_was_let_go_counts_as_gone_until_it_is_or_two_minutes_have_passed() {
    let text = format!(
        "{BUDGET} spec.minAvailable=1 status.disruptedPods.a=2026-01-01T00:00:00Z status.disruptedPods.gone=2026-01-01T00:00:00Z
         ReplicaSet web replicas=2; Pod a of web on=n ready; Pod b of web on=n ready"
    );
    let decided = world(&text).reconcile("PodDisruptionBudget web");
    assert!(decided.printed().contains("look again at 2026-01-01T00:02:01Z"), "{}", decided.printed());
    let given = decided.carried_out();
    assert_eq!(counts(&given), [1, 1, 2, 0]);
    assert_eq!(status(&given)["disruptedPods"], serde_json::json!({"a": "2026-01-01T00:00:00Z"}));
    let given = given.after(121).reconcile("PodDisruptionBudget web").carried_out();
    assert_eq!(counts(&given), [2, 1, 2, 1]);
}

#[test]
fn only_what_concerns_a_budget_wakes_it() {
    let given = || world(&format!("{BUDGET} spec.minAvailable=1; ReplicaSet web; Pod a of web on=n ready"));
    assert!(given().wakes("Pod a status.hostIP=10.0.0.1").is_empty());
    assert!(given().wakes("Pod x labels=app:x on=n ready").is_empty());
    assert_eq!(given().wakes("Pod a unready"), ["poddisruptionbudgets.policy/default/web"]);
    assert_eq!(given().wakes("ReplicaSet web replicas=2"), ["poddisruptionbudgets.policy/default/web"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn never_more_may_go_than_leaves_what_must_stay(
        min in 0i64..5,
        pods in proptest::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 0..6),
    ) {
        let mut text = format!("{BUDGET} spec.minAvailable={min} status.disruptedPods.p0=2026-01-01T00:00:00Z\nReplicaSet web replicas=6\n");
        for (index, (ready, deleted, ours)) in pods.iter().enumerate() {
            text += &format!("Pod p{index} of web on=n");
            text += if *ready { " ready" } else { " unready" };
            if *deleted { text += " deleted"; }
            if !*ours { text += " labels=app:x"; }
            text += "\n";
        }
        let given = world(&text).reconcile("PodDisruptionBudget web").carried_out();
        let [healthy, desired, _, allowed] = counts(&given);
        prop_assert!(allowed == 0 || healthy - allowed >= desired);
    }
}
