//! Pods that nobody will ever end (upstream: `pkg/controller/podgc`): those bound to a node that is gone, those being
//! deleted that were never bound, and the oldest of too many that have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use rutter_controller::read::{created, list, stamp, text};
use rutter_controller::{Controller, Fact, Intent, Part, Plan, Reads};
use rutter_schemas::{Key, Revision};
use serde_json::{Value, json};

/// How many ended pods may stay (upstream's `--terminated-pod-gc-threshold`).
const ENDED_MOST: usize = 12_500;

/// How many pods one commit deletes.
const BATCH: usize = 500;

/// The collector of pods.
#[derive(Debug)]
pub struct PodGarbage;

/// What to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Corner {
    /// The pods bound to this node.
    Node(String),
    /// A pod that is deleted and was never bound.
    Unbound(Key),
    /// All that have ended.
    Ended,
}

impl fmt::Display for Corner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Corner::Node(name) => write!(f, "pods on {name}"),
            Corner::Unbound(key) => write!(f, "{key}"),
            Corner::Ended => f.write_str("ended pods"),
        }
    }
}

#[derive(Debug, Default, PartialEq)]
pub struct View {
    nodes: BTreeSet<String>,
    pods: BTreeMap<Key, Pod>,
    on: BTreeMap<String, BTreeSet<Key>>,
    ended: BTreeSet<(Timestamp, Key)>,
    reads: Reads,
}

#[derive(Clone, Debug, PartialEq)]
struct Pod {
    uid: String,
    revision: Revision,
    node: String,
    deleting: bool,
    ended: bool,
    created: Timestamp,
    conditions: Part,
}

impl Controller for PodGarbage {
    type View = View;
    type Key = Corner;
    const NAME: &'static str = "pod-garbage-collector";

    fn follows(group: &str, resource: &str) -> bool {
        group.is_empty() && matches!(resource, "nodes" | "pods")
    }

    fn apply(view: &mut View, fact: &Fact) {
        if fact.key.resource == "nodes" {
            match fact.after() {
                Some(_) => view.nodes.insert(fact.key.name.clone()),
                None => view.nodes.remove(&fact.key.name),
            };
        } else {
            view.apply_pod(fact);
        }
    }

    fn wakes(view: &View, fact: &Fact) -> Vec<Corner> {
        let Some(object) = fact.after() else {
            let gone = fact.key.resource == "nodes" && view.on.contains_key(&fact.key.name);
            return gone.then(|| Corner::Node(fact.key.name.clone())).into_iter().collect();
        };
        if fact.key.resource == "nodes" {
            return Vec::new();
        }
        let pod = read(fact, object);
        let mut corners = Vec::new();
        if pod.deleting && pod.node.is_empty() {
            corners.push(Corner::Unbound(fact.key.clone()));
        }
        if !pod.node.is_empty() && !view.nodes.contains(&pod.node) {
            corners.push(Corner::Node(pod.node.clone()));
        }
        if pod.ended && view.ended.len() >= ENDED_MOST {
            corners.push(Corner::Ended);
        }
        corners
    }

    fn reconcile(view: &View, corner: &Corner, now: Timestamp) -> Vec<Plan> {
        vec![match corner {
            Corner::Node(name) => on_absent_node(view, name, now),
            Corner::Unbound(key) => unbound(view, key),
            Corner::Ended => too_many_ended(view),
        }]
    }

    fn reads(view: &View) -> &Reads {
        &view.reads
    }
}

fn on_absent_node(view: &View, node: &str, now: Timestamp) -> Plan {
    if view.nodes.contains(node) {
        return Plan::idle("the node is there");
    }
    let mut plan = Plan::because(format!("the node {node} is gone"));
    for key in view.on.get(node).into_iter().flatten().take(BATCH) {
        let Some(pod) = view.pod(key) else { continue };
        if !pod.ended {
            fail(&mut plan, key, pod, now);
        }
        end(&mut plan, key, pod);
    }
    plan
}

fn unbound(view: &View, key: &Key) -> Plan {
    let Some(pod) = view.pod(key).filter(|pod| pod.deleting && pod.node.is_empty()) else {
        return Plan::idle("it is gone");
    };
    let mut plan = Plan::because("it is being deleted and no node has it");
    end(&mut plan, key, pod);
    plan
}

