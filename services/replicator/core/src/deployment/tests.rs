//! What rollouts come to.

use proptest::prelude::*;
use rutter_controller::Intent;
use rutter_controller::given::{Given, given};
use serde_json::Value;

use super::Deployments;

fn world(text: &str) -> Given<Deployments> {
    given(text)
}

/// A Deployment of four, the surge and the unavailable one pod each, on an old set that is whole.
const ROLLING: &str = "Deployment web replicas=4 image=i:2 spec.strategy.rollingUpdate.maxSurge=1 spec.strategy.rollingUpdate.maxUnavailable=1
    ReplicaSet web-1 replicas=4 of Deployment/web labels=app:web,pod-template-hash:1 status.replicas=4 status.readyReplicas=4 status.availableReplicas=4 status.observedGeneration=1 metadata.annotations.deployment%2ekubernetes%2eio/revision=\"1\"";

#[test]
fn a_new_deployment_makes_its_first_set_whole() {
    let decided = world("Deployment web replicas=3").reconcile("Deployment web");
    let printed = decided.printed();
    assert!(printed.contains("+ ReplicaSet web-") && printed.contains("of web"), "{printed}");
    assert!(printed.contains("Progressing=True(NewReplicaSetCreated)"), "{printed}");
    assert!(printed.contains("Available=False(MinimumReplicasUnavailable)"), "{printed}");
    assert!(printed.contains("annotations.deployment.kubernetes.io/revision 1"), "{printed}");
    assert!(printed.contains("look again at 2026-01-01T00:10:01Z"), "{printed}");
    let told = printed.lines().find(|line| line.starts_with('!')).expect("operators are told");
    assert!(told.starts_with("! Deployment web: ScalingReplicaSet: Scaled up replica set web-"), "{told}");
    assert!(told.ends_with(" from 0 to 3"), "{told}");
    let Intent::Create { object } = &decided.plans[0].intents[0] else { panic!() };
    let hash = &object["metadata"]["labels"]["pod-template-hash"];
    assert!(hash.is_string());
    assert_eq!(object["spec"]["replicas"], 3);
    assert_eq!(&object["spec"]["selector"]["matchLabels"]["pod-template-hash"], hash);
    assert_eq!(&object["spec"]["template"]["metadata"]["labels"]["pod-template-hash"], hash);
    assert_eq!(object["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"], "3");
    assert_eq!(object["metadata"]["annotations"]["deployment.kubernetes.io/max-replicas"], "4");
    decided.carried_out();
}

#[test]
fn a_rolling_update_grows_by_the_surge_and_shrinks_by_what_availability_spares() {
    let decided = world(ROLLING).reconcile("Deployment web").reading_at_most(8);
    let printed = decided.printed();
    assert!(printed.starts_with("because the rollout moves on: 1 new, 3 old"), "{printed}");
    assert!(printed.contains("replicas 3"), "{printed}");
    assert!(
        printed.contains("unless owner:web-1 was touched")
            && printed.contains("unless owner:web-1:available")
    );
    decided.carried_out();
}

#[test]
fn room_opens_only_when_the_old_pods_are_gone() {
    let given = world(ROLLING).reconcile("Deployment web").carried_out();
    let new = new_set(&given);
    let waiting = given.reconcile("Deployment web");
    assert!(waiting.plans[0].is_idle(), "{}", waiting.printed());
    let decided = waiting.carried_out().and("ReplicaSet web-1 status.replicas=3").reconcile("Deployment web");
    assert!(decided.printed().contains(&format!("~ ReplicaSet {new}: replicas 2")), "{}", decided.printed());
    decided.carried_out();
}

#[test]
fn a_rollout_that_is_done_says_so_and_forgets_what_is_too_old() {
    let decided = world(
        "Deployment web replicas=1 spec.revisionHistoryLimit=0
         ReplicaSet web-0 replicas=0 image=i:0 of Deployment/web labels=app:web status.observedGeneration=1
         ReplicaSet web-1 replicas=1 of Deployment/web labels=app:web status.replicas=1 status.readyReplicas=1 status.availableReplicas=1",
    )
    .reconcile("Deployment web");
    let printed = decided.printed();
    assert!(printed.contains("- ReplicaSet web-0"), "{printed}");
    assert!(printed.contains("Progressing=True(NewReplicaSetAvailable)"), "{printed}");
    assert!(printed.contains("Available=True(MinimumReplicasAvailable)"), "{printed}");
    decided.carried_out();
}

