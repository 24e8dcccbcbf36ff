//! What a pod's containers may use, changed while they run (KEP 1287, upstream's `pkg/kubelet/allocation`).
//!
//! There are three answers to it. *Desired* is what the API says. *Allocated* is what the node has granted: the machine's
//! pod has it in its spec, and everything else here goes by that. A running instance's *size* is what the runtime was
//! told of it.
//!
//! ```text
//!  desired ── no room: PodResizePending, Deferred ──┐
//!     │ ▲───────── another pod goes or shrinks ─────┘
//!     ▼ room: PodResizeInProgress
//!  allocated ─ ResizeContainer ─► size       RestartContainer: a new instance has it from its start
//!                 └─ refused: PodResizeInProgress, Error; again later
//! ```

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::resources::{self, Claims};
use crate::view::{Container as Spec, Pod, Resources};

use super::status::rfc3339;
use super::{Action, Cx, PodMachine, Severity, Stage, State, Step, after};

/// A resize that the runtime refused is tried again so soon.
const RETRY_SECS: i64 = 10;

/// What is told of a resize, until it is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resize {
    pending: Option<Told>,
    in_progress: Option<Told>,
}

/// A condition that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    reason: String,
    message: String,
    /// Of the pod that was looked at.
    generation: i64,
    /// Since it has had this reason.
    since: String,
}

impl Resize {
    /// What was told before the agent's start.
    pub(super) fn recorded(pod: &Pod) -> Resize {
        let told = |kind: &str| {
            let known = pod.status.condition(kind)?;
            Some(Told {
                reason: known.reason.clone().unwrap_or_default(),
                message: known.message.clone().unwrap_or_default(),
                generation: known.observed_generation.unwrap_or_default(),
                since: known.last_transition_time.clone().unwrap_or_default(),
            })
        };
        Resize { pending: told(PENDING), in_progress: told(IN_PROGRESS) }
    }

    pub(super) fn conditions(&self) -> impl Iterator<Item = Value> {
        let kinds = [(PENDING, &self.pending), (IN_PROGRESS, &self.in_progress)];
        kinds.into_iter().filter_map(|(kind, told)| Some(told.as_ref()?.condition(kind)))
    }
}

/// The conditions that only a node gives and takes away.
pub(super) const PENDING: &str = "PodResizePending";
pub(super) const IN_PROGRESS: &str = "PodResizeInProgress";

impl Told {
    fn plain(generation: i64, now: Timestamp) -> Told {
        Told { reason: String::new(), message: String::new(), generation, since: rfc3339(now) }
    }

    fn condition(&self, kind: &str) -> Value {
        let mut condition = json!({
            "type": kind, "status": "True",
            "lastProbeTime": self.since, "lastTransitionTime": self.since,
        });
        if self.generation > 0 {
            condition["observedGeneration"] = json!(self.generation);
        }
        if !self.reason.is_empty() {
            condition["reason"] = json!(self.reason);
        }
        if !self.message.is_empty() {
            condition["message"] = json!(self.message);
        }
        condition
    }
}

/// The pod as the API wants it, with the resources that `granted` has.
pub(super) fn with_resources_of(granted: &Pod, pod: &Arc<Pod>) -> Arc<Pod> {
    let known =
        |spec: &Spec| granted.declared().find(|known| known.name == spec.name).map(|known| &known.resources);
    with_resources(pod, known)
}

/// The pod with the resources that it was last told to have; what was never told is granted as it is asked for.
pub(super) fn with_recorded_resources(pod: &Arc<Pod>) -> Arc<Pod> {
    let recorded: Vec<(String, Resources)> = pod
        .declared()
        .filter_map(|spec| Some((spec.name.clone(), allocated(pod.status.container(&spec.name)?)?)))
        .collect();
    let known =
        |spec: &Spec| recorded.iter().find(|(name, _)| *name == spec.name).map(|(_, resources)| resources);
    with_resources(pod, known)
}

fn with_resources<'a>(pod: &Arc<Pod>, known: impl Fn(&Spec) -> Option<&'a Resources>) -> Arc<Pod> {
    let differs = |spec: &Spec| known(spec).is_some_and(|resources| !resources.is_same(&spec.resources));
    if !pod.declared().any(differs) {
        return pod.clone();
    }
    let mut copy = Pod::clone(pod);
    for spec in copy.spec.init_containers.iter_mut().chain(&mut copy.spec.containers) {
        if let Some(resources) = known(spec) {
            spec.resources = resources.clone();
        }
    }
    Arc::new(copy)
}

