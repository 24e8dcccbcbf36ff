//! A pod's status, as kubelet computes it: its containers and addresses. Phase and conditions have files of their own.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::resources;
use crate::view::Container as Spec;

use super::{Cause, Container, Cx, Exit, Image, ImageFailure, PodMachine, Stage, State, after};

/// How long an image's failure is told as such before it is told as a back-off.
pub(super) const IMAGE_ERROR_SHOWN_SECS: i64 = 1;

/// A container's state as users see it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shown<'a> {
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
        if !pod.spec.ephemeral_containers.is_empty() {
            status["ephemeralContainerStatuses"] = self.ephemeral_statuses(now).into();
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

    /// Nobody waits for ephemeral containers: they are never ready.
    fn ephemeral_statuses(&self, now: Timestamp) -> Vec<Value> {
        let mut statuses = self.container_statuses(&self.pod.spec.ephemeral_containers, now);
        for status in &mut statuses {
            status["ready"] = json!(false);
            if let Some(fields) = status.as_object_mut() {
                fields.remove("started");
            }
        }
        statuses
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
        if self.pod.declared().any(|declared| declared.name == spec.name) {
            let size = container.running().map_or(&spec.resources, |running| &running.size);
            status["resources"] = json!(size);
        }
        status
    }

    fn is_init(&self, name: &str) -> bool {
        self.pod.spec.init_containers.iter().any(|spec| spec.name == name)
    }

    /// The state, and the exit that `lastState` tells.
    pub(super) fn shown<'a>(
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
        let is_ephemeral = self.pod.spec.ephemeral_containers.iter().any(|other| other.name == spec.name);
        let waits_for_init = !is_ephemeral && !self.pod.spec.init_containers.is_empty() && !self.initialised;
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
