//! One pod on its node: what it needs next, and what its status is.
//!
//! The machine decides from what there is, never from the input that told it: an input changes facts, [`PodMachine::step`]
//! looks at all of them. So a restarted agent, which has only what [`PodMachine::adopt`] found, takes the same way.
//!
//! ```text
//!  Up ─► StoppingContainers ─► StoppingSandbox ─► Ended ─► Removing ─► Deleting ─► Gone
//!   deleted, vanished,                              │ a pod that completed stays here,
//!   completed, past its deadline                    │ with its logs, until it is deleted
//! ```
//!
//! Rules are those of upstream's `pkg/kubelet` (kuberuntime, prober, status) unless a comment says otherwise.

mod adopt;
mod backoff;
mod check;
mod conditions;
mod container;
mod end;
mod happened;
mod io;
mod keep;
mod phase;
mod probing;
mod resize;
mod status;
mod tell;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use rutter_schemas::Revision;
use serde_json::Value;

use crate::fields::Downward;
use crate::objects::Objects;
use crate::plan::NodeFacts;
use crate::resources::Claims;
use crate::view::Pod;
use crate::volumes::VolumePlan;

pub use check::{Check, check};
pub use io::{
    Action, Exit, Found, FoundContainer, FoundSandbox, FoundState, HostsFile, Input, ProbeKind, ProbeTiming,
    SandboxFacts, Severity, Step, ToldOutcome,
};

use container::{Container, Image, ImageFailure, Running, State};
use resize::Resize;

/// What a machine may look at beside its own pod.
#[derive(Clone, Copy, Debug)]
pub struct Cx<'a> {
    pub node: &'a NodeFacts,
    pub objects: &'a Objects,
    /// What the node's other pods take; only looked at for a pod that [`PodMachine::wants_resize`].
    pub beside: Claims,
}

/// A pod on this node.
#[derive(Clone, Debug)]
pub struct PodMachine {
    /// With the resources that were granted.
    pod: Arc<Pod>,
    /// As the API has it.
    desired: Arc<Pod>,
    resize: Resize,
    stage: Stage,
    ending: Option<Ending>,
    sandbox: Sandbox,
    sandbox_attempt: u32,
    /// Of the last sandbox; a pod that has ended keeps telling them.
    pod_ips: Vec<IpAddr>,
    volumes: Volumes,
    containers: BTreeMap<String, Container>,
    /// All init containers are done (sidecars: started) in this sandbox.
    initialised: bool,
    start_time: Timestamp,
    telling: Telling,
    /// Superseded sandboxes and containers, to be removed.
    rubbish: Vec<Rubbish>,
    news: Vec<News>,
    /// The last complaint that was recorded as an event, so that it isn't repeated each step.
    complained: String,
}

/// How far a pod is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Up,
    StoppingContainers,
    StoppingSandbox,
    Ended,
    Removing,
    Deleting,
    Gone,
}

/// Why a pod ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    /// It has a deletion timestamp: the API waits for us.
    Deleted,
    /// It is no longer in the feed: the API doesn't know it.
    Vanished,
    /// Its containers are done.
    Completed,
    /// We ended it.
    Failed { reason: &'static str, message: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Ending {
    cause: Cause,
    grace_secs: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Sandbox {
    None,
    Creating,
    Ready(SandboxFacts),
    /// To be stopped, or being stopped.
    Stopping {
        id: String,
        asked: bool,
    },
    Stopped {
        id: String,
    },
    Failed {
        retry_at: Timestamp,
    },
}

/// Volumes stay usable while their files are renewed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Volumes {
    ready: Option<Vec<VolumePlan>>,
    preparing: Option<Vec<VolumePlan>>,
    retry_at: Option<Timestamp>,
}

/// Something worth an `Event`, kept until the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
struct News {
    severity: Severity,
    reason: &'static str,
    message: String,
    container: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rubbish {
    Sandbox(String),
    Container(String),
}

/// What the API knows of the pod's status.
#[derive(Clone, Debug, Default, PartialEq)]
struct Telling {
    told: Option<Value>,
    told_at: Option<Timestamp>,
    under_way: Option<Value>,
    not_before: Option<Timestamp>,
    /// A write went without an answer: until then it may still land.
    doubtful_until: Option<Timestamp>,
}

impl PodMachine {
    /// A pod that this node should run; nothing is known of it in the runtime (else follows [`PodMachine::adopt`]).
    pub fn new(pod: Arc<Pod>, now: Timestamp) -> PodMachine {
        let start_time = pod.status.start_time.as_deref().and_then(|at| at.parse().ok()).unwrap_or(now);
        let containers = pod.containers().map(|spec| (spec.name.clone(), Container::default())).collect();
        let mut machine = PodMachine {
            resize: Resize::recorded(&pod),
            desired: pod.clone(),
            stage: Stage::Up,
            ending: None,
            sandbox: Sandbox::None,
            sandbox_attempt: 0,
            pod_ips: Vec::new(),
            volumes: Volumes::default(),
            news: Vec::new(),
            containers,
            initialised: false,
            start_time,
            telling: Telling::default(),
            rubbish: Vec::new(),
            complained: String::new(),
            pod: resize::with_recorded_resources(&pod),
        };
        machine.recall();
        machine
    }

