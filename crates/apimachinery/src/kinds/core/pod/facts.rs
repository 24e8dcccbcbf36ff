//! What happens to a pod, told as past facts.

use serde_json::Value;

use crate::json::{items, text};

/// The most telling fact of a change.
pub(super) fn fact(before: &Value, after: &Value) -> Option<&'static str> {
    let bound = |pod: &Value| !text(&pod["spec"], "nodeName").is_empty();
    if !bound(before) && bound(after) {
        return Some("PodScheduled");
    }
    let phase = |pod: &Value| text(&pod["status"], "phase").to_owned();
    if phase(before) != phase(after) {
        match phase(after).as_str() {
            "Succeeded" => return Some("PodSucceeded"),
            "Failed" => return Some("PodFailed"),
            _ => {}
        }
    }
    if let Some(fact) = container_fact(before, after) {
        return Some(fact);
    }
    match (condition(before, "Ready"), condition(after, "Ready")) {
        ("False" | "Unknown" | "", "True") => Some("PodReady"),
        ("True", "False" | "Unknown") => Some("PodNotReady"),
        _ => unschedulable(before, after),
    }
}

fn unschedulable(before: &Value, after: &Value) -> Option<&'static str> {
    let was = condition(before, "PodScheduled") == "False";
    let is = condition(after, "PodScheduled") == "False";
    (is && !was).then_some("PodUnschedulable")
}

fn condition<'a>(pod: &'a Value, kind: &str) -> &'a str {
    let conditions = items(&pod["status"]["conditions"]);
    conditions.iter().find(|condition| condition["type"] == kind).map_or("", |one| text(one, "status"))
}

/// A container that runs now and did not before, or one that ended.
fn container_fact(before: &Value, after: &Value) -> Option<&'static str> {
    let mut fact = None;
    for list in ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"] {
        for container in items(&after["status"][list]) {
            let name = &container["name"];
            let old = items(&before["status"][list]).iter().find(|old| old["name"] == *name);
            let is_other = |state: &str| {
                let now = &container["state"][state];
                !now.is_null() && old.is_none_or(|old| old["state"][state] != *now)
            };
            if is_other("running") {
                return Some("ContainerStarted");
            }
            if is_other("terminated") {
                fact = Some("ContainerTerminated");
            }
        }
    }
    fact
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_step_of_a_pods_life_has_its_name() {
        let state = |state: Value| {
            json!({"spec": {"nodeName": "n"}, "status": {"phase": "Running",
            "containerStatuses": [{"name": "c", "state": state}]}})
        };
        let waiting = state(json!({"waiting": {}}));
        let running = state(json!({"running": {"startedAt": "1"}}));
        let again = state(json!({"running": {"startedAt": "2"}}));
        let ended = state(json!({"terminated": {"exitCode": 1}}));
        let failed = json!({"spec": {"nodeName": "n"}, "status": {"phase": "Failed"}});
        let with = |kind: &str, status: &str| json!({"spec": {"nodeName": "n"}, "status": {"conditions": [{"type": kind, "status": status}]}});
        let cases = [
            (json!({"spec": {}}), json!({"spec": {"nodeName": "n"}}), Some("PodScheduled")),
            (waiting.clone(), running.clone(), Some("ContainerStarted")),
            (running.clone(), running.clone(), None),
            (running.clone(), again, Some("ContainerStarted")),
            (running, ended.clone(), Some("ContainerTerminated")),
            (ended, failed, Some("PodFailed")),
            (with("Ready", "False"), with("Ready", "True"), Some("PodReady")),
            (with("Ready", "True"), with("Ready", "False"), Some("PodNotReady")),
            (json!({"spec": {"nodeName": "n"}}), with("PodScheduled", "False"), Some("PodUnschedulable")),
        ];
        for (before, after, expected) in cases {
            assert_eq!(fact(&before, &after), expected, "{before} → {after}");
        }
    }
}
