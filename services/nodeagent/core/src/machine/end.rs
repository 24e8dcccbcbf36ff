//! How a pod ends: containers first (sidecars last), then the sandbox, then everything it left, then its name.

use jiff::Timestamp;

use crate::view::Container as Spec;

use super::check::check;
use super::tell::REFUSED_RETRY_SECS;
use super::{
    Action, Cause, Cx, Ending, PodMachine, Sandbox, Severity, Stage, State, Step, ToldOutcome, after,
};

/// A container that couldn't be stopped, or a pod that couldn't be removed, is tried again so soon.
const RETRY_SECS: i64 = 1;

impl PodMachine {
    /// The pod shall end. The first cause counts, except that the API's word stands above ours; grace only shrinks.
    pub(super) fn end(&mut self, cause: Cause, grace_secs: u64) {
        if self.stage == Stage::Up {
            self.stage = Stage::StoppingContainers;
        }
        let ending = self.ending.get_or_insert(Ending { cause: cause.clone(), grace_secs });
        ending.grace_secs = ending.grace_secs.min(grace_secs);
        if matches!(cause, Cause::Vanished) || (cause == Cause::Deleted && ending.cause != Cause::Vanished) {
            ending.cause = cause;
        }
    }

    pub(super) fn notice_the_end(&mut self, now: Timestamp, step: &mut Step) {
        if self.pod.is_terminating() {
            let meta = &self.pod.metadata;
            let grace_secs = meta.deletion_grace_period_seconds.unwrap_or_else(|| self.pod.spec.grace_secs());
            self.end(Cause::Deleted, grace_secs);
        }
        if self.stage != Stage::Up {
            return;
        }
        let Some(deadline_secs) = self.pod.spec.active_deadline_seconds else { return };
        let until = after(self.start_time, i64::try_from(deadline_secs).unwrap_or(i64::MAX));
        if until > now {
            return step.look_at(until);
        }
        let message = "Pod was active on the node longer than the specified deadline".to_owned();
        step.record(Severity::Normal, "DeadlineExceeded", message.clone(), "");
        self.end(Cause::Failed { reason: "DeadlineExceeded", message }, self.pod.spec.grace_secs());
    }

    pub(super) fn wind_down(&mut self, cx: Cx<'_>, now: Timestamp, step: &mut Step) {
        if self.stage == Stage::StoppingContainers {
            self.stop_containers(cx, now, step);
        }
        if self.stage == Stage::StoppingSandbox {
            self.stop_sandbox(step);
        }
        if self.stage == Stage::Ended && self.is_leaving() {
            self.stage = Stage::Removing;
            step.act(Action::Remove);
        }
        if self.stage == Stage::Deleting {
            self.finish(cx, now, step);
        }
    }

    /// Nothing of it may stay here.
    fn is_leaving(&self) -> bool {
        self.ending.as_ref().is_some_and(|ending| matches!(ending.cause, Cause::Deleted | Cause::Vanished))
    }

    fn stop_containers(&mut self, cx: Cx<'_>, now: Timestamp, step: &mut Step) {
        let grace_secs = self.ending.as_ref().map_or(0, |ending| ending.grace_secs);
        let pod = self.pod.clone();
        let (sidecars, others): (Vec<&Spec>, Vec<&Spec>) =
            pod.containers().partition(|spec| spec.is_sidecar());
        if self.stop_all(cx, &others, grace_secs, now, step) {
            return;
        }
        for sidecar in sidecars.into_iter().rev() {
            if self.stop_all(cx, &[sidecar], grace_secs, now, step) {
                return;
            }
        }
        self.stage = Stage::StoppingSandbox;
    }

    /// Whether some of them are still there.
    fn stop_all(
        &mut self,
        cx: Cx<'_>,
        specs: &[&Spec],
        grace_secs: u64,
        now: Timestamp,
        step: &mut Step,
    ) -> bool {
        for spec in specs {
            self.stop_container(cx, spec, grace_secs, now, step);
        }
        specs
            .iter()
            .any(|spec| self.containers.get(&spec.name).is_some_and(|container| container.is_active()))
    }

    pub(super) fn stop_container(
        &mut self,
        cx: Cx<'_>,
        spec: &Spec,
        grace_secs: u64,
        now: Timestamp,
        step: &mut Step,
    ) {
        let address = self.ips(cx.node).first().copied();
        let Some(container) = self.containers.get_mut(&spec.name) else { return };
        let (running, is_first) = match &container.state {
            State::Running(running) => (running.clone(), true),
            State::Stopping { running, grace_secs: asked } if *asked > grace_secs => (running.clone(), false),
            _ => return,
        };
        if let Some(at) = running.stop_after.filter(|at| *at > now) {
            return step.look_at(at);
        }
        if is_first && running.doomed.is_none() {
            step.record(Severity::Normal, "Killing", format!("Stopping container {}", spec.name), &spec.name);
        }
        let pre_stop = spec.lifecycle.pre_stop.as_ref().filter(|_| is_first && grace_secs > 0);
        step.act(Action::StopContainer {
            container: spec.name.clone(),
            id: running.id.clone(),
            grace_secs,
            pre_stop: pre_stop.map(|handler| check(handler, spec, address)),
        });
        container.state = State::Stopping { running, grace_secs };
    }

    pub(super) fn stop_failed(&mut self, name: &str, id: &str, message: &str, now: Timestamp) {
        let Some(container) = self.current(name, id) else { return };
        if let State::Stopping { running, .. } = &container.state {
            let mut running = running.clone();
            running.stop_after = Some(after(now, RETRY_SECS));
            container.state = State::Running(running);
        }
        self.warn("FailedKillPod", format!("failed to stop container {name}: {message}"), name);
    }

    fn stop_sandbox(&mut self, step: &mut Step) {
        match &self.sandbox {
            Sandbox::Creating => {}
            Sandbox::Ready(facts) => {
                let id = facts.id.clone();
                step.act(Action::StopSandbox { id: id.clone() });
                self.sandbox = Sandbox::Stopping { id, asked: true };
            }
            Sandbox::Stopping { id, asked: false } => {
                let id = id.clone();
                step.act(Action::StopSandbox { id: id.clone() });
                self.sandbox = Sandbox::Stopping { id, asked: true };
            }
            Sandbox::Stopping { .. } => {}
            Sandbox::None | Sandbox::Stopped { .. } | Sandbox::Failed { .. } => self.stage = Stage::Ended,
        }
    }

    pub(super) fn remove_failed(&mut self, message: String) {
        self.warn("FailedKillPod", message, "");
        self.stage = Stage::Ended;
    }

    fn finish(&mut self, cx: Cx<'_>, now: Timestamp, step: &mut Step) {
        if self.ending.as_ref().is_some_and(|ending| ending.cause == Cause::Vanished) {
            self.stage = Stage::Gone;
            return;
        }
        if self.telling.under_way.is_some() {
            return;
        }
        if let Some(at) = self.telling.not_before.filter(|at| *at > now) {
            return step.look_at(at);
        }
        let status = self.status(cx, now);
        self.telling.under_way = Some(status.clone());
        step.act(Action::FinishDeletion { status, why: "its containers have ended".to_owned() });
    }

    pub(super) fn deleted(&mut self, outcome: ToldOutcome, now: Timestamp) {
        self.telling.under_way = None;
        match outcome {
            ToldOutcome::Done => self.stage = Stage::Gone,
            ToldOutcome::Refused => self.telling.not_before = Some(after(now, REFUSED_RETRY_SECS)),
            ToldOutcome::Later => self.telling.not_before = Some(after(now, RETRY_SECS)),
        }
    }
}
