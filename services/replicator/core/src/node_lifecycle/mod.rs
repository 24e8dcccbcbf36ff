//! The life of nodes as the control plane sees it (upstream: `pkg/controller/nodelifecycle`, `tainteviction`).
//!
//! ```text
//!  heard                       silent for the grace period, and no answer to a direct question
//! (Ready as the node says) ──────────────────────────────────────────────► Ready=Unknown
//!        ▲  the node posts its status again                                     │
//!        └──────────────────────────────────────────────────────────────────────┘
//!  Ready=False ─► taints node.kubernetes.io/not-ready     NoSchedule, NoExecute
//!  Ready=Unknown ─► taints node.kubernetes.io/unreachable NoSchedule, NoExecute
//!  NoExecute ─► pods that don't tolerate it go, those that do for a while go after that while
//! ```
//!
//! Keeps true: a node is given up only after a full grace period in which we ourselves were listening, and after it
//! failed to answer; and never more than half of the nodes at once, since then it is we who are cut off.

mod evictions;
pub mod silence;
mod taints;
#[cfg(test)]
mod tests;
mod view;

use jiff::Timestamp;
use rutter_apimachinery::recorder::{Note, Regarding};
use rutter_controller::read::{stamp, text};
use rutter_controller::{Controller, Fact, Plan, Reads};
use rutter_schemas::Key;
use serde_json::{Value, json};

use silence::Verdict;
use view::Node;
pub use view::View;

/// The controller of the life of nodes.
#[derive(Debug)]
pub struct NodeLifecycle;

impl Controller for NodeLifecycle {
    type View = View;
    type Key = Key;
    const NAME: &'static str = "node-controller";

    fn follows(group: &str, resource: &str) -> bool {
        group.is_empty() && matches!(resource, "nodes" | "pods")
    }

    fn apply(view: &mut View, fact: &Fact) {
        match fact.key.resource.as_str() {
            "nodes" => view.apply_node(fact),
            _ => view.apply_pod(fact),
        }
    }

    fn wakes(view: &View, fact: &Fact) -> Vec<Key> {
        match fact.key.resource.as_str() {
            "nodes" => vec![fact.key.clone()],
            _ => view.woken_by_pod(fact),
        }
    }

    fn reconcile(view: &View, key: &Key, now: Timestamp) -> Vec<Plan> {
        vec![reconcile(view, key, now)]
    }

    fn reads(view: &View) -> &Reads {
        view.reads()
    }
}

fn reconcile(view: &View, key: &Key, now: Timestamp) -> Plan {
    let Some(node) = view.node(&key.name) else { return Plan::idle("it is gone") };
    let verdict = silence::judge(view, node, now);
    let mut plan = Plan::because(match verdict {
        Verdict::Lost => format!("{} is silent and does not answer", node.key.name),
        Verdict::HeldBack => format!("{} is silent, but so are more than half of the nodes", node.key.name),
        Verdict::Heard | Verdict::Wait(_) => format!("{} is {}", node.key.name, node.ready.as_str()),
    });
    if let Verdict::Wait(until) = verdict {
        plan.look_again_at(until);
    }
    let lost = verdict == Verdict::Lost && node.ready != Ready::Unknown;
    if lost {
        give_up(&mut plan, node, now);
    }
    let ready = if lost { Ready::Unknown } else { node.ready };
    let taints = taints::wanted(node, ready, now);
    if taints != node.taints {
        plan.merge(node.key.clone(), node.revision, json!({ "spec": { "taints": taints } }));
    }
    evictions::write(&mut plan, view, node, ready, &taints, now);
    plan
}

/// The status of a node's condition `Ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    True,
    False,
    /// The node said nothing for long. A node that never said anything counts as not ready.
    Unknown,
}

impl Ready {
    fn as_str(self) -> &'static str {
        match self {
            Ready::True => "ready",
            Ready::False => "not ready",
            Ready::Unknown => "unreachable",
        }
    }
}

/// What we don't hear about is unknown.
fn give_up(plan: &mut Plan, node: &Node, now: Timestamp) {
    let mut conditions: Vec<Value> =
        node.conditions.iter().map(|condition| unknown(condition, now)).collect();
    for kind in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
        if !conditions.iter().any(|condition| condition["type"] == kind) {
            conditions.push(json!({
                "type": kind, "status": "Unknown", "reason": "NodeStatusNeverUpdated",
                "message": "Kubelet never posted node status.",
                "lastHeartbeatTime": node.created.to_string(), "lastTransitionTime": stamp(now),
            }));
        }
    }
    plan.merge_status(node.key.clone(), node.revision, json!({ "conditions": conditions }));
    let told = format!("Node {} status is now: NodeNotReady", node.key.name);
    plan.note(Note::normal(Regarding::node(&node.key.name), "NodeNotReady", told));
}

fn unknown(condition: &Value, now: Timestamp) -> Value {
    let mut condition = condition.clone();
    let ours =
        matches!(text(&condition, "/type"), "Ready" | "MemoryPressure" | "DiskPressure" | "PIDPressure");
    if ours && condition["status"] != "Unknown" {
        condition["status"] = json!("Unknown");
        condition["reason"] = json!("NodeStatusUnknown");
        condition["message"] = json!("Kubelet stopped posting node status.");
        condition["lastTransitionTime"] = json!(stamp(now));
    }
    condition
}
