//! Containers: how their start, their stop and their end are told.

use std::time::Duration;

use jiff::Timestamp;
use rutter_nodeagent_core::machine::{Check, Exit, Input};
use rutter_nodeagent_core::resources::Limits;

use super::Workshop;
use crate::agent::PodInput;
use crate::agent::hooks::run_hook;
use crate::node::cgroups;
use crate::runtime::{Instance, Runtime, StartedContainer};
use crate::stream;

/// A stop that CRI is asked for has at least this much grace, as kubelet's.
const GRACE_SECS_MIN: u64 = 2;
/// The kernel tells of a container that ran out of memory and of its end on two ways.
const OUT_OF_MEMORY_SETTLES: Duration = Duration::from_millis(50);

impl Workshop {
    /// The start, and the end if it has come already.
    pub(super) fn started(&self, container: String, started: StartedContainer) -> Vec<Input> {
        let instance = self.instances.get(&started.id);
        let at = instance.map_or_else(Timestamp::now, |instance| instance.started_at);
        let early = self.instances.told(&started.id);
        let exited = early.map(|exit| Input::Exited { container: container.clone(), exit });
        let begun = Input::Started { container, id: started.id, image_id: started.image_id, at };
        std::iter::once(begun).chain(exited).collect()
    }

    pub(super) async fn stop_container(
        &self,
        container: String,
        id: String,
        grace_secs: u64,
        pre_stop: Option<Check>,
    ) -> Vec<Input> {
        let begun = std::time::Instant::now();
        if let Some(check) = pre_stop {
            let hook = run_hook(&self.runtime, &id, &check);
            match tokio::time::timeout(Duration::from_secs(grace_secs), hook).await {
                Ok(Err(why)) => tracing::info!(container, why, "preStop failed"),
                Err(_) => tracing::info!(container, "preStop used up all grace"),
                Ok(Ok(())) => {}
            }
        }
        let left = grace_secs.saturating_sub(begun.elapsed().as_secs());
        let left = if grace_secs == 0 { 0 } else { left.max(GRACE_SECS_MIN.min(grace_secs)) };
        match self.runtime.stop_container(&id, left).await {
            // Its end is told by the event stream.
            Ok(()) => Vec::new(),
            Err(message) => vec![Input::StopFailed { container, id, message }],
        }
    }

    /// Memory is not taken from a container that uses it: the kernel would end it, or refuse.
    pub(super) async fn resize_container(
        &self,
        uid: &str,
        container: String,
        id: String,
        limits: Limits,
    ) -> Input {
        let cgroup = cgroups::container(&self.cfg.node_name, uid, &id);
        let used = cgroups::memory(&cgroup).usage;
        let limit = u64::try_from(limits.memory_bytes).unwrap_or(0);
        if limit > 0 && used >= limit && cgroups::memory_limit(&cgroup).is_none_or(|now| limit < now) {
            let message = format!(
                "cannot decrease memory limits: attempting to set container {container:?} memory limit ({limit}) below \
                 current usage ({used})"
            );
            return Input::ResizeFailed { container, id, message };
        }
        match self.runtime.resize_container(&id, limits).await {
            Ok(()) => Input::Resized { container, id },
            Err(message) => Input::ResizeFailed { container, id, message },
        }
    }

    /// Something ended that runs in containerd.
    pub(crate) fn container_exited(&self, id: String, code: i32, at: Timestamp) {
        let shop = self.clone();
        tokio::spawn(async move {
            let Some((uid, input)) = shop.exit_input(id, code, at).await else { return };
            let _ = shop.inputs.send((uid, input)).await;
        });
    }

    pub(super) async fn exit_input(&self, id: String, code: i32, at: Timestamp) -> Option<PodInput> {
        let instance = self.instances.get(&id)?;
        if instance.container.is_empty() {
            let wanted = self.with_running(|running| running.stopping.contains(&id));
            return (!wanted).then_some((instance.uid, Input::SandboxGone { id }));
        }
        if code == 137 && !self.instances.is_out_of_memory(&id) {
            tokio::time::sleep(OUT_OF_MEMORY_SETTLES).await;
        }
        let reason = match code {
            0 => "Completed",
            _ if self.instances.is_out_of_memory(&id) => "OOMKilled",
            _ => "Error",
        };
        let exit = Exit {
            id,
            code,
            signal: 0,
            reason: reason.to_owned(),
            message: self.last_words(&instance, code),
            started_at: instance.started_at,
            finished_at: at,
        };
        let exit = self.instances.exited(exit)?;
        Some((instance.uid, Input::Exited { container: instance.container, exit }))
    }

    pub(super) fn last_words(&self, instance: &Instance, code: i32) -> String {
        let Instance { uid, container, attempt, message_from_log, .. } = instance;
        if matches!(self.runtime, Runtime::Sim(_)) {
            return String::new();
        }
        let path = self.paths.message(uid, container, *attempt);
        let words = stream::last_words(&path);
        if words.is_empty() && *message_from_log && code != 0 {
            return stream::end_of_log(&self.paths.log(uid, container, *attempt));
        }
        words
    }
}
