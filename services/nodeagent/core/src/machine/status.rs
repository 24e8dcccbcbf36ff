//! A pod's status, as kubelet computes it: containers, phase, conditions, addresses.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::resources;
use crate::view::{Condition, Container as Spec, RestartPolicy};

use super::{Cause, Container, Cx, Exit, Image, ImageFailure, PodMachine, Sandbox, Stage, State, after};

/// How long an image's failure is told as such before it is told as a back-off.
pub(super) const IMAGE_ERROR_SHOWN_SECS: i64 = 1;

/// A container's state as users see it.
#[derive(Clone, Debug, PartialEq)]
enum Shown<'a> {
    Waiting {
        reason: String,
        message: String,
    },
    Running {
        at: Timestamp,
    },
    Terminated(&'a Exit),
    /// As it was written earlier; the runtime has nothing of it any more.
    Recorded(&'a Value),
}

impl PodMachine {
    /// The parts of the status that the node owns.
    pub fn status(&self, cx: Cx<'_>, now: Timestamp) -> Value {
        let pod = &self.pod;
        let phase = self.phase(now);
        let mut status = json!({
            "phase": phase,
            "conditions": self.conditions(phase, now),
            "startTime": rfc3339(self.start_time),
            "qosClass": resources::qos(pod).as_str(),
            "containerStatuses": self.container_statuses(&pod.spec.containers, now),
        });
        if pod.metadata.generation > 0 {
            status["observedGeneration"] = json!(pod.metadata.generation);
        }
        if !pod.spec.init_containers.is_empty() {
            status["initContainerStatuses"] = self.container_statuses(&pod.spec.init_containers, now).into();
        }
        put_addresses(&mut status, "hostIP", "hostIPs", &cx.node.host_ips);
        put_addresses(&mut status, "podIP", "podIPs", self.ips(cx.node));
        if let Some(Cause::Failed { reason, message }) = self.ending.as_ref().map(|ending| &ending.cause) {
            status["reason"] = json!(reason);
            status["message"] = json!(message);
        }
        status
    }

    fn container_statuses(&self, specs: &[Spec], now: Timestamp) -> Vec<Value> {
        specs
            .iter()
            .filter_map(|spec| Some((spec, self.containers.get(&spec.name)?)))
            .map(|(spec, container)| self.container_status(spec, container, now))
            .collect()
    }

    fn container_status(&self, spec: &Spec, container: &Container, now: Timestamp) -> Value {
        let (shown, last) = self.shown(spec, container, now);
        if let Shown::Recorded(recorded) = shown {
            return recorded.clone();
        }
        let id = match &shown {
            Shown::Terminated(exit) => Some(exit.id.as_str()),
            _ => container.id().or(container.previous.as_ref().map(|exit| exit.id.as_str())),
        };
        let is_init = self.is_init(&spec.name) && !spec.is_sidecar();
        let mut status = json!({
            "name": spec.name,
            "image": spec.image,
            "imageID": container.image_id,
            "ready": if is_init { container.has_succeeded() } else { container.is_ready(spec) },
            "started": container.is_started(spec),
            "restartCount": container.restarts_shown(),
            "state": state_value(&shown),
            "lastState": last.map_or_else(|| json!({}), |exit| json!({"terminated": terminated(exit)})),
        });
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            status["containerID"] = json!(container_id(id));
        }
        if !spec.resources.requests.is_empty() {
            status["allocatedResources"] = json!(spec.resources.requests);
        }
        if !(spec.resources.requests.is_empty() && spec.resources.limits.is_empty()) {
            status["resources"] = resources_value(spec);
        }
        status
    }

    fn is_init(&self, name: &str) -> bool {
        self.pod.spec.init_containers.iter().any(|spec| spec.name == name)
    }

    /// The state, and the exit that `lastState` tells.
    fn shown<'a>(
        &'a self,
        spec: &Spec,
        container: &'a Container,
        now: Timestamp,
    ) -> (Shown<'a>, Option<&'a Exit>) {
        let previous = container.previous.as_ref();
        if let Some(running) = container.running() {
            return (Shown::Running { at: running.started_at }, previous);
        }
        if let Some(waiting) = self.trouble(spec, container, now) {
            return (waiting, previous);
        }
        if let Some(exit) = previous {
            return (Shown::Terminated(exit), container.before.as_ref());
        }
        if let Some(recorded) = self.pod.status.container(&spec.name).filter(|_| self.stage != Stage::Up) {
            return (Shown::Recorded(recorded), None);
        }
        let waits_for_init = !self.pod.spec.init_containers.is_empty() && !self.initialised;
        let reason = if waits_for_init { "PodInitializing" } else { "ContainerCreating" };
        (Shown::Waiting { reason: reason.to_owned(), message: String::new() }, None)
    }

    /// What keeps a container from running.
    fn trouble<'a>(&self, spec: &Spec, container: &Container, now: Timestamp) -> Option<Shown<'a>> {
        if self.stage != Stage::Up {
            return None;
        }
        if let State::Failed { reason, message, .. } = &container.state {
            return Some(Shown::Waiting { reason: reason.clone(), message: message.clone() });
        }
        if let Image::Failed(failure) | Image::Asked(Some(failure)) = &container.image {
            return Some(image_trouble(spec, failure, now));
        }
        let message = container.crash_told.clone()?;
        Some(Shown::Waiting { reason: "CrashLoopBackOff".to_owned(), message })
    }

    /// `getPhase` of kubelet.
    pub(super) fn phase(&self, now: Timestamp) -> &'static str {
        match self.pod.status.phase.as_deref() {
            Some("Succeeded") => return "Succeeded",
            Some("Failed") => return "Failed",
            _ => {}
        }
        let has_ended = self.stage >= Stage::StoppingSandbox;
        if self.ending.as_ref().is_some_and(|ending| matches!(ending.cause, Cause::Failed { .. }))
            && has_ended
        {
            return "Failed";
        }
        let init = self.init_tally(now);
        if init.failed && self.restart_policy() == RestartPolicy::Never {
            return "Failed";
        }
        let tally = self.tally(now);
        if init.pending && !has_ended && tally.running + tally.stopped == 0 || tally.waiting > 0 {
            return "Pending";
        }
        if tally.running > 0 {
            return "Running";
        }
        if tally.stopped == 0 {
            return "Pending";
        }
        let all_well = tally.succeeded == tally.stopped;
        match self.restart_policy() {
            _ if has_ended => {
                if all_well {
                    "Succeeded"
                } else {
                    "Failed"
                }
            }
            RestartPolicy::Always => "Running",
            _ if all_well => "Succeeded",
            RestartPolicy::Never => "Failed",
            RestartPolicy::OnFailure => "Running",
        }
    }

    fn init_tally(&self, now: Timestamp) -> InitTally {
        let mut tally = InitTally::default();
        for spec in &self.pod.spec.init_containers {
            let Some(container) = self.containers.get(&spec.name) else { continue };
            if spec.is_sidecar() {
                tally.pending |= !container.is_started(spec) && !self.initialised;
                continue;
            }
            match self.shown(spec, container, now) {
                (Shown::Terminated(exit), _) if exit.code == 0 => {}
                (Shown::Terminated(_), _) => {
                    tally.failed = true;
                    tally.pending = true;
                }
                (Shown::Recorded(_), _) => {}
                _ => tally.pending |= !self.initialised,
            }
        }
        tally
    }

    fn tally(&self, now: Timestamp) -> MainTally {
        let mut tally = MainTally::default();
        for spec in &self.pod.spec.containers {
            let Some(container) = self.containers.get(&spec.name) else { continue };
            match self.shown(spec, container, now) {
                (Shown::Running { .. }, _) => tally.running += 1,
                (Shown::Terminated(exit), _) => tally.stop(exit.code == 0),
                (Shown::Recorded(recorded), _) => {
                    tally.stop(recorded["state"]["terminated"]["exitCode"] == json!(0));
                }
                (Shown::Waiting { .. }, Some(_)) => tally.stopped += 1,
                (Shown::Waiting { .. }, None) => tally.waiting += 1,
            }
        }
        tally
    }

    fn conditions(&self, phase: &str, now: Timestamp) -> Vec<Value> {
        let has_sandbox = matches!(self.sandbox, Sandbox::Ready(_)) && self.stage < Stage::StoppingSandbox;
        let containers_ready = self.containers_ready(phase);
        let conditions = [
            ("PodReadyToStartContainers", Fact::plain(has_sandbox)),
            ("Initialized", self.initialized(phase)),
            ("Ready", self.ready(&containers_ready)),
            ("ContainersReady", containers_ready),
        ];
        conditions.into_iter().map(|(kind, fact)| self.condition(kind, fact, now)).collect()
    }

    fn initialized(&self, phase: &str) -> Fact {
        if phase == "Succeeded" {
            return Fact { holds: true, reason: "PodCompleted", message: String::new() };
        }
        let init = &self.pod.spec.init_containers;
        let unfinished: Vec<&str> = init
            .iter()
            .filter(|spec| {
                !self.initialised
                    && self.containers.get(&spec.name).is_some_and(|container| {
                        if spec.is_sidecar() {
                            !container.is_started(spec)
                        } else {
                            !container.has_succeeded()
                        }
                    })
            })
            .map(|spec| spec.name.as_str())
            .collect();
        if unfinished.is_empty() {
            return Fact::plain(true);
        }
        let message = format!("containers with incomplete status: [{}]", unfinished.join(" "));
        Fact { holds: false, reason: "ContainersNotInitialized", message }
    }

    fn containers_ready(&self, phase: &str) -> Fact {
        match phase {
            "Succeeded" => return Fact { holds: false, reason: "PodCompleted", message: String::new() },
            "Failed" => return Fact { holds: false, reason: "PodFailed", message: String::new() },
            _ => {}
        }
        let sidecars = self.pod.spec.init_containers.iter().filter(|spec| spec.is_sidecar());
        let unready: Vec<&str> = sidecars
            .chain(&self.pod.spec.containers)
            .filter(|spec| !self.containers.get(&spec.name).is_some_and(|container| container.is_ready(spec)))
            .map(|spec| spec.name.as_str())
            .collect();
        if unready.is_empty() {
            return Fact::plain(true);
        }
        let message = format!("containers with unready status: [{}]", unready.join(" "));
        Fact { holds: false, reason: "ContainersNotReady", message }
    }

    fn ready(&self, containers: &Fact) -> Fact {
        if !containers.holds {
            return containers.clone();
        }
        let missing: Vec<String> = self
            .pod
            .spec
            .readiness_gates
            .iter()
            .filter_map(|gate| match self.pod.status.condition(&gate.condition_type) {
                Some(condition) if condition.status == "True" => None,
                Some(_) => Some(format!(
                    "the status of pod readiness gate {:?} is not \"True\"",
                    gate.condition_type
                )),
                None => Some(format!(
                    "corresponding condition of pod readiness gate {:?} does not exist.",
                    gate.condition_type
                )),
            })
            .collect();
        if missing.is_empty() {
            return Fact::plain(true);
        }
        Fact { holds: false, reason: "ReadinessGatesNotReady", message: missing.join(", ") }
    }

    fn condition(&self, kind: &str, fact: Fact, now: Timestamp) -> Value {
        let status = if fact.holds { "True" } else { "False" };
        let known = self.known_condition(kind).filter(|known| known.status == status);
        let since = known.and_then(|known| known.last_transition_time).unwrap_or_else(|| rfc3339(now));
        let mut condition = json!({"type": kind, "status": status, "lastTransitionTime": since});
        if self.pod.metadata.generation > 0 {
            condition["observedGeneration"] = json!(self.pod.metadata.generation);
        }
        if !fact.reason.is_empty() {
            condition["reason"] = json!(fact.reason);
        }
        if !fact.message.is_empty() {
            condition["message"] = json!(fact.message);
        }
        condition
    }

    fn known_condition(&self, kind: &str) -> Option<Condition> {
        let ours = self.telling.under_way.as_ref().or(self.telling.told.as_ref());
        let Some(ours) = ours else { return self.pod.status.condition(kind).cloned() };
        let list = ours["conditions"].as_array()?;
        let value = list.iter().find(|condition| condition["type"] == kind)?;
        serde_json::from_value(value.clone()).ok()
    }
}

