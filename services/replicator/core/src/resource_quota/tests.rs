//! What ResourceQuotas come to, as an operator would see it.

use proptest::prelude::*;
use rutter_controller::given::{Given, given};

use super::ResourceQuotas;

fn world(text: &str) -> Given<ResourceQuotas> {
    given(text)
}

const COUNTED: &str = "ResourceQuota q spec.hard.pods=\"3\" status.hard.pods=\"3\" status.used.pods=\"0\"";

#[test]
fn a_new_quota_counts_what_is_there_and_says_it() {
    world(
        "Pod a cpu=500m memory=64Mi
         Pod b cpu=1 phase=Succeeded
         Pod other/c cpu=1
         ConfigMap m
         ResourceQuota q spec.hard={\"pods\":\"3\",\"requests.cpu\":\"2\",\"count/pods\":\"9\",\"memory\":\"1Gi\",\"configmaps\":\"5\"}",
    )
    .reconcile("ResourceQuota q")
    .then(
        "because what is used is configmaps=1,count/pods=2,memory=64Mi,pods=1,requests.cpu=500m
         ~ ResourceQuota q/status: hard.configmaps 5, hard.count/pods 9, hard.memory 1Gi, hard.pods 3, hard.requests.cpu 2, used.configmaps 1, used.count/pods 2, used.memory 64Mi, used.pods 1, used.requests.cpu 500m
         counting q/configmaps +1
         counting q/count/pods +2
         counting q/memory +67108864
         counting q/pods +1
         counting q/requests.cpu +500",
    );
}

#[test]
fn what_was_counted_at_birth_is_told_and_not_counted_again() {
    world(COUNTED).and("Pod a").counting("q/pods", 1).reconcile("ResourceQuota q").then(
        "because what is used is pods=1
         ~ ResourceQuota q/status: hard.pods 3, used.pods 1",
    );
}

#[test]
fn what_ends_or_goes_is_given_back_at_once() {
    let full = || {
        let counted = world(COUNTED).and("Pod a; Pod b; Pod c").counting("q/pods", 3);
        counted.reconcile("ResourceQuota q").carried_out()
    };
    let expected = "because what is used is pods=2
         ~ ResourceQuota q/status: hard.pods 3, used.pods 2
         counting q/pods -1";
    full().and("gone Pod a").reconcile("ResourceQuota q").then(expected);
    full().and("Pod b phase=Failed").reconcile("ResourceQuota q").then(expected);
    assert_eq!(full().wakes("gone Pod a"), ["resourcequotas/default/q"]);
    assert_eq!(full().wakes("Pod b phase=Failed"), ["resourcequotas/default/q"]);
    assert_eq!(full().wakes("Pod b ready; Pod other/b; ConfigMap other/m"), [""; 0]);
}

#[test]
fn a_life_too_short_to_be_told_is_given_back_all_the_same() {
    world(COUNTED).and("Pod a; gone Pod a").counting("q/pods", 1).reconcile("ResourceQuota q").then(
        "because what is used is pods=0
         ~ ResourceQuota q: as it is
         counting q/pods -1",
    );
}

#[test]
fn what_is_no_longer_asked_for_is_no_longer_counted() {
    world("ResourceQuota q spec.hard={\"pods\":\"3\",\"services\":\"2\"} status.hard={\"pods\":\"3\",\"services\":\"2\"} status.used={\"pods\":\"0\",\"services\":\"1\"}; Service s")
        .counting("q/services", 1)
        .and("ResourceQuota q spec.hard={\"pods\":\"4\"}")
        .reconcile("ResourceQuota q")
        .then(
            "because what is used is pods=0
             ~ ResourceQuota q/status: hard.pods 4, hard.services null, used.pods 0, used.services null
             counting q/services -1",
        );
}

#[test]
fn each_quota_counts_what_is_within_its_scopes() {
    let scoped = "ResourceQuota best spec.scopes=[\"BestEffort\"] spec.hard.pods=\"5\"
         ResourceQuota bounded spec.scopes=[\"Terminating\"] spec.hard.pods=\"5\"
         Pod a; Pod b cpu=1; Pod c spec.activeDeadlineSeconds=10";
    let because = |name: &str| {
        let printed = world(scoped).reconcile(&format!("ResourceQuota {name}")).printed();
        printed.lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(because("best"), "because what is used is pods=2");
    assert_eq!(because("bounded"), "because what is used is pods=1");
    let moved = world(scoped).and("Pod a spec.activeDeadlineSeconds=5").reconcile("ResourceQuota bounded");
    assert!(moved.printed().starts_with("because what is used is pods=2"), "{}", moved.printed());
}

#[test]
fn a_pod_whose_time_to_end_has_passed_is_given_up_though_it_is_there() {
    let deleting = || {
        world("ResourceQuota q spec.hard={\"pods\":\"3\",\"count/pods\":\"3\"}")
            .and("Pod a on=n metadata.deletionTimestamp=\"2026-01-01T00:00:30Z\" metadata.deletionGracePeriodSeconds=30")
    };
    deleting().reconcile("ResourceQuota q").then(
        "because what is used is count/pods=1,pods=1
         ~ ResourceQuota q/status: hard.count/pods 3, hard.pods 3, used.count/pods 1, used.pods 1
         counting q/count/pods +1
         counting q/pods +1
         look again at 2026-01-01T00:01:00.001Z",
    );
    deleting().after(61).reconcile("ResourceQuota q").then(
        "because what is used is count/pods=1,pods=0
         ~ ResourceQuota q/status: hard.count/pods 3, hard.pods 3, used.count/pods 1, used.pods 0
         counting q/count/pods +1",
    );
}

#[test]
fn looking_at_a_quota_costs_the_same_however_many_pods_there_are() {
    let pods: String = (0..500).map(|n| format!("Pod p{n} cpu=1;")).collect();
    world(COUNTED).and(&pods).reconcile("ResourceQuota q").reading_at_most(2).carried_out();
}

proptest! {
    /// Births are counted as admission does it; everything else is the controller's.
    #[test]
    fn the_counter_is_never_below_what_is_used_and_comes_to_it(acts in prop::collection::vec((0u8..6, 0u8..4), 1..60)) {
        let mut given = world(COUNTED);
        let mut there = std::collections::BTreeSet::new();
        let mut running = std::collections::BTreeSet::new();
        for (name, act) in acts {
            given = match act {
                0 | 1 if there.insert(name) => {
                    running.insert(name);
                    given.and(&format!("Pod p{name}")).counting("q/pods", 1)
                }
                2 if there.remove(&name) => {
                    running.remove(&name);
                    given.and(&format!("gone Pod p{name}"))
                }
                3 if there.contains(&name) => {
                    running.remove(&name);
                    given.and(&format!("Pod p{name} phase=Succeeded"))
                }
                _ => given.reconcile("ResourceQuota q").carried_out(),
            };
            let counter = given.view().counters_of("q").get("pods").copied().unwrap_or_default();
            prop_assert!(counter >= running.len() as i64);
        }
        let given = given.reconcile("ResourceQuota q").carried_out();
        let counter = given.view().counters_of("q").get("pods").copied().unwrap_or_default();
        prop_assert_eq!(counter, running.len() as i64);
    }
}
