//! What becomes of dependents.

use proptest::prelude::*;
use rutter_controller::given::{Given, given};

use super::Garbage;

fn world(text: &str) -> Given<Garbage> {
    given(text)
}

/// A set with two pods.
const FAMILY: &str = "ReplicaSet web; Pod a of web; Pod b of web";

#[test]
fn dependents_go_when_their_owner_is_gone() {
    let given = world(&format!("{FAMILY}; gone ReplicaSet web"));
    given.reconcile("Pod a").reading_at_most(4).then("because its owners are gone\n- Pod a");
}

#[test]
fn one_living_owner_keeps_its_dependent_which_forgets_the_others() {
    let owners = r#"[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"web"},{"apiVersion":"v1","kind":"ConfigMap","name":"gone","uid":"gone"}]"#;
    world(&format!("ReplicaSet web; Pod a metadata.ownerReferences={owners}")).reconcile("Pod a").then(
        r#"because some of its owners are gone
           ~ Pod a: ownerReferences [{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"web"}]"#,
    );
}

#[test]
fn an_owner_in_another_namespace_or_under_another_name_is_no_owner() {
    let owner =
        |name: &str| format!(r#"[{{"apiVersion":"v1","kind":"ConfigMap","name":"{name}","uid":"c"}}]"#);
    let other = format!("ConfigMap elsewhere/c; Pod a metadata.ownerReferences={}", owner("c"));
    world(&other).reconcile("Pod a").then("because its owners are gone\n- Pod a");
    let renamed = format!("ConfigMap c; Pod a metadata.ownerReferences={}", owner("d"));
    world(&renamed).reconcile("Pod a").then("because its owners are gone\n- Pod a");
}

#[test]
fn an_owner_of_a_kind_that_nobody_serves_is_not_missed() {
    let owner = r#"[{"apiVersion":"example.com/v1","kind":"Widget","name":"w","uid":"w"}]"#;
    world(&format!("Pod a metadata.ownerReferences={owner}"))
        .reconcile("Pod a")
        .then("because its owners are there");
}

#[test]
fn an_owner_of_a_custom_kind_is_missed_while_its_definition_serves_it() {
    let owner = r#"[{"apiVersion":"example.com/v1","kind":"Widget","name":"w","uid":"w"}]"#;
    let definition = |versions: &str| {
        format!(
            r#"CustomResourceDefinition widgets.example.com spec.group=example.com spec.names={{"kind":"Widget"}} spec.versions={versions}; Pod a metadata.ownerReferences={owner}"#
        )
    };
    let served = r#"[{"name":"v1","served":true},{"name":"v2","served":false}]"#;
    world(&definition(served)).reconcile("Pod a").then("because its owners are gone\n- Pod a");
    let not_any_more = r#"[{"name":"v1","served":false},{"name":"v2","served":true}]"#;
    world(&definition(not_any_more)).reconcile("Pod a").then("because its owners are there");
}

#[test]
fn in_the_foreground_dependents_go_first() {
    let given = world(&format!("{FAMILY}; ReplicaSet web deleted finalizers=foregroundDeletion"));
    let given = given.reconcile("ReplicaSet web").then("because it waits for its dependents");
    let given = given.reconcile("Pod a").then("because its owner waits for it to go\n- Pod a");
    let given = given.reconcile("Pod b").carried_out();
    given.reconcile("ReplicaSet web").then(
        "because no dependent of replicasets.apps/default/web is left that blocks its deletion
         ~ ReplicaSet web: finalizers []
         unless owner:web was touched since 6",
    );
}

#[test]
fn in_the_foreground_a_whole_line_waits() {
    let text = "Deployment top deleted finalizers=foregroundDeletion; ReplicaSet web of Deployment/top; Pod a of ReplicaSet/web";
    world(text)
        .reconcile("ReplicaSet web")
        .then("because its owner waits for it to go\n- ReplicaSet web Foreground");
}

#[test]
fn an_orphaning_owner_is_forgotten_by_its_dependents() {
    let given = world(&format!("{FAMILY}; ReplicaSet web deleted finalizers=orphan"));
    given.reconcile("ReplicaSet web").then(
        "because replicasets.apps/default/web leaves its dependents behind
         ~ Pod a: ownerReferences []
         ~ Pod b: ownerReferences []
         ~ ReplicaSet web: finalizers []
         unless owner:web was touched since 4",
    );
}

#[test]
fn who_is_woken() {
    let pods = ["pods/default/a", "pods/default/b"];
    assert_eq!(world(FAMILY).wakes("gone ReplicaSet web"), pods);
    let foreground = world(FAMILY).wakes("ReplicaSet web deleted finalizers=foregroundDeletion");
    assert_eq!(foreground, [pods[0], pods[1], "replicasets.apps/default/web"]);
    let given = world(&format!("{FAMILY}; ReplicaSet web deleted finalizers=foregroundDeletion"));
    assert_eq!(given.wakes("gone Pod a"), ["replicasets.apps/default/web"]);
    assert!(world(FAMILY).wakes("Pod a phase=Running").is_empty());
}

#[test]
fn a_ring_of_owners_that_wait_for_each_other_is_broken() {
    let owner = |name: &str| {
        format!(
            r#"metadata.ownerReferences=[{{"apiVersion":"v1","kind":"ConfigMap","name":"{name}","uid":"{name}","blockOwnerDeletion":true}}]"#
        )
    };
    let given = world(&format!(
        "ConfigMap a {} deleted finalizers=foregroundDeletion; ConfigMap b {}",
        owner("b"),
        owner("a")
    ));
    let given = given.reconcile("ConfigMap b").carried_out();
    let given = given.reconcile("ConfigMap a").carried_out();
    given.reconcile("ConfigMap b").carried_out();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn when_all_has_settled_nobody_is_left_whose_owners_are_all_gone(
        owners in proptest::collection::vec((0usize..8, any::<bool>()), 8), gone in proptest::collection::vec(any::<bool>(), 8),
    ) {
        let mut text = String::new();
        for (index, (owner, owned)) in owners.iter().enumerate() {
            text += &format!("ConfigMap c{index}");
            if *owned && *owner < index {
                text += &format!(
                    r#" metadata.ownerReferences=[{{"apiVersion":"v1","kind":"ConfigMap","name":"c{owner}","uid":"c{owner}"}}]"#);
            }
            text.push('\n');
        }
        for index in (0..8).filter(|index| gone[*index]) {
            text += &format!("gone ConfigMap c{index}\n");
        }
        let mut given = world(&text);
        for index in 0..8 {
            given = given.reconcile(&format!("ConfigMap c{index}")).carried_out();
        }
        let left: Vec<String> = given.world.objects().map(|(key, _)| key.name.clone()).collect();
        for (_, object) in given.world.objects() {
            if let Some(owner) = object["metadata"]["ownerReferences"][0]["name"].as_str() {
                prop_assert!(left.contains(&owner.to_owned()));
            }
        }
    }
}