#[test]
fn undoing_brings_the_old_set_back_under_a_new_revision() {
    let given = world(ROLLING).reconcile("Deployment web").carried_out();
    let decided = given.and("Deployment web image=i:1").reconcile("Deployment web");
    let printed = decided.printed();
    assert!(printed.contains("annotations.deployment.kubernetes.io/revision 3"), "{printed}");
    assert!(printed.contains("annotations.deployment.kubernetes.io/revision-history 1"), "{printed}");
    decided.carried_out();
}

#[test]
fn a_paused_deployment_scales_but_does_not_roll() {
    let decided =
        world(&format!("{ROLLING}\nDeployment web spec.paused=true replicas=6")).reconcile("Deployment web");
    let printed = decided.printed();
    assert!(printed.starts_with("because it is paused, and 6 pods are asked for"), "{printed}");
    assert!(printed.contains("~ ReplicaSet web-1") && printed.contains("replicas 6"), "{printed}");
    assert!(!printed.contains("+ ReplicaSet"), "{printed}");
    assert!(printed.contains("Progressing=Unknown(DeploymentPaused)"), "{printed}");
    decided.carried_out();
}

#[test]
fn scaling_amid_a_rollout_gives_each_set_its_share() {
    let set = |name: &str, image: &str, size: i64| {
        format!(
            "ReplicaSet {name} replicas={size} image={image} of Deployment/web labels=app:web status.replicas={size} \
             status.readyReplicas={size} status.availableReplicas={size} status.observedGeneration=1 \
             metadata.annotations.deployment%2ekubernetes%2eio/desired-replicas=\"10\" \
             metadata.annotations.deployment%2ekubernetes%2eio/max-replicas=\"13\""
        )
    };
    let given = world(&format!(
        "Deployment web replicas=20 image=new spec.strategy.rollingUpdate.maxSurge=3 spec.strategy.rollingUpdate.maxUnavailable=2
         {}\n{}",
        set("web-1", "old", 8),
        set("web-2", "new", 5)
    ));
    let given = given.reconcile("Deployment web").carried_out();
    let size = |name: &str| replicas(&given, name);
    assert_eq!((size("web-1"), size("web-2")), (13, 10));
}

#[test]
fn recreating_waits_for_the_last_old_pod() {
    let given = world(
        "Deployment web replicas=2 image=i:2 spec.strategy.type=Recreate
         ReplicaSet web-1 replicas=2 of Deployment/web labels=app:web status.replicas=2
         Pod a of ReplicaSet/web-1 on=n",
    );
    let given = given.reconcile("Deployment web").carried_out();
    assert_eq!(replicas(&given, "web-1"), 0);
    let waiting = given.and("ReplicaSet web-1 status.replicas=0; Pod a deleted").reconcile("Deployment web");
    assert!(!waiting.printed().contains("+ ReplicaSet"), "{}", waiting.printed());
    let decided = waiting.carried_out().and("gone Pod a").reconcile("Deployment web");
    assert!(decided.printed().contains("+ ReplicaSet web-"), "{}", decided.printed());
    decided.carried_out();
}

#[test]
fn progress_that_is_missing_for_too_long_is_told() {
    let given =
        world("Deployment web replicas=1 spec.progressDeadlineSeconds=60").reconcile("Deployment web");
    let late = given.carried_out().after(62).reconcile("Deployment web");
    assert!(late.printed().contains("Progressing=False(ProgressDeadlineExceeded)"), "{}", late.printed());
    late.carried_out();
}

