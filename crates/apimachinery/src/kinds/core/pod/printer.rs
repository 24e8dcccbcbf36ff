//! A pod in one line (`pkg/printers/internalversion/printers.go`, printPod).

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::json::{is_empty, items, text};
use crate::kinds::columns::{NONE, since};

/// What the columns of a pod say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Summary {
    /// `1/2`
    pub ready: String,
    /// `Running`, `CrashLoopBackOff`, `Init:0/1` …
    pub status: String,
    /// `3`, or `3 (5m ago)`
    pub restarts: String,
}

pub(super) fn summary(pod: &Value, now: Timestamp) -> Summary {
    let mut tally = Tally { status: opening_word(pod), ..Tally::default() };
    let total = items(&pod["spec"]["containers"]).len() + sidecars(pod).count();
    let initializing = tally.init_containers(pod);
    if !initializing || is_true(pod, "Initialized") {
        tally.containers(pod);
    }
    let is_marked = !is_empty(&pod["metadata"]["deletionTimestamp"]);
    let has_ended = ["Failed", "Succeeded"].contains(&text(&pod["status"], "phase"));
    if is_marked && text(&pod["status"], "reason") == "NodeLost" {
        tally.status = "Unknown".into();
    } else if is_marked && !has_ended {
        tally.status = "Terminating".into();
    }
    Summary {
        ready: format!("{}/{total}", tally.ready),
        restarts: tally.restarts_told(now),
        status: tally.status,
    }
}

#[derive(Default)]
struct Tally {
    status: String,
    ready: usize,
    restarts: i64,
    last_restart: Option<Timestamp>,
}

impl Tally {
    /// Goes through the init containers up to the first that has not ended well; whether there is such a one.
    fn init_containers(&mut self, pod: &Value) -> bool {
        let statuses = items(&pod["status"]["initContainerStatuses"]);
        let mut of_sidecars = Tally::default();
        for (index, container) in statuses.iter().enumerate() {
            self.count_restarts(container);
            let is_sidecar = sidecars(pod).any(|sidecar| sidecar["name"] == container["name"]);
            if is_sidecar {
                of_sidecars.count_restarts(container);
            }
            let terminated = &container["state"]["terminated"];
            if terminated["exitCode"] == 0 {
                continue;
            }
            if is_sidecar && container["started"] == true {
                self.ready += usize::from(container["ready"] == true);
                continue;
            }
            self.status = format!("Init:{}", init_word(container, index, pod));
            return true;
        }
        (self.restarts, self.last_restart) = (of_sidecars.restarts, of_sidecars.last_restart);
        false
    }

    fn containers(&mut self, pod: &Value) {
        let mut is_one_running = false;
        for container in items(&pod["status"]["containerStatuses"]).iter().rev() {
            self.count_restarts(container);
            let state = &container["state"];
            if let Some(word) = waiting_word(state).or_else(|| terminated_word(state)) {
                self.status = word;
            } else if container["ready"] == true && state["running"].is_object() {
                is_one_running = true;
                self.ready += 1;
            }
        }
        if self.status == "Completed" && is_one_running {
            self.status = if is_true(pod, "Ready") { "Running" } else { "NotReady" }.into();
        }
    }

    fn count_restarts(&mut self, container: &Value) {
        self.restarts += container["restartCount"].as_i64().unwrap_or(0);
        let ended = text(&container["lastState"]["terminated"], "finishedAt").parse().ok();
        self.last_restart = self.last_restart.max(ended);
    }

    fn restarts_told(&self, now: Timestamp) -> String {
        match (self.restarts, self.last_restart) {
            (0, _) | (_, None) => self.restarts.to_string(),
            (restarts, Some(last)) => {
                let ago = since(&json!(last.to_string()), now);
                format!("{restarts} ({} ago)", ago.as_str().unwrap_or_default())
            }
        }
    }
}

fn opening_word(pod: &Value) -> String {
    let gated =
        |condition: &&Value| condition["type"] == "PodScheduled" && condition["reason"] == "SchedulingGated";
    let status = &pod["status"];
    if items(&status["conditions"]).iter().any(|condition| gated(&condition)) {
        return "SchedulingGated".into();
    }
    match text(status, "reason") {
        "" => text(status, "phase").to_owned(),
        reason => reason.to_owned(),
    }
}

