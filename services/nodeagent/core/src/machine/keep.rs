//! Keeping a pod up: volumes, sandbox, init containers in their order, then the others, and again what ended.

use jiff::Timestamp;

use crate::plan;
use crate::view::{Container as Spec, RestartPolicy};
use crate::volumes;

use super::backoff::go_duration;
use super::check::check;
use super::{
    Action, Cause, Cx, Exit, HostsFile, Image, PodMachine, Rubbish, Running, Sandbox, SandboxFacts, Severity,
    Stage, State, Step, after,
};

/// kubelet's own retries of a mount and a sandbox come about this fast.
const RETRY_SECS: i64 = 2;

impl PodMachine {
    pub(super) fn keep_up(&mut self, cx: Cx<'_>, now: Timestamp, step: &mut Step) {
        let wanted = self.wanted();
        if wanted.is_done {
            self.end(Cause::Completed, self.pod.spec.grace_secs());
            return;
        }
        self.keep_volumes(cx, now, step);
        self.keep_sandbox(cx, now, step);
        self.run_hooks(cx, step);
        self.stop_the_doomed(cx, now, step);
        for name in wanted.containers {
            self.keep_container(cx, &name, now, step);
        }
    }

    pub(super) fn restart_policy(&self) -> RestartPolicy {
        self.pod.spec.restart_policy
    }

    /// Which containers should have an instance now.
    fn wanted(&mut self) -> Wanted {
        let pod = self.pod.clone();
        let mut containers = Vec::new();
        for spec in &pod.spec.init_containers {
            let container = self.containers.entry(spec.name.clone()).or_default();
            if spec.is_sidecar() {
                containers.push(spec.name.clone());
                if container.is_started(spec) || self.initialised {
                    continue;
                }
                return Wanted { containers, is_done: false };
            }
            if self.initialised || container.has_succeeded() {
                continue;
            }
            let is_done = container.state == State::Exited
                && !container.restarts_after_exit(spec, pod.spec.restart_policy);
            containers.push(spec.name.clone());
            return Wanted { containers, is_done };
        }
        self.initialised = true;
        let mains = || pod.spec.containers.iter();
        let is_done = mains().all(|spec| {
            self.containers.get(&spec.name).is_some_and(|container| {
                container.state == State::Exited
                    && !container.restarts_after_exit(spec, pod.spec.restart_policy)
            })
        });
        containers.extend(mains().map(|spec| spec.name.clone()));
        Wanted { containers, is_done }
    }

    fn keep_volumes(&mut self, cx: Cx<'_>, now: Timestamp, step: &mut Step) {
        if let Some(at) = self.volumes.retry_at.filter(|at| *at > now) {
            return step.look_at(at);
        }
        if self.volumes.preparing.is_some() {
            return;
        }
        let wanted = match volumes::volumes(self.downward(cx), cx.objects) {
            Ok(wanted) => wanted,
            Err(message) => return self.complain("FailedMount", message, "", step),
        };
        if self.volumes.ready.as_ref() == Some(&wanted) {
            return;
        }
        let fs_group = self.pod.spec.security_context.fs_group;
        step.act(Action::PrepareVolumes { volumes: wanted.clone(), fs_group });
        self.volumes.preparing = Some(wanted);
    }

    fn keep_sandbox(&mut self, cx: Cx<'_>, now: Timestamp, step: &mut Step) {
        match &self.sandbox {
            Sandbox::Failed { retry_at } if *retry_at > now => return step.look_at(*retry_at),
            Sandbox::Stopping { id, asked: false } => {
                let id = id.clone();
                step.act(Action::StopSandbox { id: id.clone() });
                self.sandbox = Sandbox::Stopping { id, asked: true };
                return;
            }
            Sandbox::Stopped { id } => self.rubbish.push(Rubbish::Sandbox(id.clone())),
            Sandbox::None | Sandbox::Failed { .. } => {}
            Sandbox::Creating | Sandbox::Ready(_) | Sandbox::Stopping { .. } => return,
        }
        let hosts = if self.pod.spec.host_network {
            HostsFile::Node { extra: plan::alias_lines(&self.pod) }
        } else {
            HostsFile::Managed
        };
        let plan = plan::sandbox(&self.pod, cx.node, self.sandbox_attempt);
        step.act(Action::CreateSandbox { plan, hosts });
        self.sandbox = Sandbox::Creating;
    }

    fn stop_the_doomed(&mut self, cx: Cx<'_>, now: Timestamp, step: &mut Step) {
        let pod = self.pod.clone();
        for spec in pod.containers() {
            let Some(container) = self.containers.get_mut(&spec.name) else { continue };
            let State::Running(running) = &mut container.state else { continue };
            if running.doomed.is_none() && container.image_named != spec.image {
                let message = format!("Container {} definition changed, will be restarted", spec.name);
                step.record(Severity::Normal, "Killing", message, &spec.name);
                running.doomed = Some(pod.spec.grace_secs());
            }
            if let Some(grace_secs) = running.doomed {
                self.stop_container(cx, spec, grace_secs, now, step);
            }
        }
    }

