//! Where pods go, and what they are told when they can't.

use std::time::Instant;

use proptest::prelude::*;
use rutter_controller::given::{Given, NOW, given};
use rutter_controller::{Controller, Plan};

use super::{Placement, Queue};

fn world(text: &str) -> Given<Placement> {
    given(text)
}

fn printed(text: &str) -> String {
    let decided = world(text).reconcile_key(Queue);
    let printed = decided.printed();
    decided.carried_out();
    printed
}

/// What the first pod is told.
fn told(text: &str) -> String {
    let given = world(text).reconcile_key(Queue).carried_out();
    let pods = given.world.objects().filter(|(key, _)| key.resource == "pods");
    let messages = pods.filter_map(|(_, pod)| pod["status"]["conditions"][0]["message"].as_str());
    messages.map(str::to_owned).next().unwrap_or_default()
}

#[test]
fn a_pod_goes_to_the_emptiest_node() {
    world("Node full ready; Node empty ready; Pod old on=full cpu=2 memory=4Gi; Pod new cpu=1 memory=1Gi")
        .reconcile_key(Queue)
        .then(
            "because empty has room
             ~ Pod new/binding: nodeName empty
             unless node:empty:alloc was touched since 4
             ! Pod new: Scheduled: Successfully assigned default/new to empty",
        );
}

#[test]
fn all_that_goes_to_one_node_is_one_commit() {
    world("Node a ready; Pod p1 cpu=1; Pod p2 cpu=1").reconcile_key(Queue).then(
        "because a has room for 2 pods
         ~ Pod p1/binding: nodeName a
         ~ Pod p2/binding: nodeName a
         unless node:a:alloc was touched since 3
         ! Pod p1: Scheduled: Successfully assigned default/p1 to a
         ! Pod p2: Scheduled: Successfully assigned default/p2 to a",
    );
}

#[test]
fn pods_of_one_owner_are_spread() {
    let text = "Node a ready; Node b ready; ReplicaSet web replicas=4; Pod p1 of web; Pod p2 of web; Pod p3 of web; Pod p4 of web";
    let given = world(text).reconcile_key(Queue).carried_out();
    let on =
        |node: &str| given.world.objects().filter(|(_, object)| object["spec"]["nodeName"] == node).count();
    assert_eq!((on("a"), on("b")), (2, 2));
}

#[test]
fn the_most_important_pod_goes_first_then_the_oldest() {
    let text = "Node a ready status.allocatable.cpu=1
        Pod young cpu=1 created=10; Pod old cpu=1 created=20; Pod vip cpu=1 created=5 spec.priority=100";
    assert!(printed(text).starts_with("because a has room\n~ Pod vip/binding"));
    let text = text.replace(" spec.priority=100", "");
    assert!(printed(&text).starts_with("because a has room\n~ Pod old/binding"));
}