fn init_word(container: &Value, index: usize, pod: &Value) -> String {
    let state = &container["state"];
    if let Some(word) = terminated_word(state) {
        return word;
    }
    match waiting_word(state) {
        Some(word) if word != "PodInitializing" => word,
        _ => format!("{index}/{}", items(&pod["spec"]["initContainers"]).len()),
    }
}

fn waiting_word(state: &Value) -> Option<String> {
    let reason = text(&state["waiting"], "reason");
    (!reason.is_empty()).then(|| reason.to_owned())
}

fn terminated_word(state: &Value) -> Option<String> {
    let ended = state["terminated"].as_object()?;
    let number = |field: &str| ended.get(field).and_then(Value::as_i64).unwrap_or(0);
    Some(match (text(&state["terminated"], "reason"), number("signal")) {
        ("", 0) => format!("ExitCode:{}", number("exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    })
}

/// Init containers that run as long as the pod does.
fn sidecars(pod: &Value) -> impl Iterator<Item = &Value> {
    items(&pod["spec"]["initContainers"]).iter().filter(|container| container["restartPolicy"] == "Always")
}

fn is_true(pod: &Value, kind: &str) -> bool {
    let conditions = items(&pod["status"]["conditions"]);
    conditions.iter().any(|condition| condition["type"] == kind && condition["status"] == "True")
}

pub(super) fn or_none(value: &Value) -> Value {
    crate::kinds::columns::or_none(value.as_str().unwrap_or_default())
}

pub(super) fn ip(pod: &Value) -> Value {
    match items(&pod["status"]["podIPs"]).first() {
        Some(first) => or_none(&first["ip"]),
        None => or_none(&pod["status"]["podIP"]),
    }
}

pub(super) fn readiness_gates(pod: &Value) -> Value {
    let gates = items(&pod["spec"]["readinessGates"]);
    if gates.is_empty() {
        return json!(NONE);
    }
    let open = gates.iter().filter(|gate| is_true(pod, text(gate, "conditionType"))).count();
    json!(format!("{open}/{}", gates.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(pod: Value) -> String {
        let now = "2026-01-01T00:10:00Z".parse().unwrap();
        let Summary { ready, status, restarts } = summary(&pod, now);
        format!("{ready} {status} {restarts}")
    }

    fn pod(status: Value) -> Value {
        json!({"metadata": {}, "spec": {"containers": [{"name": "a"}, {"name": "b"}],
            "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}]}, "status": status})
    }

    #[test]
    fn a_pod_is_told_in_one_line_as_kubectl_tells_it() {
        let running = json!({"name": "a", "ready": true, "state": {"running": {}}});
        let crashing = json!({"name": "b", "ready": false, "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"finishedAt": "2026-01-01T00:05:00Z"}}});
        let completed = json!({"name": "b", "state": {"terminated": {"reason": "Completed", "exitCode": 0}}});
        let done = json!([{"name": "i", "state": {"terminated": {"exitCode": 0}}},
            {"name": "s", "ready": true, "started": true, "state": {"running": {}}}]);
        let cases = [
            (json!({"phase": "Pending"}), "0/3 Pending 0"),
            (
                json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"running": {}}}]}),
                "0/3 Init:0/2 0",
            ),
            (
                json!({"phase": "Pending", "initContainerStatuses": [
                    {"name": "i", "restartCount": 2, "state": {"terminated": {"exitCode": 3}}}]}),
                "0/3 Init:ExitCode:3 2",
            ),
            (
                json!({"phase": "Running", "initContainerStatuses": done, "containerStatuses": [running, crashing]}),
                "2/3 CrashLoopBackOff 3 (5m ago)",
            ),
            (
                json!({"phase": "Running", "containerStatuses": [running, completed], "conditions": [{"type": "Ready", "status": "True"}]}),
                "1/3 Running 0",
            ),
            (json!({"phase": "Failed", "reason": "Evicted"}), "0/3 Evicted 0"),
        ];
        for (status, told) in cases {
            assert_eq!(line(pod(status.clone())), told, "{status}");
        }
    }

    #[test]
    fn a_marked_pod_is_terminating_until_it_has_ended() {
        let mut marked = pod(json!({"phase": "Running"}));
        marked["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(line(marked.clone()), "0/3 Terminating 0");
        marked["status"]["phase"] = json!("Succeeded");
        assert_eq!(line(marked), "0/3 Succeeded 0");
    }
}