/// What a container's status says that it was granted: its requests whole, its limits as they were last in force.
fn allocated(status: &Value) -> Option<Resources> {
    let (requests, size) = (&status["allocatedResources"], &status["resources"]);
    if !requests.is_object() && !size.is_object() {
        return None;
    }
    let side = |value: &Value| serde_json::from_value(value.clone()).unwrap_or_default();
    Some(Resources { requests: side(requests), limits: side(&size["limits"]) })
}

/// The size of a running instance, as it was told.
pub(super) fn recorded_size(status: &Value) -> Option<Resources> {
    serde_json::from_value(status["resources"].clone()).ok()
}

impl PodMachine {
    /// The API wants its containers to have other resources than they were granted.
    pub fn wants_resize(&self) -> bool {
        if Arc::ptr_eq(&self.pod, &self.desired) {
            return false;
        }
        let granted = |spec: &Spec| self.pod.declared().find(|known| known.name == spec.name);
        self.stage == Stage::Up
            && self
                .desired
                .declared()
                .any(|spec| granted(spec).is_some_and(|known| !known.resources.is_same(&spec.resources)))
    }

    /// Who is looked at first when there is room again (`sortPendingResizes`): who asks for no more than it has, then by
    /// priority, class, and how long it waits.
    pub fn resize_rank(&self) -> impl Ord + use<> {
        let (desired, granted) = (resources::claims(&self.desired), resources::claims(&self.pod));
        let grows = desired.cpu_milli > granted.cpu_milli || desired.memory_bytes > granted.memory_bytes;
        let is_guaranteed = resources::qos(&self.desired) == resources::Qos::Guaranteed;
        let since = self.resize.pending.as_ref().map(|told| told.since.clone());
        (grows, std::cmp::Reverse(self.desired.spec.priority), !is_guaranteed, since.is_none(), since)
    }

    /// What it takes of the node: what it was granted, or what it still has where that is more.
    pub fn claims(&self) -> Claims {
        if self.stage >= Stage::Ended {
            return Claims::default();
        }
        let size = |spec: &Spec| Some(&self.containers.get(&spec.name)?.running()?.size);
        let sized = with_resources(&self.pod, size);
        let (granted, sized) = (resources::claims(&self.pod), resources::claims(&sized));
        Claims {
            cpu_milli: granted.cpu_milli.max(sized.cpu_milli),
            memory_bytes: granted.memory_bytes.max(sized.memory_bytes),
        }
    }

    pub(super) fn keep_size(&mut self, cx: Cx<'_>, now: Timestamp, step: &mut Step) {
        self.allocate(cx, now, step);
        let is_under_way = self.actuate(cx, now, step);
        match (is_under_way, &self.resize.in_progress) {
            (true, None) => self.resize.in_progress = Some(Told::plain(self.pod.metadata.generation, now)),
            (false, Some(told)) => {
                let message = summary("Pod resize completed", &self.pod, told.generation, "");
                step.record(Severity::Normal, "ResizeCompleted", message, "");
                self.resize.in_progress = None;
            }
            _ => {}
        }
    }

    fn allocate(&mut self, cx: Cx<'_>, now: Timestamp, step: &mut Step) {
        if !self.wants_resize() {
            self.resize.pending = None;
            return;
        }
        let generation = self.desired.metadata.generation;
        let Some((reason, message)) = shortage(cx, &self.desired) else {
            self.pod = self.desired.clone();
            self.resize = Resize { pending: None, in_progress: Some(Told::plain(generation, now)) };
            let message = summary("Pod resize started", &self.pod, generation, "");
            return step.record(Severity::Normal, "ResizeStarted", message, "");
        };
        let before = self.resize.pending.take();
        if before.as_ref().is_none_or(|told| told.generation != generation) {
            let message = summary(&format!("Pod resize {reason}"), &self.desired, generation, &message);
            step.record(Severity::Warning, "ResizeDeferred", message, "");
        }
        let since = before.map_or_else(|| rfc3339(now), |told| told.since);
        self.resize.pending = Some(Told { reason: "Deferred".to_owned(), message, generation, since });
    }

