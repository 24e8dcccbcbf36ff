//! What the runtime told, put where it belongs. Nothing is decided here.

use jiff::Timestamp;

use super::container::Tallies;
use super::keep::RETRY_SECS;
use super::{
    Exit, Image, ImageFailure, PodMachine, Rubbish, Running, Sandbox, SandboxFacts, Stage, State, after,
};

impl PodMachine {
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
        let image = self.pod.container(name).map(|spec| spec.image.clone()).unwrap_or_default();
        match reason.as_str() {
            "ErrImagePull" => {
                self.warn("Failed", format!("Failed to pull image {image:?}: {message}"), name);
                self.warn("Failed", format!("Error: {reason}"), name);
                self.note("BackOff", format!("Back-off pulling image {image:?}"), name);
                self.warn("Failed", "Error: ImagePullBackOff".to_owned(), name);
            }
            _ => self.warn(image_failure(&reason), message.clone(), name),
        }
        if let Some(container) = self.containers.get_mut(name) {
            container.image = Image::Failed(ImageFailure { reason, message, at: now });
            if container.image_backoff.delay_secs() == 0 {
                container.image_backoff.retried(now);
            }
        }
    }

    pub(super) fn started(&mut self, name: &str, id: String, image_id: String, at: Timestamp) {
        let pod = self.pod.clone();
        let Some(spec) = pod.container(name) else { return };
        self.note("Created", "Container created".to_owned(), name);
        self.note("Started", "Container started".to_owned(), name);
        let Some(container) = self.containers.get_mut(name) else { return };
        let in_hook = spec.lifecycle.post_start.is_some();
        container.image_id = image_id;
        container.image_named.clone_from(&spec.image);
        container.start_backoff.reset();
        container.crash_told = None;
        container.tallies = Tallies::default();
        container.probing.clear();
        container.again = false;
        container.state = State::Running(Running {
            id,
            started_at: at,
            in_hook,
            stop_after: None,
            doomed: None,
            size: container.starting_size.clone(),
            resizing: None,
            resize_after: None,
        });
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
}

/// The Event's reason for an image that can't be had, by the reason that the container waits for (upstream:
/// `pkg/kubelet/events`).
fn image_failure(reason: &str) -> &'static str {
    match reason {
        "ErrImageNeverPull" => "ErrImageNeverPull",
        "ImageInspectError" | "InvalidImageName" => "InspectFailed",
        _ => "Failed",
    }
}