fn too_many_ended(view: &View) -> Plan {
    let many = view.ended.len().saturating_sub(ENDED_MOST);
    let mut plan = Plan::because(format!("{many} pods too many have ended"));
    for (_, key) in view.ended.iter().take(many.min(BATCH)) {
        if let Some(pod) = view.pod(key) {
            end(&mut plan, key, pod);
        }
    }
    plan
}

/// Nobody will tell how it ended, so it failed.
fn fail(plan: &mut Plan, key: &Key, pod: &Pod, now: Timestamp) {
    let condition = json!({
        "type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC",
        "message": "PodGC: node no longer exists", "lastTransitionTime": stamp(now),
    });
    let known = pod.conditions.value();
    let others = list(&known, "").iter().filter(|known| known["type"] != "DisruptionTarget").cloned();
    let conditions: Vec<Value> = others.chain([condition]).collect();
    plan.merge_status(key.clone(), pod.revision, json!({ "phase": "Failed", "conditions": conditions }));
}

fn end(plan: &mut Plan, key: &Key, pod: &Pod) {
    plan.intents.push(Intent::Delete {
        key: key.clone(),
        expect: pod.revision,
        uid: Some(pod.uid.clone()),
        grace_seconds: Some(0),
        propagation: None,
    });
}

impl View {
    fn pod(&self, key: &Key) -> Option<&Pod> {
        self.reads.count(1);
        self.pods.get(key)
    }

    fn apply_pod(&mut self, fact: &Fact) {
        if let Some(old) = self.pods.remove(&fact.key) {
            self.ended.remove(&(old.created, fact.key.clone()));
            if let Some(keys) = self.on.get_mut(&old.node) {
                keys.remove(&fact.key);
                if keys.is_empty() {
                    self.on.remove(&old.node);
                }
            }
        }
        let Some(object) = fact.after() else { return };
        let pod = read(fact, object);
        if !pod.node.is_empty() {
            self.on.entry(pod.node.clone()).or_default().insert(fact.key.clone());
        }
        if pod.ended {
            self.ended.insert((pod.created, fact.key.clone()));
        }
        self.pods.insert(fact.key.clone(), pod);
    }
}

fn read(fact: &Fact, object: &Value) -> Pod {
    Pod {
        uid: fact.uid.clone(),
        revision: fact.revision,
        node: text(object, "/spec/nodeName").to_owned(),
        deleting: fact.meta.deletion.is_some(),
        ended: matches!(text(object, "/status/phase"), "Succeeded" | "Failed"),
        created: created(object),
        conditions: Part::of_list(list(object, "/status/conditions")),
    }
}

#[cfg(test)]
mod tests {
    use rutter_controller::given::given;

    use super::{Corner, PodGarbage};

    #[test]
    fn pods_of_a_node_that_is_gone_failed_and_go() {
        let given =
            given::<PodGarbage>("Node n; Pod a on=n ready; Pod done on=n phase=Succeeded; gone Node n");
        given.reconcile_key(Corner::Node("n".into())).then(
            "because the node n is gone
             ~ Pod a/status: Ready=True, DisruptionTarget=True(DeletionByPodGC), phase Failed
             - Pod a in 0 s
             - Pod done in 0 s",
        );
    }

    #[test]
    fn a_pod_that_was_never_bound_needs_no_node_to_end() {
        let given = given::<PodGarbage>("Pod a deleted finalizers=x; Pod a finalizers=");
        let key = given.world.objects().next().map(|(key, _)| key.clone()).unwrap();
        given
            .reconcile_key(Corner::Unbound(key))
            .then("because it is being deleted and no node has it\n- Pod a in 0 s");
    }

    #[test]
    fn who_is_woken() {
        let given = given::<PodGarbage>("Node n; Pod a on=n; Node m");
        assert_eq!(
            given.wakes("gone Node n; gone Node m; Pod b on=x; Pod c deleted"),
            ["pods on n", "pods on x", "pods/default/c"]
        );
    }
}