    fn keep_container(&mut self, cx: Cx<'_>, name: &str, now: Timestamp, step: &mut Step) {
        let pod = self.pod.clone();
        let Some(spec) = pod.container(name) else { return };
        let policy = self.restart_policy();
        let display = pod.display();
        let Some(container) = self.containers.get_mut(name) else { return };
        match &container.state {
            State::Starting | State::Running(_) | State::Stopping { .. } => return,
            State::Failed { retry_at: Some(at), .. } if *at > now => return step.look_at(*at),
            State::Idle | State::Failed { .. } => {}
            State::Exited => {
                if !container.restarts_after_exit(spec, policy) {
                    return;
                }
                let failed = container.previous.as_ref().map_or(now, |exit| exit.finished_at);
                let until = container.crash_backoff.until(failed);
                if until > now {
                    step.look_at(until);
                    let delay = go_duration(container.crash_backoff.delay_secs());
                    let told = format!("back-off {delay} restarting failed container={name} pod={display}");
                    if container.crash_told.as_ref() != Some(&told) {
                        let message = format!("Back-off restarting failed container {name} in pod {display}");
                        step.record(Severity::Warning, "BackOff", message, name);
                    }
                    container.crash_told = Some(told);
                    return;
                }
                container.crash_backoff.retried(failed);
                container.restarts += 1;
                container.state = State::Idle;
                let older = container.before.as_ref().map(|exit| Rubbish::Container(exit.id.clone()));
                self.rubbish.extend(older);
            }
        }
        self.start(cx, spec, now, step);
    }

    /// Image, then sandbox and volumes, then the container.
    fn start(&mut self, cx: Cx<'_>, spec: &Spec, now: Timestamp, step: &mut Step) {
        let Some(container) = self.containers.get_mut(&spec.name) else { return };
        match &container.image {
            Image::Failed(failure) => {
                let until = container.image_backoff.until(failure.at);
                if until > now {
                    return step.look_at(until);
                }
                let failure = failure.clone();
                container.image_backoff.retried(failure.at);
                return Self::ask_for_image(container, spec, Some(failure), step);
            }
            Image::Unknown => return Self::ask_for_image(container, spec, None, step),
            Image::Asked(_) => return,
            Image::Ready(_) => {}
        }
        self.start_with_image(cx, spec, step);
    }

    fn ask_for_image(
        container: &mut super::Container,
        spec: &Spec,
        before: Option<super::ImageFailure>,
        step: &mut Step,
    ) {
        container.image = Image::Asked(before);
        step.act(Action::EnsureImage {
            container: spec.name.clone(),
            image: spec.image.clone(),
            policy: spec.pull_policy(),
        });
    }

    fn start_with_image(&mut self, cx: Cx<'_>, spec: &Spec, step: &mut Step) {
        let Sandbox::Ready(sandbox) = &self.sandbox else { return };
        if self.volumes.ready.is_none() {
            return;
        }
        let Some(container) = self.containers.get(&spec.name) else { return };
        let Image::Ready(image_ref) = &container.image else { return };
        let planned = plan::container(self.downward(cx), spec, cx.objects, container.restarts, image_ref);
        let (sandbox_id, attempt) = (sandbox.id.clone(), sandbox.attempt);
        match planned {
            Ok(plan) => {
                let sandbox = Box::new(plan::sandbox(&self.pod, cx.node, attempt));
                step.act(Action::StartContainer { sandbox_id, sandbox, plan: Box::new(plan) });
                self.set_state(&spec.name, State::Starting);
            }
            Err(message) => {
                self.complain("Failed", format!("Error: {message}"), &spec.name, step);
                let reason = "CreateContainerConfigError".to_owned();
                self.set_state(&spec.name, State::Failed { reason, message, retry_at: None });
            }
        }
    }

    fn set_state(&mut self, name: &str, state: State) {
        if let Some(container) = self.containers.get_mut(name) {
            container.state = state;
        }
    }

    /// Records a warning, once per wording.
    pub(super) fn complain(
        &mut self,
        reason: &'static str,
        message: String,
        container: &str,
        step: &mut Step,
    ) {
        if self.complained == message {
            return;
        }
        self.complained.clone_from(&message);
        step.record(Severity::Warning, reason, message, container);
    }

    pub(super) fn volumes_ready(&mut self) {
        self.volumes.ready = self.volumes.preparing.take();
        self.volumes.retry_at = None;
    }

    pub(super) fn volumes_failed(&mut self, message: String, now: Timestamp) {
        self.volumes.preparing = None;
        self.volumes.retry_at = Some(after(now, RETRY_SECS));
        self.warn("FailedMount", message, "");
    }

    pub(super) fn sandbox_ready(&mut self, facts: SandboxFacts) {
        match self.stage {
            Stage::Up | Stage::StoppingContainers | Stage::StoppingSandbox => {
                self.pod_ips.clone_from(&facts.ips);
                self.sandbox = Sandbox::Ready(facts);
            }
            _ => self.rubbish.push(Rubbish::Sandbox(facts.id)),
        }
    }