#[derive(Default)]
struct InitTally {
    pending: bool,
    failed: bool,
}

#[derive(Default)]
struct MainTally {
    running: usize,
    waiting: usize,
    stopped: usize,
    succeeded: usize,
}

impl MainTally {
    fn stop(&mut self, well: bool) {
        self.stopped += 1;
        self.succeeded += usize::from(well);
    }
}

/// A condition before it has its time.
#[derive(Clone)]
struct Fact {
    holds: bool,
    reason: &'static str,
    message: String,
}

impl Fact {
    fn plain(holds: bool) -> Fact {
        Fact { holds, reason: "", message: String::new() }
    }
}

fn image_trouble<'a>(spec: &Spec, failure: &ImageFailure, now: Timestamp) -> Shown<'a> {
    let ImageFailure { reason, message, at } = failure;
    if reason != "ErrImagePull" || now < after(*at, IMAGE_ERROR_SHOWN_SECS) {
        return Shown::Waiting { reason: reason.clone(), message: message.clone() };
    }
    let message = format!("Back-off pulling image {:?}: {reason}: {message}", spec.image);
    Shown::Waiting { reason: "ImagePullBackOff".to_owned(), message }
}

fn state_value(shown: &Shown<'_>) -> Value {
    match shown {
        Shown::Waiting { reason, message } if message.is_empty() => json!({"waiting": {"reason": reason}}),
        Shown::Waiting { reason, message } => json!({"waiting": {"reason": reason, "message": message}}),
        Shown::Running { at } => json!({"running": {"startedAt": rfc3339(*at)}}),
        Shown::Terminated(exit) => json!({"terminated": terminated(exit)}),
        Shown::Recorded(recorded) => recorded["state"].clone(),
    }
}

