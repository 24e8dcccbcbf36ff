//! Whether a pod can go to a node. Reasons are in upstream's words, since people and tools read them.

use crate::amounts::Amounts;
use crate::shape::{Shape, Taint};
use crate::view::{Node, Taken};

/// What does not change while pods are placed: the first reason why the node won't do, in upstream's order.
pub(crate) fn unsuited(shape: &Shape, node: &Node) -> Option<String> {
    if node.unschedulable && !shape.tolerates(&cordon()) {
        return Some("node(s) were unschedulable".to_owned());
    }
    if let Some(taint) = node.taints.iter().find(|taint| !shape.tolerates(taint)) {
        return Some(format!("node(s) had untolerated taint {{{}: {}}}", taint.key, taint.value));
    }
    if !shape.selector.matches(&node.name, &node.labels) {
        return Some("node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    None
}

/// Whether the node has room. Cheap: it is asked for every pod and many nodes.
pub(crate) fn has_room(shape: &Shape, node: &Node, taken: &Taken) -> bool {
    let (asked, used, has) = (&shape.requests, &taken.amounts, &node.allocatable);
    taken.pods < node.pods_most
        && is_within(asked.cpu_millis, used.cpu_millis, has.cpu_millis)
        && is_within(asked.memory_bytes, used.memory_bytes, has.memory_bytes)
        && is_within(asked.ephemeral_bytes, used.ephemeral_bytes, has.ephemeral_bytes)
        && asked.others.keys().all(|name| has_other(name, asked, used, has))
        && !has_port_conflict(shape, taken)
}

/// Every reason why the node has no room.
pub(crate) fn shortages(shape: &Shape, node: &Node, taken: &Taken) -> Vec<String> {
    if has_port_conflict(shape, taken) {
        return vec!["node(s) didn't have free ports for the requested pod ports".to_owned()];
    }
    let (asked, used, has) = (&shape.requests, &taken.amounts, &node.allocatable);
    let mut reasons = Vec::new();
    if taken.pods >= node.pods_most {
        reasons.push("Too many pods".to_owned());
    }
    let basic = [
        ("cpu", asked.cpu_millis, used.cpu_millis, has.cpu_millis),
        ("memory", asked.memory_bytes, used.memory_bytes, has.memory_bytes),
        ("ephemeral-storage", asked.ephemeral_bytes, used.ephemeral_bytes, has.ephemeral_bytes),
    ];
    let short = basic.into_iter().filter(|(_, asked, used, has)| !is_within(*asked, *used, *has));
    reasons.extend(short.map(|(name, ..)| format!("Insufficient {name}")));
    let others = asked.others.keys().filter(|name| !has_other(name, asked, used, has));
    reasons.extend(others.map(|name| format!("Insufficient {name}")));
    reasons
}

/// Who asks for nothing fits anywhere.
fn is_within(asked: i64, used: i64, has: i64) -> bool {
    asked == 0 || asked <= has - used
}

fn has_other(name: &str, asked: &Amounts, used: &Amounts, has: &Amounts) -> bool {
    let of = |amounts: &Amounts| amounts.others.get(name).copied().unwrap_or_default();
    is_within(of(asked), of(used), of(has))
}

fn has_port_conflict(shape: &Shape, taken: &Taken) -> bool {
    shape.ports.iter().any(|port| taken.ports.iter().any(|used| used.collides(port)))
}

fn cordon() -> Taint {
    Taint {
        key: "node.kubernetes.io/unschedulable".into(),
        value: String::new(),
        effect: "NoSchedule".into(),
    }
}
