//! Keeping a pod up: volumes, sandbox, init containers in their order, then the others, and again what ended.

use jiff::Timestamp;

use crate::plan;
use crate::view::{Container as Spec, RestartPolicy};
use crate::volumes;

use super::backoff::go_duration;
use super::check::check;
use super::{Action, Cause, Cx, HostsFile, Image, PodMachine, Rubbish, Sandbox, Severity, State, Step};

/// kubelet's own retries of a mount and a sandbox come about this fast.
pub(super) const RETRY_SECS: i64 = 2;

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
        self.keep_size(cx, now, step);
        self.stop_the_doomed(cx, now, step);
        let ephemeral: Vec<String> =
            self.pod.spec.ephemeral_containers.iter().map(|spec| spec.name.clone()).collect();
        for name in wanted.containers.iter().chain(&ephemeral) {
            self.keep_container(cx, name, now, step);
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
            Ok(mut plan) => {
                let target = self.containers.get(&spec.target_container_name);
                plan.sees_processes_of = target.and_then(|target| target.id()).map(str::to_owned);
                let sandbox = Box::new(plan::sandbox(&self.pod, cx.node, attempt));
                step.act(Action::StartContainer { sandbox_id, sandbox, plan: Box::new(plan) });
                if let Some(container) = self.containers.get_mut(&spec.name) {
                    container.starting_size = spec.resources.clone();
                }
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
