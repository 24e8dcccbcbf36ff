//! One container of a pod, over all its instances.
//!
//! ```text
//!            ┌──────────── back-off over ────────────┐
//!            ▼                                       │
//!  Idle ─► (image) ─► Starting ─► Running ─► Stopping ─► Exited
//!    ▲                   │           └──── by itself ────▲
//!    └── failed, later ──┘
//! ```

use jiff::Timestamp;

use crate::view::{Container as Spec, Probe, Resources, RestartPolicy};

use super::backoff::Backoff;
use super::io::{Exit, ProbeKind};

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Container {
    pub(super) state: State,
    pub(super) image: Image,
    pub(super) image_id: String,
    /// The image as the pod named it when this instance was started.
    pub(super) image_named: String,
    /// How the last instance ended, and the one before it.
    pub(super) previous: Option<Exit>,
    pub(super) before: Option<Exit>,
    /// The resources that the instance is started with.
    pub(super) starting_size: Resources,
    /// Ended for the sake of its next instance, however it ends.
    pub(super) again: bool,
    /// Instances before the present one.
    pub(super) restarts: u32,
    pub(super) crash_backoff: Backoff,
    /// What the back-off was told as; stays until the next instance runs.
    pub(super) crash_told: Option<String>,
    pub(super) image_backoff: Backoff,
    pub(super) start_backoff: Backoff,
    pub(super) tallies: Tallies,
    /// The shell was asked to run the `postStart` hook of this instance.
    pub(super) hook_asked: bool,
    /// Probes the shell was asked to run, for this instance.
    pub(super) probing: Vec<ProbeKind>,
}

/// What there is of a container now.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum State {
    /// No instance; the next one has not been asked for.
    #[default]
    Idle,
    /// Starting didn't work; `retry_at` none: when something changes.
    Failed {
        reason: String,
        message: String,
        retry_at: Option<Timestamp>,
    },
    Starting,
    Running(Running),
    Stopping {
        running: Running,
        grace_secs: u64,
    },
    /// See `previous`.
    Exited,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Running {
    pub(super) id: String,
    pub(super) started_at: Timestamp,
    /// The `postStart` hook is at work: the container isn't started yet.
    pub(super) in_hook: bool,
    /// Stopping failed; not before this moment again.
    pub(super) stop_after: Option<Timestamp>,
    /// Not for the pod's sake: a probe or a hook failed, or the container was changed.
    pub(super) doomed: Option<u64>,
    /// The resources that it has.
    pub(super) size: Resources,
    /// Those that it is being given.
    pub(super) resizing: Option<Resources>,
    /// That failed; not before this moment again.
    pub(super) resize_after: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Image {
    #[default]
    Unknown,
    /// Asked for, perhaps again after a failure that is still told.
    Asked(Option<ImageFailure>),
    Ready(String),
    Failed(ImageFailure),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct ImageFailure {
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) at: Timestamp,
}

/// How a container answered its probes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tallies {
    pub(super) startup: Tally,
    pub(super) readiness: Tally,
    pub(super) liveness: Tally,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    successes: u32,
    failures: u32,
    pub(super) passed: bool,
}

/// What an answer changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Undecided,
    Passed,
    Failed,
}

impl Tally {
    pub(super) fn count(&mut self, ok: bool, probe: &Probe) -> Verdict {
        if ok {
            (self.successes, self.failures) = (self.successes.saturating_add(1), 0);
        } else {
            (self.successes, self.failures) = (0, self.failures.saturating_add(1));
        }
        if ok && self.successes >= probe.success_threshold.max(1) {
            self.passed = true;
            return Verdict::Passed;
        }
        if !ok && self.failures >= probe.failure_threshold.max(1) {
            self.passed = false;
            return Verdict::Failed;
        }
        Verdict::Undecided
    }
}

impl Container {
    pub(super) fn running(&self) -> Option<&Running> {
        match &self.state {
            State::Running(running) | State::Stopping { running, .. } => Some(running),
            _ => None,
        }
    }

    pub(super) fn running_mut(&mut self) -> Option<&mut Running> {
        match &mut self.state {
            State::Running(running) | State::Stopping { running, .. } => Some(running),
            _ => None,
        }
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.running().map(|running| running.id.as_str())
    }

    /// A restart counts from the moment the new instance runs.
    pub(super) fn restarts_shown(&self) -> u32 {
        let is_coming = self.previous.is_some() && self.running().is_none() && self.state != State::Exited;
        self.restarts.saturating_sub(u32::from(is_coming))
    }

    /// An instance exists or may come to exist without being asked for again.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.state, State::Starting | State::Running(_) | State::Stopping { .. })
    }

    pub(super) fn tally(&mut self, probe: ProbeKind) -> &mut Tally {
        match probe {
            ProbeKind::Startup => &mut self.tallies.startup,
            ProbeKind::Readiness => &mut self.tallies.readiness,
            ProbeKind::Liveness => &mut self.tallies.liveness,
        }
    }

    /// `status.started`: runs, its hook is done, its startup probe has passed.
    pub(super) fn is_started(&self, spec: &Spec) -> bool {
        let runs = self.running().is_some_and(|running| !running.in_hook);
        runs && (spec.startup_probe.is_none() || self.tallies.startup.passed)
    }

    /// `status.ready`: started and answers.
    pub(super) fn is_ready(&self, spec: &Spec) -> bool {
        let answers = spec.readiness_probe.is_none() || self.tallies.readiness.passed;
        self.is_started(spec) && answers
    }

    /// The probes that should run now.
    pub(super) fn probes(&self, spec: &Spec) -> Vec<ProbeKind> {
        let State::Running(running) = &self.state else { return Vec::new() };
        if running.in_hook || running.doomed.is_some() {
            return Vec::new();
        }
        if spec.startup_probe.is_some() && !self.tallies.startup.passed {
            return vec![ProbeKind::Startup];
        }
        let mut probes = Vec::new();
        probes.extend(spec.readiness_probe.as_ref().map(|_| ProbeKind::Readiness));
        probes.extend(spec.liveness_probe.as_ref().map(|_| ProbeKind::Liveness));
        probes
    }

    pub(super) fn exited(&mut self, exit: Exit) {
        self.before = self.previous.take();
        self.previous = Some(exit);
        self.state = State::Exited;
        self.image = Image::Unknown;
        self.hook_asked = false;
        self.tallies = Tallies::default();
        self.probing.clear();
    }

    /// Ended well, once.
    pub(super) fn has_succeeded(&self) -> bool {
        self.state == State::Exited && self.previous.as_ref().is_some_and(|exit| exit.code == 0)
    }

    /// After its last exit: is another instance wanted?
    pub(super) fn restarts_after_exit(&self, spec: &Spec, policy: RestartPolicy) -> bool {
        let Some(exit) = &self.previous else { return true };
        if self.again {
            return true;
        }
        match spec.restart_policy.unwrap_or(policy) {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => exit.code != 0,
            RestartPolicy::Never => false,
        }
    }
}

pub(super) fn probe_spec(spec: &Spec, kind: ProbeKind) -> Option<&Probe> {
    match kind {
        ProbeKind::Startup => spec.startup_probe.as_ref(),
        ProbeKind::Readiness => spec.readiness_probe.as_ref(),
        ProbeKind::Liveness => spec.liveness_probe.as_ref(),
    }
}
