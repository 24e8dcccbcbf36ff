//! What a pod's machine is told, and what it asks for.

use std::net::IpAddr;

use jiff::Timestamp;
use rutter_schemas::Revision;
use serde_json::Value;

use crate::plan::{ContainerPlan, SandboxPlan};
use crate::resources::Limits;
use crate::view::PullPolicy;
use crate::volumes::VolumePlan;

use super::check::Check;

/// How work went, and what happened by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    VolumesReady,
    VolumesFailed {
        message: String,
    },
    SandboxReady(SandboxFacts),
    SandboxFailed {
        message: String,
    },
    /// Stopped because we asked, or ended by itself.
    SandboxGone {
        id: String,
    },
    ImageReady {
        container: String,
        image_ref: String,
    },
    ImageFailed {
        container: String,
        reason: String,
        message: String,
    },
    Started {
        container: String,
        id: String,
        image_id: String,
        at: Timestamp,
    },
    /// Nothing is left of the attempt.
    StartFailed {
        container: String,
        reason: String,
        message: String,
    },
    Exited {
        container: String,
        exit: Exit,
    },
    StopFailed {
        container: String,
        id: String,
        message: String,
    },
    Resized {
        container: String,
        id: String,
    },
    ResizeFailed {
        container: String,
        id: String,
        message: String,
    },
    HookEnded {
        container: String,
        id: String,
        error: Option<String>,
    },
    Probed {
        container: String,
        id: String,
        probe: ProbeKind,
        outcome: Result<(), String>,
    },
    Told {
        outcome: ToldOutcome,
    },
    /// Nothing of the pod is left on this node.
    Removed,
    RemoveFailed {
        message: String,
    },
    /// The pod is gone from the API.
    Deleted {
        outcome: ToldOutcome,
    },
}

/// How a write went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToldOutcome {
    Done,
    /// Not accepted: the pod is gone, or another has its name, or the gateway has not seen it yet.
    Refused,
    /// No answer, or the gateway can't write now.
    Later,
}

/// A sandbox that holds the pod's namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxFacts {
    pub id: String,
    /// Empty with the node's network.
    pub ips: Vec<IpAddr>,
    pub attempt: u32,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    pub id: String,
    pub code: i32,
    pub signal: i32,
    /// `Completed`, `Error`, `OOMKilled`, `ContainerStatusUnknown` …
    pub reason: String,
    pub message: String,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
}

/// The three questions a node asks a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeKind {
    Startup,
    Readiness,
    Liveness,
}

impl ProbeKind {
    pub fn as_str(self) -> &'static str {
        match self {
            ProbeKind::Startup => "Startup",
            ProbeKind::Readiness => "Readiness",
            ProbeKind::Liveness => "Liveness",
        }
    }
}

/// What a runtime has of a pod, found at the agent's start or when events were missed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The newest one.
    pub sandbox: Option<FoundSandbox>,
    pub containers: Vec<FoundContainer>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundSandbox {
    pub facts: SandboxFacts,
    pub ready: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundContainer {
    pub name: String,
    pub id: String,
    pub attempt: u32,
    /// As the pod named it.
    pub image: String,
    pub image_id: String,
    pub state: FoundState,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundState {
    /// Made but never started.
    Created,
    Running {
        started_at: Timestamp,
    },
    Exited(Exit),
}

/// Work for the shell. Each is answered by an [`Input`] unless it says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Bring the volumes to the disk, or up to date.
    PrepareVolumes {
        volumes: Vec<VolumePlan>,
        fs_group: Option<i64>,
    },
    CreateSandbox {
        plan: SandboxPlan,
        hosts: HostsFile,
    },
    /// Answered by [`Input::SandboxGone`].
    StopSandbox {
        id: String,
    },
    /// Superseded; not answered.
    RemoveSandbox {
        id: String,
    },
    EnsureImage {
        container: String,
        image: String,
        policy: PullPolicy,
    },
    StartContainer {
        sandbox_id: String,
        sandbox: Box<SandboxPlan>,
        plan: Box<ContainerPlan>,
    },
    /// Answered by [`Input::Exited`] or [`Input::StopFailed`]. Asked again with less grace, the shorter one counts.
    StopContainer {
        container: String,
        id: String,
        grace_secs: u64,
        pre_stop: Option<Check>,
    },
    /// Give a running container other limits. Answered by [`Input::Resized`] or [`Input::ResizeFailed`].
    ResizeContainer {
        container: String,
        id: String,
        limits: Limits,
    },
    /// Superseded; not answered.
    RemoveContainer {
        id: String,
    },
    /// The `postStart` hook.
    RunHook {
        container: String,
        id: String,
        check: Check,
    },
    /// Ask again and again, each outcome is an [`Input::Probed`], until [`Action::StopProbe`].
    StartProbe {
        container: String,
        id: String,
        probe: ProbeKind,
        check: Check,
        timing: ProbeTiming,
    },
    StopProbe {
        container: String,
        id: String,
        probe: ProbeKind,
    },
    /// Write the pod's status.
    Tell {
        status: Value,
        fact: &'static str,
        why: String,
        cause: Option<Revision>,
    },
    /// Record an `Event` about the pod; not answered.
    Record {
        severity: Severity,
        reason: &'static str,
        message: String,
        container: Option<String>,
    },
    /// Remove containers, sandboxes, volumes, logs.
    Remove,
    /// Delete the pod from the API, with its last status.
    FinishDeletion {
        status: Value,
        why: String,
    },
}

/// What the pod's `/etc/hosts` is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostsFile {
    /// Ours, with the pod's addresses put in by `crate::plan::hosts_file`.
    Managed,
    /// The node's, with these lines added.
    Node { extra: String },
}

/// When to probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeTiming {
    pub initial_delay_secs: u64,
    pub period_secs: u64,
    pub timeout_secs: u64,
}

/// An `Event`'s type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Normal,
    Warning,
}

/// What follows from a pod's state at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    pub actions: Vec<Action>,
    /// Nothing will happen by itself before this; then step again.
    pub look_again: Option<Timestamp>,
}

impl Step {
    pub(super) fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    pub(super) fn look_at(&mut self, at: Timestamp) {
        self.look_again = Some(self.look_again.map_or(at, |known| known.min(at)));
    }

    pub(super) fn record(
        &mut self,
        severity: Severity,
        reason: &'static str,
        message: String,
        container: &str,
    ) {
        let container = (!container.is_empty()).then(|| container.to_owned());
        self.act(Action::Record { severity, reason, message, container });
    }
}