fn terminated(exit: &Exit) -> Value {
    let mut value = json!({
        "exitCode": exit.code,
        "reason": exit.reason,
        "startedAt": rfc3339(exit.started_at),
        "finishedAt": rfc3339(exit.finished_at),
        "containerID": container_id(&exit.id),
    });
    if exit.signal != 0 {
        value["signal"] = json!(exit.signal);
    }
    if !exit.message.is_empty() {
        value["message"] = json!(exit.message);
    }
    value
}

fn resources_value(spec: &Spec) -> Value {
    let mut value = json!({});
    if !spec.resources.requests.is_empty() {
        value["requests"] = json!(spec.resources.requests);
    }
    if !spec.resources.limits.is_empty() {
        value["limits"] = json!(spec.resources.limits);
    }
    value
}

/// As the API writes it.
pub(super) fn container_id(id: &str) -> String {
    format!("containerd://{id}")
}

fn put_addresses(status: &mut Value, one: &str, all: &str, addresses: &[IpAddr]) {
    if let Some(first) = addresses.first() {
        status[one] = json!(first);
        status[all] = addresses.iter().map(|ip| json!({"ip": ip})).collect();
    }
}

/// Whole seconds, as `metav1.Time`.
pub(super) fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Whether nothing in it runs or has run yet.
pub(super) fn only_waits(status: &Value) -> bool {
    let statuses = |name: &str| status[name].as_array().cloned().unwrap_or_default();
    let mut all = statuses("containerStatuses").into_iter().chain(statuses("initContainerStatuses"));
    all.all(|container| {
        let reason = container["state"]["waiting"]["reason"].as_str();
        matches!(reason, Some("ContainerCreating" | "PodInitializing"))
    })
}
