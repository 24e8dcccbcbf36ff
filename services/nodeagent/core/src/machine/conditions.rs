//! The conditions of a pod that its node owns. Each keeps the time of its last change over writes and restarts.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::view::Condition;

use super::status::rfc3339;
use super::{PodMachine, Resize, Sandbox, Stage};

impl PodMachine {
    pub(super) fn conditions(&self, phase: &str, now: Timestamp) -> Vec<Value> {
        let has_sandbox = matches!(self.sandbox, Sandbox::Ready(_)) && self.stage < Stage::StoppingSandbox;
        let containers_ready = self.containers_ready(phase);
        let conditions = [
            ("PodReadyToStartContainers", Fact::plain(has_sandbox)),
            ("Initialized", self.initialized(phase)),
            ("Ready", self.ready(&containers_ready)),
            ("ContainersReady", containers_ready),
        ];
        let conditions = conditions.into_iter().map(|(kind, fact)| self.condition(kind, fact, now));
        let has_ended = matches!(phase, "Succeeded" | "Failed");
        let resize = Some(&self.resize).filter(|_| !has_ended);
        conditions.chain(resize.into_iter().flat_map(Resize::conditions)).collect()
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
