//! What ReplicaSets come to, as an operator would see it.

use proptest::prelude::*;
use rutter_controller::given::{Given, NOW, given};
use rutter_controller::{Controller, Refusal};
use rutter_schemas::Key;

use super::ReplicaSets;

fn world(text: &str) -> Given<ReplicaSets> {
    given(text)
}

#[test]
fn gives_birth_to_what_is_missing() {
    world("ReplicaSet web replicas=3; Pod web-a of web ready").reconcile("ReplicaSet web").then(
        "because 2 of 3 are missing
         + Pod web-sf5cz of web
         + Pod web-c8vlp of web
         ~ ReplicaSet web/status: availableReplicas 1, fullyLabeledReplicas 3, observedGeneration 1, readyReplicas 1, replicas 3
         unless owner:web was touched since 2
         ! ReplicaSet web: SuccessfulCreate: Created pod: web-sf5cz
         ! ReplicaSet web: SuccessfulCreate: Created pod: web-c8vlp",
    );
}

#[test]
fn kills_what_is_too_many_and_the_least_missed_first() {
    world(
        "ReplicaSet web replicas=1
         Pod running of web on=n1 ready
         Pod pending of web
         Pod unready of web on=n2 unready",
    )
    .reconcile("ReplicaSet web")
    .then(
        "because 2 are too many for 1
         - Pod pending
         - Pod unready
         ~ ReplicaSet web/status: availableReplicas 1, fullyLabeledReplicas 1, observedGeneration 1, readyReplicas 1, replicas 1
         unless owner:web was touched since 4
         ! ReplicaSet web: SuccessfulDelete: Deleted pod: pending
         ! ReplicaSet web: SuccessfulDelete: Deleted pod: unready",
    );
}

#[test]
fn who_shares_a_node_goes_before_who_stands_alone() {
    let decided = world(
        "ReplicaSet web replicas=2
         Pod alone of web on=n1 ready
         Pod one of web on=n2 ready=1000
         Pod two of web on=n2 ready",
    )
    .reconcile("ReplicaSet web");
    assert!(decided.printed().contains("- Pod one"), "{}", decided.printed());
    decided.carried_out();
}

#[test]
fn a_cheap_pod_goes_before_a_dear_one() {
    let decided = world(
        "ReplicaSet web replicas=1
         Pod dear of web on=n1 ready
         Pod cheap of web on=n2 ready metadata.annotations.controller%2ekubernetes%2eio/pod-deletion-cost=\"-5\"",
    )
    .reconcile("ReplicaSet web");
    assert!(decided.printed().contains("- Pod cheap"), "{}", decided.printed());
}