    pub(super) fn sandbox_failed(&mut self, message: String, now: Timestamp) {
        self.warn("FailedCreatePodSandBox", format!("Failed to create pod sandbox: {message}"), "");
        self.sandbox = Sandbox::Failed { retry_at: after(now, RETRY_SECS) };
        self.sandbox_attempt += 1;
    }

    /// Its network is gone with it: containers must not live on, and the pod begins anew in another sandbox.
    pub(super) fn sandbox_gone(&mut self, id: &str) {
        match &self.sandbox {
            Sandbox::Ready(facts) if facts.id == id && self.stage == Stage::Up => {
                self.sandbox = Sandbox::Stopping { id: id.to_owned(), asked: false };
            }
            Sandbox::Ready(facts) if facts.id == id => self.sandbox = Sandbox::Stopped { id: id.to_owned() },
            Sandbox::Stopping { id: known, .. } if known == id => {
                self.sandbox = Sandbox::Stopped { id: id.to_owned() };
                if self.stage == Stage::Up {
                    self.sandbox_attempt += 1;
                    self.initialised = false;
                    self.forget_init_containers();
                }
            }
            _ => {}
        }
    }

    fn forget_init_containers(&mut self) {
        let pod = self.pod.clone();
        for spec in &pod.spec.init_containers {
            let Some(container) = self.containers.get_mut(&spec.name) else { continue };
            if container.state == State::Exited {
                container.state = State::Idle;
                container.restarts += 1;
            }
        }
    }

    pub(super) fn image_ready(&mut self, name: &str, image_ref: String) {
        if let Some(container) = self.containers.get_mut(name) {
            container.image = Image::Ready(image_ref);
            container.image_backoff.reset();
        }
    }

    pub(super) fn image_failed(&mut self, name: &str, reason: String, message: String, now: Timestamp) {
        self.warn("Failed", format!("Failed to pull image: {message}"), name);
        if let Some(container) = self.containers.get_mut(name) {
            container.image = Image::Failed(super::ImageFailure { reason, message, at: now });
            if container.image_backoff.delay_secs() == 0 {
                container.image_backoff.retried(now);
            }
        }
    }

    pub(super) fn started(&mut self, name: &str, id: String, image_id: String, at: Timestamp) {
        let pod = self.pod.clone();
        let Some(spec) = pod.container(name) else { return };
        self.note("Started", format!("Started container {name}"), name);
        let Some(container) = self.containers.get_mut(name) else { return };
        let in_hook = spec.lifecycle.post_start.is_some();
        container.image_id = image_id;
        container.image_named.clone_from(&spec.image);
        container.start_backoff.reset();
        container.crash_told = None;
        container.tallies = super::container::Tallies::default();
        container.probing.clear();
        container.state =
            State::Running(Running { id, started_at: at, in_hook, stop_after: None, doomed: None });
    }

    pub(super) fn start_failed(&mut self, name: &str, reason: String, message: String, now: Timestamp) {
        self.warn("Failed", format!("Error: {message}"), name);
        let Some(container) = self.containers.get_mut(name) else { return };
        if container.start_backoff.delay_secs() == 0 {
            container.start_backoff.retried(now);
        }
        let retry_at = container.start_backoff.until(now);
        container.start_backoff.retried(now);
        container.image = Image::Unknown;
        container.state = State::Failed { reason, message, retry_at: Some(retry_at) };
    }

    pub(super) fn exited(&mut self, name: &str, exit: Exit) {
        if let Some(container) = self.current(name, &exit.id) {
            container.exited(exit);
        }
    }

    pub(super) fn hook_ended(&mut self, name: &str, id: &str, error: Option<String>) {
        let grace_secs = self.pod.spec.grace_secs();
        let Some(container) = self.current(name, id) else { return };
        let State::Running(running) = &mut container.state else { return };
        running.in_hook = false;
        let Some(why) = error else { return };
        running.doomed = Some(grace_secs);
        self.warn("FailedPostStartHook", format!("PostStartHook failed: {why}"), name);
    }

    /// Asks for the `postStart` hook of each container that has just started.
    pub(super) fn run_hooks(&mut self, cx: Cx<'_>, step: &mut Step) {
        let address = self.ips(cx.node).first().copied();
        let pod = self.pod.clone();
        for spec in pod.containers() {
            let Some(handler) = &spec.lifecycle.post_start else { continue };
            let Some(container) = self.containers.get_mut(&spec.name) else { continue };
            let State::Running(running) = &container.state else { continue };
            if running.in_hook && !container.hook_asked {
                container.hook_asked = true;
                step.act(Action::RunHook {
                    container: spec.name.clone(),
                    id: running.id.clone(),
                    check: check(handler, spec, address),
                });
            }
        }
    }
}

struct Wanted {
    containers: Vec<String>,
    /// None of them will ever run again.
    is_done: bool,
}