#[test]
fn a_pod_that_finds_no_node_is_told_why_in_the_words_that_people_know() {
    let text = "Node small ready status.allocatable.cpu=500m
        Node tainted ready spec.taints=[{\"key\":\"gpu\",\"value\":\"yes\",\"effect\":\"NoSchedule\"}]
        Node other ready
        Pod hungry cpu=1 spec.nodeSelector.disk=ssd";
    let text = text.replace("Node small ready", "Node small ready labels=disk:ssd");
    assert_eq!(
        told(&text),
        "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector, \
         1 node(s) had untolerated taint {gpu: yes}. preemption: 0/3 nodes are available: \
         1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling."
    );
}

#[test]
fn each_reason_has_its_words() {
    let cases = [
        ("", "no nodes available to schedule pods"),
        ("Node n ready spec.unschedulable=true", "1 node(s) were unschedulable."),
        ("Node n", "1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }."),
        ("Node n ready status.allocatable.pods=\"0\"", "1 Too many pods."),
        ("Node n ready status.allocatable.memory=1Mi", "1 Insufficient memory."),
        (
            "Node n ready; Pod a on=n spec.containers.0.ports=[{\"hostPort\":80}]",
            "1 node(s) didn't have free ports for the requested pod ports.",
        ),
    ];
    for (nodes, expected) in cases {
        let pod = "Pod p cpu=1 memory=1Gi spec.containers.0.ports=[{\"hostPort\":80}]";
        let message = told(&format!("{nodes}; {pod}"));
        assert!(message.contains(expected), "{nodes}: {message}");
    }
}

#[test]
fn what_a_pod_tolerates_does_not_keep_it_away() {
    let taint = r#"Node n ready spec.taints=[{"key":"gpu","value":"yes","effect":"NoSchedule"}]"#;
    let pod =
        r#"Pod p spec.tolerations=[{"key":"gpu","operator":"Equal","value":"yes","effect":"NoSchedule"}]"#;
    assert!(printed(&format!("{taint}; {pod}")).contains("~ Pod p/binding: nodeName n"));
}

#[test]
fn pods_that_are_gated_deleted_or_somebody_elses_are_left_alone() {
    let text = "Node n ready
        Pod gated spec.schedulingGates=[{\"name\":\"x\"}]
        Pod leaving deleted finalizers=x
        Pod theirs spec.schedulerName=other";
    assert_eq!(printed(text), "because no pod waits that could be helped\n");
}

#[test]
fn what_ended_takes_no_room_and_what_is_leaving_does() {
    let node = "Node n ready status.allocatable.cpu=1";
    assert!(printed(&format!("{node}; Pod a on=n cpu=1 phase=Succeeded; Pod p cpu=1")).contains("binding"));
    assert!(!printed(&format!("{node}; Pod a on=n cpu=1 deleted; Pod p cpu=1")).contains("binding"));
}

#[test]
fn who_wakes_the_queue() {
    let given = || world("Node n ready; Pod bound on=n cpu=1; Pod waiting cpu=9");
    assert_eq!(given().wakes("Pod new").len(), 1);
    assert_eq!(given().wakes("gone Pod bound").len(), 1);
    assert_eq!(given().wakes("Node n status.allocatable.cpu=16").len(), 1);
    assert!(given().wakes("Node n status.conditions.0.lastHeartbeatTime=x; Pod bound ready").is_empty());
}

#[test]
fn a_pod_that_was_told_is_not_told_again() {
    let given = world("Node n ready; Pod p cpu=9").reconcile_key(Queue).carried_out();
    given.and("Node m spec.unschedulable=true").reconcile_key(Queue).carried_out();
}

/// 1,000 nodes and 5,000 pods of fifty Deployments. Meant for an optimised build, where it has to plan 10,000 pods
/// a second; otherwise it only has to come to an end.
#[test]
fn thousands_of_pods_are_planned_in_one_turn() {
    let mut text = String::new();
    for node in 0..1000 {
        text += &format!("Node n{node} ready\n");
    }
    for set in 0..50 {
        text += &format!("ReplicaSet s{set} replicas=100\n");
    }
    let mut given = world(&text);
    let mut pods = String::new();
    for pod in 0..4000 {
        pods += &format!("Pod p{pod} of s{} cpu={}m memory=64Mi\n", pod % 50, 100 + pod % 7);
    }
    given = given.and(&pods);
    let start = Instant::now();
    let plans: Vec<Plan> = Placement::reconcile(given.view(), &Queue, NOW);
    let took = start.elapsed();
    let bound: usize = plans.iter().map(|plan| plan.intents.len()).sum();
    assert_eq!(bound, 4000);
    let rate = 4000.0 / took.as_secs_f64();
    println!("{bound} pods on 1000 nodes in {took:?}: {rate:.0} pods/s, {} plans", plans.len());
    assert!(cfg!(debug_assertions) || rate > 10_000.0, "{rate:.0} pods/s");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn no_node_is_given_more_than_it_has_and_nobody_waits_beside_an_empty_chair(
        nodes in proptest::collection::vec((0i64..5, 0i64..4), 0..5),
        pods in proptest::collection::vec((0i64..4, 0usize..8), 0..12),
    ) {
        let mut text = String::new();
        for (index, (cpu, most)) in nodes.iter().enumerate() {
            text += &format!("Node n{index} ready status.allocatable.cpu={cpu} status.allocatable.pods=\"{most}\"\n");
        }
        for (index, (cpu, on)) in pods.iter().enumerate() {
            text += &format!("Pod p{index} cpu={cpu}");
            // Some are bound already, even to nodes that are full or not there: that is not ours to mend.
            if *on < 2 { text += &format!(" on=n{on}"); }
            text += "\n";
        }
        let before = world(&text);
        let used = |given: &Given<Placement>, node: usize| -> (i64, i64) {
            let name = format!("n{node}");
            let here = given.world.objects().filter(|(key, pod)| key.resource == "pods" && pod["spec"]["nodeName"] == name.as_str());
            here.fold((0, 0), |(cpu, count), (_, pod)| {
                let asked = &pod["spec"]["containers"][0]["resources"]["requests"]["cpu"];
                (cpu + asked.as_str().unwrap().parse::<i64>().unwrap(), count + 1)
            })
        };
        let was: Vec<(i64, i64)> = (0..nodes.len()).map(|node| used(&before, node)).collect();
        let after = before.reconcile_key(Queue).carried_out();
        for (index, (cpu, most)) in nodes.iter().enumerate() {
            let now = used(&after, index);
            prop_assert!(now.0 <= (*cpu).max(was[index].0), "cpu of n{index}: {now:?} of {cpu}");
            prop_assert!(now.1 <= (*most).max(was[index].1), "pods of n{index}: {now:?} of {most}");
        }
        for (_, pod) in after.world.objects().filter(|(key, pod)| key.resource == "pods" && pod["spec"]["nodeName"].is_null()) {
            let asked: i64 = pod["spec"]["containers"][0]["resources"]["requests"]["cpu"].as_str().unwrap().parse().unwrap();
            for (index, (cpu, most)) in nodes.iter().enumerate() {
                let now = used(&after, index);
                prop_assert!(now.1 >= *most || (asked > 0 && asked > cpu - now.0), "a pod waits beside n{index}");
            }
        }
    }
}
