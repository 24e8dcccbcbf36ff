//! What becomes of the pods of a node that lost Ready or took a taint with the effect NoExecute.

use jiff::{SignedDuration, Timestamp};
use rutter_apimachinery::recorder::{Note, Regarding};
use rutter_controller::Plan;
use rutter_controller::read::{stamp, text, time};
use serde_json::{Value, json};

use super::Ready;
use super::view::{Node, Pod, View};

/// How many pods one commit sends away.
const BATCH: usize = 200;

pub(super) fn write(
    plan: &mut Plan,
    view: &View,
    node: &Node,
    ready: Ready,
    taints: &[Value],
    now: Timestamp,
) {
    let taints: Vec<&Value> = taints.iter().filter(|taint| taint["effect"] == "NoExecute").collect();
    if taints.is_empty() && ready == Ready::True {
        return;
    }
    let mut left = BATCH;
    for pod in view.pods_on(&node.key.name).filter(|pod| !pod.deleting && !pod.ended) {
        let patience = patience(&taints, &pod.tolerations);
        let goes = patience.is_some_and(|until| until <= now);
        if left == 0 {
            return;
        }
        if goes {
            evict(plan, pod, now);
            left -= 1;
        } else if let Some(until) = patience {
            plan.look_again_at(until);
        }
        if !goes && ready != Ready::True && pod.is_ready() {
            unready(plan, pod, now);
            left -= 1;
        }
    }
}

/// Until when the pod may stay; none for as long as it likes.
fn patience(taints: &[&Value], tolerations: &[Value]) -> Option<Timestamp> {
    taints.iter().filter_map(|taint| patience_with(taint, tolerations)).min()
}

/// The shortest of the tolerations that match decides (upstream: `getMinTolerationTime`).
fn patience_with(taint: &Value, tolerations: &[Value]) -> Option<Timestamp> {
    let since = time(taint, "/timeAdded").unwrap_or(Timestamp::UNIX_EPOCH);
    let matching: Vec<&Value> =
        tolerations.iter().filter(|toleration| tolerates(toleration, taint)).collect();
    if matching.is_empty() {
        return Some(since);
    }
    let seconds = matching.iter().filter_map(|toleration| toleration["tolerationSeconds"].as_i64()).min()?;
    since.checked_add(SignedDuration::from_secs(seconds.max(0))).ok()
}

/// An empty effect matches all, an empty key with `Exists` too.
fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let (effect, key) = (text(toleration, "/effect"), text(toleration, "/key"));
    let matches = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
    let by_value = match text(toleration, "/operator") {
        "Exists" => true,
        _ => text(toleration, "/value") == text(taint, "/value") && !key.is_empty(),
    };
    matches(effect, text(taint, "/effect")) && matches(key, text(taint, "/key")) && by_value
}

fn evict(plan: &mut Plan, pod: &Pod, now: Timestamp) {
    let condition = json!({
        "type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager",
        "message": "Taint manager: deleting due to NoExecute taint", "lastTransitionTime": stamp(now),
    });
    let others = pod.conditions.iter().filter(|known| known["type"] != "DisruptionTarget").cloned();
    let conditions: Vec<Value> = others.chain([condition]).collect();
    plan.merge_status(pod.key.clone(), pod.revision, json!({ "conditions": conditions }));
    plan.delete(pod.key.clone(), pod.revision, &pod.uid);
    let told = format!("Marking for deletion Pod {}/{}", pod.key.namespace, pod.key.name);
    plan.note(Note::normal(regarding(pod), "TaintManagerEviction", told));
}

fn regarding(pod: &Pod) -> Regarding {
    Regarding::pod(&pod.key, &pod.uid, pod.revision)
}

/// Nobody can vouch for the pod any more, so no Service sends it anything.
fn unready(plan: &mut Plan, pod: &Pod, now: Timestamp) {
    let mut conditions = pod.conditions.clone();
    for condition in conditions.iter_mut().filter(|condition| condition["type"] == "Ready") {
        condition["status"] = json!("False");
        condition["reason"] = json!("NodeNotReady");
        condition["lastTransitionTime"] = json!(stamp(now));
    }
    plan.merge_status(pod.key.clone(), pod.revision, json!({ "conditions": conditions }));
    plan.note(Note::warning(regarding(pod), "NodeNotReady", "Node is not ready"));
}
