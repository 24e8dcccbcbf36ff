//! Taking over what a runtime already has of a pod: after the agent's restart, or when events were missed.

use jiff::Timestamp;

use super::io::{Exit, Found, FoundContainer, FoundState};
use super::status::container_id;
use super::{Cause, Container, Image, PodMachine, Rubbish, Running, Sandbox, Stage, State, resize};

impl PodMachine {
    /// What the API says the pod had, for what the runtime has lost.
    pub(super) fn recall(&mut self) {
        let pod = self.pod.clone();
        for spec in pod.containers() {
            let Some(recorded) = pod.status.container(&spec.name) else { continue };
            let Some(container) = self.containers.get_mut(&spec.name) else { continue };
            let count = recorded["restartCount"].as_u64().and_then(|count| u32::try_from(count).ok());
            let had_instance = recorded["containerID"].as_str().is_some_and(|id| !id.is_empty());
            container.restarts = count.unwrap_or(0) + u32::from(had_instance);
        }
        if pod.status.is_terminal() {
            self.end(Cause::Completed, pod.spec.grace_secs());
        }
    }

    /// Takes over what was found at the agent's start.
    pub fn adopt(&mut self, found: Found) {
        self.adopt_sandbox(&found);
        let mut containers = found.containers;
        containers.sort_by_key(|container| container.attempt);
        for one in containers {
            self.adopt_container(one);
        }
        let pod = self.pod.clone();
        self.initialised = pod.spec.containers.iter().any(|spec| {
            self.containers
                .get(&spec.name)
                .is_some_and(|container| container.is_active() || container.previous.is_some())
        });
    }

    fn adopt_sandbox(&mut self, found: &Found) {
        let Some(sandbox) = &found.sandbox else { return };
        let facts = sandbox.facts.clone();
        self.sandbox_attempt = facts.attempt;
        self.pod_ips.clone_from(&facts.ips);
        self.sandbox = match sandbox.ready {
            true => Sandbox::Ready(facts),
            false => Sandbox::Stopping { id: facts.id, asked: false },
        };
    }

    fn adopt_container(&mut self, found: FoundContainer) {
        let pod = self.pod.clone();
        let recorded = pod.status.container(&found.name);
        let Some(container) = self.containers.get_mut(&found.name) else {
            self.rubbish.push(Rubbish::Container(found.id));
            return;
        };
        container.restarts = found.attempt;
        container.image_id = found.image_id;
        container.image_named = found.image;
        match found.state {
            FoundState::Created => {
                container.restarts += 1;
                self.rubbish.push(Rubbish::Container(found.id));
            }
            FoundState::Exited(exit) => {
                let older = container.before.take().map(|exit| Rubbish::Container(exit.id));
                self.rubbish.extend(older);
                container.exited(exit);
            }
            FoundState::Running { started_at } => {
                restore_tallies(container, recorded, &found.id);
                let recorded = recorded.filter(|status| is_about(status, &found.id));
                let told = recorded.and_then(started_at_of);
                let granted =
                    pod.container(&found.name).map(|spec| spec.resources.clone()).unwrap_or_default();
                container.state = State::Running(Running {
                    id: found.id,
                    // What was told stays told: the runtime's clock read may differ by a second.
                    started_at: told.unwrap_or(started_at),
                    in_hook: false,
                    stop_after: None,
                    doomed: None,
                    size: recorded.and_then(resize::recorded_size).unwrap_or(granted),
                    resizing: None,
                    resize_after: None,
                });
            }
        }
    }

    /// What the runtime has now, when events may have been missed: instances we think run and which it doesn't have,
    /// or which it says have ended, have ended.
    pub fn observe(&mut self, found: &Found, now: Timestamp) {
        let names: Vec<String> = self.containers.keys().cloned().collect();
        for name in names {
            let Some((id, started_at)) =
                self.containers[&name].running().map(|r| (r.id.clone(), r.started_at))
            else {
                continue;
            };
            let seen = found.containers.iter().find(|container| container.id == id);
            match seen.map(|container| &container.state) {
                Some(FoundState::Running { .. } | FoundState::Created) => {}
                Some(FoundState::Exited(exit)) => self.exited(&name, exit.clone()),
                None => self.exited(&name, lost(id, started_at, now)),
            }
        }
        let Some(known) = self.sandbox().map(|facts| facts.id.clone()) else { return };
        let lives = found.sandbox.as_ref().is_some_and(|sandbox| sandbox.ready && sandbox.facts.id == known);
        if !lives {
            self.sandbox_gone(&known);
        }
    }

    /// Whether an agent that starts anew may still have to look for this pod's remains.
    pub fn is_settled(&self) -> bool {
        self.stage == Stage::Gone
    }
}

/// A container keeps its word over the agent's restart until a probe says otherwise.
fn restore_tallies(container: &mut Container, recorded: Option<&serde_json::Value>, id: &str) {
    container.image = Image::Unknown;
    let Some(recorded) = recorded.filter(|status| is_about(status, id)) else { return };
    container.tallies.startup.passed = recorded["started"] == true;
    container.tallies.readiness.passed = recorded["ready"] == true;
}

fn is_about(status: &serde_json::Value, id: &str) -> bool {
    status["containerID"] == container_id(id).as_str()
}

fn started_at_of(status: &serde_json::Value) -> Option<Timestamp> {
    status["state"]["running"]["startedAt"].as_str()?.parse().ok()
}

/// kubelet's words.
fn lost(id: String, started_at: Timestamp, now: Timestamp) -> Exit {
    Exit {
        id,
        code: 137,
        signal: 0,
        reason: "ContainerStatusUnknown".to_owned(),
        message: "The container could not be located when the pod was terminated".to_owned(),
        started_at,
        finished_at: now,
    }
}
