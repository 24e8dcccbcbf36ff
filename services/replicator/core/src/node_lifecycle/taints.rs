//! The taints that a node's conditions call for. Other taints are left as they are.

use jiff::Timestamp;
use rutter_controller::read::{holds, stamp, text};
use serde_json::{Value, json};

use super::Ready;
use super::view::Node;

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// Conditions that, when true, keep new pods away.
const PRESSURES: &[(&str, &str)] = &[
    ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
];

/// The node's taints as they should be: those of others, then ours. What takes effect on running pods says since
/// when, so that their patience survives our restarts.
pub(super) fn wanted(node: &Node, ready: Ready, now: Timestamp) -> Vec<Value> {
    let mut taints: Vec<Value> = node.taints.iter().filter(|taint| !is_ours(taint)).cloned().collect();
    for taint in &mut taints {
        date(taint, now);
    }
    taints.extend(ours(node, ready).into_iter().map(|mut taint| {
        let known = node.taints.iter().find(|known| same(known, &taint));
        match known {
            Some(known) => known.clone(),
            None => {
                date(&mut taint, now);
                taint
            }
        }
    }));
    if same_set(&taints, &node.taints) { node.taints.clone() } else { taints }
}

fn ours(node: &Node, ready: Ready) -> Vec<Value> {
    let taint = |key: &str, effect: &str| json!({ "key": key, "effect": effect });
    let key = match ready {
        Ready::True => None,
        Ready::False => Some(NOT_READY),
        Ready::Unknown => Some(UNREACHABLE),
    };
    let mut taints: Vec<Value> =
        key.into_iter().flat_map(|key| [taint(key, "NoSchedule"), taint(key, "NoExecute")]).collect();
    if node.unschedulable {
        taints.push(taint(UNSCHEDULABLE, "NoSchedule"));
    }
    let status = json!({ "status": { "conditions": node.conditions } });
    let pressed = PRESSURES.iter().filter(|(condition, _)| ready == Ready::True && holds(&status, condition));
    taints.extend(pressed.map(|(_, key)| taint(key, "NoSchedule")));
    taints
}

fn is_ours(taint: &Value) -> bool {
    let key = text(taint, "/key");
    [NOT_READY, UNREACHABLE, UNSCHEDULABLE].contains(&key) || PRESSURES.iter().any(|(_, ours)| *ours == key)
}

fn date(taint: &mut Value, now: Timestamp) {
    if taint["effect"] == "NoExecute" && !taint["timeAdded"].is_string() {
        taint["timeAdded"] = json!(stamp(now));
    }
}

fn same(a: &Value, b: &Value) -> bool {
    a["key"] == b["key"] && a["effect"] == b["effect"]
}

fn same_set(a: &[Value], b: &[Value]) -> bool {
    a.len() == b.len() && a.iter().all(|taint| b.contains(taint))
}