#[test]
fn adopts_a_matching_orphan_instead_of_bearing_another() {
    world("ReplicaSet web; Pod stray labels=app:web").reconcile("ReplicaSet web").then(
        "because there are as many as asked for, 1
         ~ Pod stray: ownerReferences [{\"apiVersion\":\"apps/v1\",\"blockOwnerDeletion\":true,\"controller\":true,\"kind\":\"ReplicaSet\",\"name\":\"web\",\"uid\":\"web\"}]
         ~ ReplicaSet web/status: availableReplicas null, fullyLabeledReplicas 1, observedGeneration 1, readyReplicas null, replicas 1
         unless owner:web was touched since 2",
    );
}

#[test]
fn releases_a_pod_whose_labels_no_longer_match_and_replaces_it() {
    let decided =
        world("ReplicaSet web; Pod a of web ready; Pod a labels=app:debug").reconcile("ReplicaSet web");
    let printed = decided.printed();
    assert!(printed.contains("~ Pod a: ownerReferences []") && printed.contains("+ Pod web-"), "{printed}");
    decided.carried_out();
}

#[test]
fn a_replication_controller_is_the_same_in_older_words() {
    let decided = world(
        "ReplicationController web replicas=2
         Pod stray labels=app:web
         ReplicaSet other
         Pod foreign of other",
    )
    .reconcile("ReplicationController web");
    let printed = decided.printed();
    let adopted = r#"~ Pod stray: ownerReferences [{"apiVersion":"v1","blockOwnerDeletion":true,"controller":true,"kind":"ReplicationController","name":"web","uid":"web"}]"#;
    assert!(printed.contains(adopted) && printed.matches("+ Pod web-").count() == 1, "{printed}");
    assert!(printed.contains("~ ReplicationController web/status: "), "{printed}");
    decided.carried_out();
}

#[test]
fn a_pod_that_nobody_controls_wakes_sets_of_both_kinds() {
    let world = world("ReplicationController web; ReplicaSet web2 spec.selector.matchLabels.app=web");
    assert_eq!(
        world.wakes("Pod stray labels=app:web"),
        ["replicationcontrollers/default/web", "replicasets.apps/default/web2"]
    );
}

#[test]
fn pods_that_ended_or_are_marked_do_not_count() {
    let decided = world(
        "ReplicaSet web replicas=1
         Pod done of web phase=Succeeded
         Pod leaving of web on=n1 ready deleted",
    )
    .reconcile("ReplicaSet web");
    assert!(decided.printed().starts_with("because 1 of 1 are missing"), "{}", decided.printed());
    decided.carried_out();
}

#[test]
fn a_set_that_is_being_deleted_is_left_alone() {
    world("ReplicaSet web replicas=3 deleted finalizers=foregroundDeletion")
        .reconcile("ReplicaSet web")
        .then("because it is being deleted");
}

#[test]
fn a_pod_is_available_once_it_was_ready_for_long_enough() {
    let set = "ReplicaSet web spec.minReadySeconds=30";
    let decided = world(&format!("{set}; Pod a of web on=n ready=10")).reconcile("ReplicaSet web");
    let printed = decided.printed();
    assert!(
        printed.contains("availableReplicas null") && printed.contains("look again at 2026-01-01T00:00:20Z")
    );
    let later = decided.carried_out().after(20).reconcile("ReplicaSet web");
    assert!(later.printed().contains("availableReplicas 1"), "{}", later.printed());
}

#[test]
fn a_label_that_goes_wakes_the_old_owner_and_a_new_one_who_might_adopt() {
    let world = world("ReplicaSet web; ReplicaSet api; Pod a of web");
    assert_eq!(
        world.wakes("Pod a labels=app:api metadata.ownerReferences=[]"),
        ["replicasets.apps/default/api", "replicasets.apps/default/web"]
    );
}

#[test]
fn a_change_that_matters_to_nobody_wakes_nobody() {
    let world = world("ReplicaSet web; Pod a of web on=n ready");
    assert!(world.wakes("Pod a status.hostIP=10.0.0.1").is_empty());
}

#[test]
fn looking_at_a_settled_set_of_thousands_reads_a_few_rows() {
    let mut text = String::from("ReplicaSet web replicas=2000\n");
    for index in 0..2000 {
        text += &format!("Pod web-{index} of web on=n ready\n");
    }
    world(&text).reconcile("ReplicaSet web").reading_at_most(8);
}

#[test]
fn pods_that_a_set_does_not_select_are_not_read_for_it() {
    let mut text = String::from("ReplicaSet web replicas=1; Pod stray labels=app:web,tier:a on=n ready\n");
    for index in 0..2000 {
        text += &format!("Pod other-{index} labels=app:other,tier:a on=n ready\n");
    }
    world(&text).reconcile("ReplicaSet web").reading_at_most(8);
}

#[test]
fn a_great_birth_takes_several_commits() {
    let mut given = world("ReplicaSet web replicas=1200");
    for expected in [500, 500, 200] {
        let decided = given.reconcile("ReplicaSet web");
        let births = decided.plans[0].intents.len() - 1;
        assert_eq!(births, expected);
        given = decided.carried_out_in_part();
    }
    given.reconcile("ReplicaSet web").then("because there are as many as asked for, 1200");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_there_is_one_commit_makes_it_right(
        replicas in 0usize..6,
        pods in proptest::collection::vec((0usize..4, any::<bool>(), any::<bool>(), any::<bool>()), 0..8),
    ) {
        let mut text = format!("ReplicaSet web replicas={replicas}\n");
        for (index, (kind, bound, ready, owned)) in pods.iter().enumerate() {
            text += &format!("Pod p{index}");
            text += if *owned { " of web" } else { " labels=app:web" };
            if *bound { text += " on=n1"; }
            if *ready { text += " ready"; }
            text += match kind { 0 => " deleted", 1 => " labels=app:other", 2 => " phase=Failed", _ => "" };
            text += "\n";
        }
        world(&text).reconcile("ReplicaSet web").carried_out();
    }
}

#[test]
fn what_a_quota_leaves_room_for_is_born_and_the_rest_is_told_and_tried_again() {
    let words =
        "pods \"web-a\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2";
    let refusal = |fitting| Refusal { words: words.to_owned(), fitting };
    let refused = |fitting| {
        move |view: &mut super::View| {
            let key = Key::new("apps", "replicasets", "default", "web");
            assert!(ReplicaSets::refused(view, &key, &refusal(fitting), NOW));
        }
    };
    let short = || world("ReplicaSet web replicas=3; Pod web-a of web; Pod web-b of web").told(refused(0));
    short().reconcile("ReplicaSet web").then(
        "because 1 of 3 are missing
         ~ ReplicaSet web/status: availableReplicas null, ReplicaFailure=True(FailedCreate), fullyLabeledReplicas 2, observedGeneration 1, readyReplicas null, replicas 2
         look again at 2026-01-01T00:00:00.1Z",
    );
    let fits = world("ReplicaSet web replicas=3").told(refused(2)).reconcile("ReplicaSet web").printed();
    assert_eq!(fits.matches("+ Pod").count(), 2, "{fits}");
    assert!(fits.contains("ReplicaFailure=True(FailedCreate)"), "{fits}");
    let again = short().after(1).reconcile("ReplicaSet web").printed();
    assert_eq!(again.matches("+ Pod").count(), 1, "{again}");
    let scaled = short().reconcile("ReplicaSet web").carried_out().and("ReplicaSet web replicas=2");
    scaled.reconcile("ReplicaSet web").then(
        "because there are as many as asked for, 2
         ~ ReplicaSet web/status: availableReplicas null, conditions null, fullyLabeledReplicas 2, observedGeneration 2, readyReplicas null, replicas 2",
    );
}

#[test]
fn refusals_in_a_row_wait_longer_and_longer() {
    let mut refusals = super::refusals::Refusals::default();
    let key = Key::new("apps", "replicasets", "default", "web");
    let refusal = Refusal { words: String::new(), fitting: 0 };
    let (mut now, mut waits) = (NOW, Vec::new());
    for _ in 0..12 {
        refusals.add(&key, 1, &refusal, now);
        let until = refusals.get(&key, 1, now).unwrap().until;
        waits.push(until.duration_since(now).as_millis());
        assert!(refusals.get(&key, 2, now).is_none() && refusals.get(&key, 1, until).is_none());
        now = until;
    }
    assert_eq!(waits[..4], [100, 200, 400, 800]);
    assert_eq!(waits[11], 60_000);
}