#[test]
fn a_set_of_another_template_under_our_name_counts_as_a_collision() {
    let made = world("Deployment web replicas=1").reconcile("Deployment web");
    let Intent::Create { object } = &made.plans[0].intents[0] else { panic!() };
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    let given = world(&format!("Deployment web replicas=1; ReplicaSet {name} image=other labels=app:other"));
    let decided = given.reconcile("Deployment web");
    assert!(decided.printed().contains("collisionCount 1"), "{}", decided.printed());
    let decided = decided.carried_out_in_part().reconcile("Deployment web");
    assert!(decided.printed().contains("+ ReplicaSet web-"), "{}", decided.printed());
    decided.carried_out();
}

#[test]
fn matching_sets_that_nobody_controls_are_adopted() {
    let decided = world("Deployment web; ReplicaSet stray labels=app:web").reconcile("Deployment web");
    assert!(
        decided.printed().contains("~ ReplicaSet stray: ") && decided.printed().contains("ownerReferences")
    );
    decided.carried_out();
}

#[test]
fn an_old_pod_that_ends_wakes_a_deployment_that_recreates() {
    let given = world(
        "Deployment web spec.strategy.type=Recreate
         ReplicaSet web-1 of Deployment/web labels=app:web
         Pod a of ReplicaSet/web-1 on=n",
    );
    assert_eq!(given.wakes("gone Pod a"), ["deployments.apps/default/web"]);
}

fn new_set(given: &Given<Deployments>) -> String {
    let (key, _) = given
        .world
        .objects()
        .find(|(key, _)| key.resource == "replicasets" && key.name != "web-1")
        .expect("a new set was made");
    key.name.clone()
}

fn replicas(given: &Given<Deployments>, name: &str) -> i64 {
    let (_, set) = given.world.objects().find(|(key, _)| key.name == name).unwrap();
    set["spec"]["replicas"].as_i64().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// The promise of a rolling update, whatever sizes the sets have, and the laws on the way.
    #[test]
    fn never_more_than_the_surge_and_never_less_than_promised(
        replicas in 0i64..8, surge in 0i64..4, unavailable in 0i64..4, scaled in any::<bool>(),
        sets in proptest::collection::vec((0i64..6, 0i64..6, 0i64..6), 0..4),
    ) {
        let mut text = format!(
            "Deployment web replicas={replicas} image=i:0 spec.strategy.rollingUpdate.maxSurge={surge} \
             spec.strategy.rollingUpdate.maxUnavailable={unavailable}\n");
        for (index, (asked, has, available)) in sets.iter().enumerate() {
            let (has, available) = (*has, available.min(has));
            text += &format!(
                "ReplicaSet web-{index} image=i:{index} replicas={asked} of Deployment/web labels=app:web \
                 status.replicas={has} status.readyReplicas={available} status.availableReplicas={available} \
                 status.observedGeneration=1 metadata.annotations.deployment%2ekubernetes%2eio/max-replicas=\"9\" \
                 metadata.annotations.deployment%2ekubernetes%2eio/desired-replicas=\"{}\"\n",
                if scaled { 99 } else { replicas });
        }
        let given = world(&text);
        let total = |given: &Given<Deployments>, count: &dyn Fn(&Value) -> i64| -> i64 {
            given.world.objects().filter(|(key, _)| key.resource == "replicasets").map(|(_, set)| count(set)).sum()
        };
        let asked = |set: &Value| set["spec"]["replicas"].as_i64().unwrap();
        let has = |set: &Value| asked(set).max(set["status"]["replicas"].as_i64().unwrap_or(0));
        let stays = |set: &Value| asked(set).min(set["status"]["availableReplicas"].as_i64().unwrap_or(0));
        let before = (total(&given, &has), total(&given, &stays));
        let given = given.reconcile("Deployment web").carried_out();
        let after = (total(&given, &has), total(&given, &stays));
        let unavailable = if surge + unavailable == 0 { 1 } else { unavailable.min(replicas) };
        if !scaled {
            prop_assert!(after.0 <= (replicas + surge).max(before.0), "{before:?} → {after:?}");
            prop_assert!(after.1 >= (replicas - unavailable).min(before.1), "{before:?} → {after:?}");
        }
    }
}
