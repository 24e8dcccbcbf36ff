//! What containerd has: by pod, for adoption and after missed events.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rutter_cri::runtime as cri;
use rutter_nodeagent_core::machine::{Exit, Found, FoundContainer, FoundSandbox, FoundState};
use rutter_nodeagent_core::plan::label;

use super::{Cri, bounded, words};
use crate::runtime::Instance;

impl Cri {
    /// All pods, by uid. Whose each id is, is known afterwards.
    pub(in crate::runtime) async fn list(&self) -> Result<BTreeMap<String, Found>, String> {
        let mut runtime = self.client.runtime.clone();
        let sandboxes = runtime.list_pod_sandbox(bounded(cri::ListPodSandboxRequest::default()));
        let sandboxes = sandboxes.await.map_err(words)?.into_inner().items;
        let containers = runtime.list_containers(bounded(cri::ListContainersRequest::default()));
        let containers = containers.await.map_err(words)?.into_inner().containers;
        let mut found: BTreeMap<String, Found> = BTreeMap::new();
        for sandbox in sandboxes {
            self.add_sandbox(&mut found, sandbox).await?;
        }
        for container in containers {
            self.add_container(&mut found, container).await?;
        }
        Ok(found)
    }

    async fn add_sandbox(
        &self,
        found: &mut BTreeMap<String, Found>,
        sandbox: cri::PodSandbox,
    ) -> Result<(), String> {
        let Some(uid) = sandbox.labels.get(label::POD_UID).cloned() else { return Ok(()) };
        let attempt = sandbox.metadata.as_ref().map_or(0, |meta| meta.attempt);
        let pod = found.entry(uid.clone()).or_default();
        if pod.sandbox.as_ref().is_some_and(|known| known.facts.attempt > attempt) {
            return Ok(());
        }
        let ready = sandbox.state == i32::from(cri::PodSandboxState::SandboxReady);
        let facts = self.sandbox_facts(&sandbox.id, attempt).await?;
        pod.sandbox = Some(FoundSandbox { facts, ready });
        let instance = Instance {
            uid,
            container: String::new(),
            attempt,
            started_at: moment(sandbox.created_at),
            message_from_log: false,
        };
        self.instances.announce(&sandbox.id, instance);
        self.instances.told(&sandbox.id);
        Ok(())
    }

    async fn add_container(
        &self,
        found: &mut BTreeMap<String, Found>,
        one: cri::Container,
    ) -> Result<(), String> {
        let Some(uid) = one.labels.get(label::POD_UID).cloned() else { return Ok(()) };
        let request = cri::ContainerStatusRequest { container_id: one.id.clone(), verbose: false };
        let answer = self.client.runtime.clone().container_status(bounded(request)).await;
        let Some(status) = answer.map_err(words)?.into_inner().status else { return Ok(()) };
        let meta = status.metadata.clone().unwrap_or_default();
        let annotation = |name: &str| one.annotations.get(name).cloned().unwrap_or_default();
        let instance = Instance {
            uid: uid.clone(),
            container: meta.name.clone(),
            attempt: meta.attempt,
            started_at: moment(status.started_at),
            message_from_log: annotation(label::MESSAGE_POLICY) == "FallbackToLogsOnError",
        };
        self.instances.announce(&one.id, instance);
        let state = state(&status);
        if matches!(state, FoundState::Running { .. }) {
            self.instances.told(&one.id);
        }
        found.entry(uid).or_default().containers.push(FoundContainer {
            name: meta.name,
            id: one.id,
            attempt: meta.attempt,
            image: annotation(label::IMAGE),
            image_id: one.image_ref,
            state,
        });
        Ok(())
    }
}

fn state(status: &cri::ContainerStatus) -> FoundState {
    match cri::ContainerState::try_from(status.state) {
        Ok(cri::ContainerState::ContainerCreated) => FoundState::Created,
        Ok(cri::ContainerState::ContainerRunning) => {
            FoundState::Running { started_at: moment(status.started_at) }
        }
        _ => FoundState::Exited(Exit {
            id: status.id.clone(),
            code: status.exit_code,
            signal: 0,
            reason: status.reason.clone(),
            message: status.message.clone(),
            started_at: moment(status.started_at),
            finished_at: moment(status.finished_at),
        }),
    }
}

fn moment(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::UNIX_EPOCH)
}