    pub fn pod(&self) -> &Arc<Pod> {
        &self.pod
    }

    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The sandbox, while it is ready.
    pub fn sandbox(&self) -> Option<&SandboxFacts> {
        match &self.sandbox {
            Sandbox::Ready(facts) => Some(facts),
            _ => None,
        }
    }

    /// The container's running instance.
    pub fn running_container(&self, name: &str) -> Option<&str> {
        self.containers.get(name)?.id()
    }

    /// Ids of the container's instances that may have a log: the present or last one, and the one before.
    pub fn instances(&self, name: &str) -> Option<(u32, bool)> {
        let container = self.containers.get(name)?;
        let exists = container.running().is_some() || container.previous.is_some();
        Some((container.restarts, exists))
    }

    /// The pod as the feed has it now.
    pub fn update(&mut self, pod: Arc<Pod>) {
        for spec in pod.containers() {
            self.containers.entry(spec.name.clone()).or_default();
        }
        self.pod = resize::with_resources_of(&self.pod, &pod);
        self.desired = pod;
    }

    /// The pod left the feed: the API has forgotten it, or it was never ours.
    pub fn vanish(&mut self) {
        self.end(Cause::Vanished, self.pod.spec.grace_secs());
    }

    /// Takes in a fact. Facts about an instance that is no longer the present one are dropped.
    pub fn handle(&mut self, input: Input, now: Timestamp) {
        match input {
            Input::VolumesReady => self.volumes_ready(),
            Input::VolumesFailed { message } => self.volumes_failed(message, now),
            Input::SandboxReady(facts) => self.sandbox_ready(facts),
            Input::SandboxFailed { message } => self.sandbox_failed(message, now),
            Input::SandboxGone { id } => self.sandbox_gone(&id),
            Input::ImageReady { container, image_ref } => self.image_ready(&container, image_ref),
            Input::ImageFailed { container, reason, message } => {
                self.image_failed(&container, reason, message, now);
            }
            Input::Started { container, id, image_id, at } => self.started(&container, id, image_id, at),
            Input::StartFailed { container, reason, message } => {
                self.start_failed(&container, reason, message, now);
            }
            Input::Exited { container, exit } => self.exited(&container, exit),
            Input::StopFailed { container, id, message } => self.stop_failed(&container, &id, &message, now),
            Input::Resized { container, id } => self.resized(&container, &id),
            Input::ResizeFailed { container, id, message } => {
                self.resize_failed(&container, &id, message, now)
            }
            Input::HookEnded { container, id, error } => self.hook_ended(&container, &id, error),
            Input::Probed { container, id, probe, outcome } => self.probed(&container, &id, probe, outcome),
            Input::Told { outcome } => self.answered(outcome, now),
            Input::Removed => self.stage = Stage::Deleting,
            Input::RemoveFailed { message } => self.remove_failed(message),
            Input::Deleted { outcome } => self.deleted(outcome, now),
        }
    }

    /// What to do now. Stepping twice without news asks for nothing twice.
    pub fn step(&mut self, cx: Cx<'_>, now: Timestamp) -> Step {
        let mut step = Step::default();
        self.notice_the_end(now, &mut step);
        if self.stage == Stage::Up {
            self.keep_up(cx, now, &mut step);
        }
        self.adjust_probes(cx, &mut step);
        if self.stage != Stage::Up {
            self.wind_down(cx, now, &mut step);
        }
        for news in self.news.drain(..) {
            step.record(news.severity, news.reason, news.message, &news.container);
        }
        self.sweep(&mut step);
        self.tell(cx, now, &mut step);
        step
    }

    fn sweep(&mut self, step: &mut Step) {
        for rubbish in self.rubbish.drain(..) {
            step.act(match rubbish {
                Rubbish::Sandbox(id) => Action::RemoveSandbox { id },
                Rubbish::Container(id) => Action::RemoveContainer { id },
            });
        }
    }

    fn warn(&mut self, reason: &'static str, message: String, container: &str) {
        self.news.push(News {
            severity: Severity::Warning,
            reason,
            message,
            container: container.to_owned(),
        });
    }

    fn note(&mut self, reason: &'static str, message: String, container: &str) {
        self.news.push(News { severity: Severity::Normal, reason, message, container: container.to_owned() });
    }

    fn downward<'a>(&'a self, cx: Cx<'a>) -> Downward<'a> {
        Downward { pod: &self.pod, node: cx.node, pod_ips: self.ips(cx.node) }
    }

    /// The pod's addresses: its own, or the node's.
    fn ips<'a>(&'a self, node: &'a NodeFacts) -> &'a [IpAddr] {
        match &self.sandbox {
            Sandbox::None | Sandbox::Creating if self.pod_ips.is_empty() => &[],
            _ if self.pod.spec.host_network => &node.host_ips,
            _ => &self.pod_ips,
        }
    }

    fn cause_revision(&self) -> Option<Revision> {
        self.pod.metadata.resource_version.parse().ok().map(Revision)
    }

    fn current(&mut self, name: &str, id: &str) -> Option<&mut Container> {
        self.containers.get_mut(name).filter(|container| container.id() == Some(id))
    }
}

/// The moment some seconds after another.
fn after(now: Timestamp, secs: i64) -> Timestamp {
    now.saturating_add(jiff::SignedDuration::from_secs(secs)).expect("seconds saturate")
}