    /// Has running instances resized, or ended where their policy wants new ones; whether some have another size yet.
    fn actuate(&mut self, cx: Cx<'_>, now: Timestamp, step: &mut Step) -> bool {
        let pod = self.pod.clone();
        let mut is_under_way = false;
        for spec in pod.declared() {
            let Some(container) = self.containers.get_mut(&spec.name) else { continue };
            let ends = matches!(container.state, State::Stopping { .. });
            let Some(running) = container.running_mut() else { continue };
            if spec.resources.is_same(&running.size) {
                continue;
            }
            is_under_way = true;
            if ends || running.doomed.is_some() || running.resizing.is_some() {
                continue;
            }
            let wants_another = |resource: &str| {
                spec.restarts_for(resource) && !spec.resources.is_same_in(&running.size, resource)
            };
            if ["cpu", "memory"].into_iter().any(wants_another) {
                let message = format!("Container {} resize requires restart", spec.name);
                step.record(Severity::Normal, "Killing", message, &spec.name);
                running.doomed = Some(pod.spec.grace_secs());
                container.again = true;
                container.crash_backoff.reset();
                continue;
            }
            if let Some(at) = running.resize_after.filter(|at| *at > now) {
                step.look_at(at);
                continue;
            }
            running.resizing = Some(spec.resources.clone());
            step.act(Action::ResizeContainer {
                container: spec.name.clone(),
                id: running.id.clone(),
                limits: resources::limits(&pod, spec, cx.node.memory_bytes),
            });
        }
        is_under_way
    }

    pub(super) fn resized(&mut self, name: &str, id: &str) {
        let Some(container) = self.current(name, id) else { return };
        let Some(running) = container.running_mut() else { return };
        running.resize_after = None;
        if let Some(size) = running.resizing.take() {
            running.size = size;
        }
    }

    pub(super) fn resize_failed(&mut self, name: &str, id: &str, message: String, now: Timestamp) {
        let Some(running) = self.current(name, id).and_then(|container| container.running_mut()) else {
            return;
        };
        running.resizing = None;
        running.resize_after = Some(after(now, RETRY_SECS));
        let generation = self.pod.metadata.generation;
        let told = self.resize.in_progress.get_or_insert_with(|| Told::plain(generation, now));
        if told.reason == "Error" && told.message == message {
            return;
        }
        if told.reason != "Error" {
            told.since = rfc3339(now);
        }
        "Error".clone_into(&mut told.reason);
        told.message.clone_from(&message);
        let words = summary("Pod resize error", &self.pod, told.generation, &message);
        self.warn("ResizeError", words, "");
    }
}

/// Why the node has no room for it, in the words of upstream's admission of pods by their node.
fn shortage(cx: Cx<'_>, pod: &Pod) -> Option<(&'static str, String)> {
    let asked = resources::claims(pod);
    let cpu = ("OutOfcpu", "cpu", asked.cpu_milli, cx.beside.cpu_milli, cx.node.cpu_milli);
    let memory = ("OutOfmemory", "memory", asked.memory_bytes, cx.beside.memory_bytes, cx.node.memory_bytes);
    [cpu, memory].into_iter().find(|(.., asked, used, capacity)| *asked > 0 && *asked > capacity - used).map(
        |(reason, resource, asked, used, capacity)| {
            let message = format!(
                "Node didn't have enough resource: {resource}, requested: {asked}, used: {used}, capacity: {capacity}"
            );
            (reason, message)
        },
    )
}

/// What operators are told of it: the resources of every container, as upstream writes them.
fn summary(what: &str, pod: &Pod, generation: i64, error: &str) -> String {
    let of = |specs: &[Spec]| -> Vec<Granted> {
        specs
            .iter()
            .map(|spec| Granted { name: spec.name.clone(), resources: spec.resources.clone() })
            .collect()
    };
    let summary = Summary {
        init_containers: of(&pod.spec.init_containers),
        containers: of(&pod.spec.containers),
        generation,
        error: error.to_owned(),
    };
    match serde_json::to_string(&summary) {
        Ok(text) => format!("{what}: {text}"),
        Err(_) => what.to_owned(),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    init_containers: Vec<Granted>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    containers: Vec<Granted>,
    generation: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    error: String,
}

#[derive(Serialize)]
struct Granted {
    name: String,
    resources: Resources,
}
