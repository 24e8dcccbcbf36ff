//! Having the core's work done: each action is a task, its outcome an input.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rutter_nodeagent_core::machine::{Action, Exit, HostsFile, Input, ProbeKind};
use rutter_nodeagent_core::node::Work;
use rutter_nodeagent_core::objects::Objects;
use rutter_nodeagent_core::plan::{NodeFacts, hosts_file};
use rutter_nodeagent_core::view::{Meta, Pod};
use rutter_nodeagent_core::volumes::{VolumeContent, VolumePlan};
use rutter_schemas::Key;
use rutter_schemas::protocol::node::{NodeCommand, NodeReply};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::hooks::{run_check, run_hook};
use super::{Commands, PodInput};
use crate::Config;
use crate::disk::{self, Paths, TokenNeed};
use crate::probe;
use crate::runtime::{Instances, Runtime};

/// Everything a task needs; cheap to clone.
#[derive(Clone)]
pub(crate) struct Workshop {
    pub(crate) cfg: Arc<Config>,
    pub(crate) paths: Arc<Paths>,
    pub(crate) runtime: Runtime,
    pub(crate) instances: Instances,
    pub(crate) commands: Commands,
    pub(crate) inputs: mpsc::Sender<PodInput>,
    pub(crate) running: Arc<Mutex<RunningTasks>>,
    /// The network's configuration, once the node's range is known.
    pub(crate) network: Arc<crate::net::Network>,
    /// Work under way ends with the agent: what it was about is found again by the next one.
    pub(crate) end: CancellationToken,
}

/// Tasks that end before their pod does.
#[derive(Default)]
pub(crate) struct RunningTasks {
    probes: HashMap<(String, ProbeKind), CancellationToken>,
    tokens: HashMap<String, CancellationToken>,
    /// Sandboxes that end because we want it.
    stopping: HashSet<String>,
}

/// A stop that CRI is asked for has at least this much grace, as kubelet's.
const GRACE_SECS_MIN: u64 = 2;
/// A token is renewed after this part of its life, as kubelet does.
const TOKEN_RENEWED_AT_PERCENT: u64 = 80;
/// The kernel tells of a container that ran out of memory and of its end on two ways.
const OUT_OF_MEMORY_SETTLES: Duration = Duration::from_millis(50);

impl Workshop {
    pub(crate) fn start(&self, work: Work, facts: &NodeFacts) {
        let (shop, facts) = (self.clone(), facts.clone());
        let end = self.end.clone();
        tokio::spawn(end.run_until_cancelled_owned(async move {
            let uid = work.uid.clone();
            for input in shop.perform(work, &facts).await {
                let _ = shop.inputs.send((uid.clone(), input)).await;
            }
        }));
    }

    async fn perform(&self, work: Work, facts: &NodeFacts) -> Vec<Input> {
        let Work { uid, pod, action } = work;
        let meta = &pod.metadata;
        match action {
            Action::PrepareVolumes { volumes, fs_group } => {
                vec![self.prepare(&uid, &pod, volumes, fs_group).await]
            }
            Action::CreateSandbox { plan, hosts } => {
                vec![self.create_sandbox(&uid, &pod, facts, plan, hosts).await]
            }
            Action::StopSandbox { id } => vec![self.stop_sandbox(id).await],
            Action::RemoveSandbox { id } => self.drop_quietly(self.runtime.remove_sandbox(&id).await),
            Action::RemoveContainer { id } => self.drop_quietly(self.runtime.remove_container(&id).await),
            Action::EnsureImage { container, image, policy } => {
                vec![match self.runtime.ensure_image(&image, policy).await {
                    Ok(image_ref) => Input::ImageReady { container, image_ref },
                    Err(why) => {
                        Input::ImageFailed { container, reason: why.reason.to_owned(), message: why.message }
                    }
                }]
            }
            Action::StartContainer { sandbox_id, sandbox, plan } => {
                let started = self.runtime.start_container(&sandbox_id, &sandbox, &plan).await;
                let container = plan.name;
                match started {
                    Ok(started) => self.started(container, started),
                    Err(why) => {
                        vec![Input::StartFailed {
                            container,
                            reason: why.reason.to_owned(),
                            message: why.message,
                        }]
                    }
                }
            }
            Action::StopContainer { container, id, grace_secs, pre_stop } => {
                self.stop_container(container, id, grace_secs, pre_stop).await
            }
            Action::RunHook { container, id, check } => {
                let error = run_hook(&self.runtime, &id, &check).await.err();
                vec![Input::HookEnded { container, id, error }]
            }
            Action::StartProbe { container, id, probe, check, timing } => {
                self.start_probe(uid, container, id, probe, check, timing);
                Vec::new()
            }
            Action::StopProbe { id, probe, .. } => {
                self.stop_probe(&id, probe);
                Vec::new()
            }
            Action::Tell { status, fact, why, cause } => {
                let command = NodeCommand::PodStatus {
                    namespace: meta.namespace.clone(),
                    name: meta.name.clone(),
                    uid,
                    status,
                    fact: fact.to_owned(),
                    why,
                    cause,
                };
                vec![Input::Told { outcome: self.commands.write(command).await }]
            }
            Action::Record { severity, reason, message, container } => {
                self.record(meta, &format!("{severity:?}"), reason, message, container).await;
                Vec::new()
            }
            Action::Remove => vec![match self.remove(&uid).await {
                Ok(()) => Input::Removed,
                Err(message) => Input::RemoveFailed { message },
            }],
            Action::FinishDeletion { status, why } => {
                let command = NodeCommand::PodDelete {
                    namespace: meta.namespace.clone(),
                    name: meta.name.clone(),
                    uid,
                    status: Some(status),
                    why,
                };
                vec![Input::Deleted { outcome: self.commands.write(command).await }]
            }
        }
    }

    fn drop_quietly(&self, outcome: Result<(), String>) -> Vec<Input> {
        if let Err(why) = outcome {
            tracing::debug!(why, "what was superseded stays until its pod goes");
        }
        Vec::new()
    }

    async fn prepare(&self, uid: &str, pod: &Pod, volumes: Vec<VolumePlan>, fs_group: Option<i64>) -> Input {
        if matches!(self.runtime, Runtime::Sim(_)) || volumes.is_empty() {
            return Input::VolumesReady;
        }
        let tokens = match self.tokens(pod, &volumes).await {
            Ok(tokens) => tokens,
            // Without a gateway, tokens that are there already are good enough.
            Err(message) => match disk::kept_tokens(&self.paths, uid, &volumes) {
                Some(kept) => kept,
                None => return Input::VolumesFailed { message },
            },
        };
        if !tokens.is_empty() {
            self.renew_tokens(uid, pod, &volumes, fs_group);
        }
        match self.write_volumes(uid, volumes, fs_group, tokens).await {
            Ok(()) => Input::VolumesReady,
            Err(message) => Input::VolumesFailed { message },
        }
    }

    async fn write_volumes(
        &self,
        uid: &str,
        volumes: Vec<VolumePlan>,
        fs_group: Option<i64>,
        tokens: BTreeMap<TokenNeed, String>,
    ) -> Result<(), String> {
        let (paths, uid) = (self.paths.clone(), uid.to_owned());
        let group = fs_group.and_then(|group| u32::try_from(group).ok());
        let write =
            move || volumes.iter().try_for_each(|plan| disk::prepare(&paths, &uid, plan, group, &tokens));
        tokio::task::spawn_blocking(write).await.map_err(|why| why.to_string())?
    }

    async fn tokens(&self, pod: &Pod, volumes: &[VolumePlan]) -> Result<BTreeMap<TokenNeed, String>, String> {
        let mut tokens = BTreeMap::new();
        for need in token_needs(volumes) {
            let command = NodeCommand::Token {
                namespace: pod.metadata.namespace.clone(),
                service_account: pod.spec.service_account_name.clone(),
                audiences: Some(need.audience.clone()).filter(|one| !one.is_empty()).into_iter().collect(),
                expiration_seconds: need.expiration_secs,
                pod_name: pod.metadata.name.clone(),
                pod_uid: pod.metadata.uid.clone(),
            };
            match self.commands.send(command).await {
                Ok(NodeReply::Token { token, .. }) => tokens.insert(need, token),
                Ok(_) => return Err("failed to fetch token: an answer of another kind came".to_owned()),
                Err(why) => return Err(format!("failed to fetch token: {why}")),
            };
        }
        Ok(tokens)
    }

    /// Writes the volumes again before their tokens end, as long as the pod is there.
    fn renew_tokens(&self, uid: &str, pod: &Pod, volumes: &[VolumePlan], fs_group: Option<i64>) {
        let Some(shortest) = token_needs(volumes).iter().map(|need| need.expiration_secs).min() else {
            return;
        };
        let token = self.end.child_token();
        let before = self.with_running(|running| running.tokens.insert(uid.to_owned(), token.clone()));
        if let Some(before) = before {
            before.cancel();
        }
        let (shop, uid, pod, volumes) = (self.clone(), uid.to_owned(), pod.clone(), volumes.to_vec());
        let pause = Duration::from_secs(shortest * TOKEN_RENEWED_AT_PERCENT / 100);
        tokio::spawn(token.run_until_cancelled_owned(async move {
            loop {
                tokio::time::sleep(pause).await;
                while let Err(why) = shop.renew_once(&uid, &pod, &volumes, fs_group).await {
                    tracing::warn!(uid, why, "a token could not be renewed");
                    tokio::time::sleep(Duration::from_secs(10)).await;
                }
            }
        }));
    }

    async fn renew_once(
        &self,
        uid: &str,
        pod: &Pod,
        volumes: &[VolumePlan],
        fs_group: Option<i64>,
    ) -> Result<(), String> {
        let tokens = self.tokens(pod, volumes).await?;
        self.write_volumes(uid, volumes.to_vec(), fs_group, tokens).await
    }

    async fn create_sandbox(
        &self,
        uid: &str,
        pod: &Pod,
        facts: &NodeFacts,
        plan: rutter_nodeagent_core::plan::SandboxPlan,
        hosts: HostsFile,
    ) -> Input {
        let is_real = matches!(self.runtime, Runtime::Cri(_));
        if is_real && !plan.namespaces.host_network && !self.network.is_ready() {
            let message = "the node has no range of pod addresses yet (spec.podCIDR)".to_owned();
            return Input::SandboxFailed { message };
        }
        if is_real && let Err(why) = std::fs::create_dir_all(self.paths.logs(uid)) {
            return Input::SandboxFailed { message: format!("the pod's directory: {why}") };
        }
        let facts_of = match self.runtime.create_sandbox(&plan).await {
            Ok(facts_of) => facts_of,
            Err(message) => return Input::SandboxFailed { message },
        };
        if is_real {
            let text = match hosts {
                HostsFile::Managed => hosts_file(pod, facts, &facts_of.ips),
                HostsFile::Node { extra } => {
                    std::fs::read_to_string("/etc/hosts").unwrap_or_default() + &extra
                }
            };
            if let Err(why) = std::fs::write(self.paths.hosts(uid), text) {
                return Input::SandboxFailed { message: format!("the pod's hosts file: {why}") };
            }
        }
        Input::SandboxReady(facts_of)
    }

    async fn stop_sandbox(&self, id: String) -> Input {
        self.with_running(|running| running.stopping.insert(id.clone()));
        let mut pause = Duration::from_millis(100);
        while let Err(why) = self.runtime.stop_sandbox(&id).await {
            tracing::warn!(sandbox = id, why, "a sandbox doesn't stop");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(10));
        }
        self.with_running(|running| running.stopping.remove(&id));
        Input::SandboxGone { id }
    }

    /// The start, and the end if it has come already.
    fn started(&self, container: String, started: crate::runtime::StartedContainer) -> Vec<Input> {
        let instance = self.instances.get(&started.id);
        let at = instance.map_or_else(Timestamp::now, |instance| instance.started_at);
        let early = self.instances.told(&started.id);
        let exited = early.map(|exit| Input::Exited { container: container.clone(), exit });
        let begun = Input::Started { container, id: started.id, image_id: started.image_id, at };
        std::iter::once(begun).chain(exited).collect()
    }

    async fn stop_container(
        &self,
        container: String,
        id: String,
        grace_secs: u64,
        pre_stop: Option<rutter_nodeagent_core::machine::Check>,
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

    fn start_probe(
        &self,
        uid: String,
        container: String,
        id: String,
        kind: ProbeKind,
        check: rutter_nodeagent_core::machine::Check,
        timing: rutter_nodeagent_core::machine::ProbeTiming,
    ) {
        if matches!(self.runtime, Runtime::Sim(_)) {
            return self.answer_probe(uid, container, id, kind);
        }
        let token = self.end.child_token();
        self.with_running(|running| running.probes.insert((id.clone(), kind), token.clone()));
        let shop = self.clone();
        tokio::spawn(token.run_until_cancelled_owned(async move {
            let mut schedule = probe::Schedule::new(timing);
            let timeout = Duration::from_secs(timing.timeout_secs);
            let ask = || run_check(&shop.runtime, &id, &check, timeout);
            let tell = async |outcome| {
                let input =
                    Input::Probed { container: container.clone(), id: id.clone(), probe: kind, outcome };
                shop.inputs.send((uid.clone(), input)).await.is_ok()
            };
            schedule.next().await;
            let first = ask().await;
            let early = first.is_err() && kind != ProbeKind::Liveness;
            let mut goes_on = tell(first).await;
            if early && schedule.ask_early(ask).await {
                goes_on = tell(Ok(())).await;
            }
            while goes_on {
                schedule.next().await;
                goes_on = tell(ask().await).await;
            }
        }));
    }

    /// A simulated container answers every probe well, once.
    fn answer_probe(&self, uid: String, container: String, id: String, probe: ProbeKind) {
        let _ = self.inputs.try_send((uid, Input::Probed { container, id, probe, outcome: Ok(()) }));
    }

    fn stop_probe(&self, id: &str, kind: ProbeKind) {
        if let Some(token) = self.with_running(|running| running.probes.remove(&(id.to_owned(), kind))) {
            token.cancel();
        }
    }

    async fn record(
        &self,
        meta: &Meta,
        severity: &str,
        reason: &str,
        message: String,
        container: Option<String>,
    ) {
        if matches!(self.runtime, Runtime::Sim(_)) {
            return;
        }
        let event = event(&self.cfg.node_name, meta, severity, reason, message, container);
        if let Err(why) = self.commands.send(NodeCommand::RecordEvent { event }).await {
            tracing::debug!(%why, "an event was not recorded");
        }
    }

    async fn remove(&self, uid: &str) -> Result<(), String> {
        self.forget(uid);
        self.runtime.remove_pod(uid).await?;
        if let Runtime::Cri(_) = &self.runtime {
            let (paths, uid_owned) = (self.paths.clone(), uid.to_owned());
            let removed = tokio::task::spawn_blocking(move || disk::remove_pod(&paths, &uid_owned)).await;
            removed.map_err(|why| why.to_string())?.map_err(|why| why.to_string())?;
            crate::node::cgroups::remove_pod(&self.cfg.node_name, uid);
        }
        Ok(())
    }

    /// A pod the runtime has and nobody wants.
    pub(crate) fn remove_stray(&self, uid: String) {
        let shop = self.clone();
        tokio::spawn(async move {
            while let Err(why) = shop.remove(&uid).await {
                tracing::warn!(uid, why, "a pod that is no longer wanted could not be removed");
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        });
    }

    pub(crate) fn forget(&self, uid: &str) {
        if let Some(token) = self.with_running(|running| running.tokens.remove(uid)) {
            token.cancel();
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

    async fn exit_input(&self, id: String, code: i32, at: Timestamp) -> Option<PodInput> {
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

    fn last_words(&self, instance: &crate::runtime::Instance, code: i32) -> String {
        let crate::runtime::Instance { uid, container, attempt, message_from_log, .. } = instance;
        if matches!(self.runtime, Runtime::Sim(_)) {
            return String::new();
        }
        let path = self.paths.message(uid, container, *attempt);
        let words = crate::stream::last_words(&path);
        if words.is_empty() && *message_from_log && code != 0 {
            return crate::stream::end_of_log(&self.paths.log(uid, container, *attempt));
        }
        words
    }

    /// The node's own object may bring the range of pod addresses.
    pub(crate) fn node_changed(&self, objects: &Objects, cfg: &Config) {
        let node: Option<Value> = objects.get(&Key::new("", "nodes", "", &cfg.node_name));
        let range = node.as_ref().and_then(|node| node["spec"]["podCIDR"].as_str());
        if let Some(range) = range {
            self.network.set_range(range);
        }
    }

    fn with_running<T>(&self, work: impl FnOnce(&mut RunningTasks) -> T) -> T {
        work(&mut self.running.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn token_needs(volumes: &[VolumePlan]) -> Vec<TokenNeed> {
    let files = volumes.iter().filter_map(|volume| match &volume.content {
        VolumeContent::Files { files, .. } => Some(files),
        _ => None,
    });
    files.flat_map(|files| files.values()).filter_map(TokenNeed::of).collect()
}

/// A core/v1 `Event`.
fn event(
    node: &str,
    meta: &Meta,
    severity: &str,
    reason: &str,
    message: String,
    container: Option<String>,
) -> Value {
    let now = Timestamp::now();
    let at = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut involved = json!({
        "apiVersion": "v1", "kind": "Pod", "namespace": meta.namespace, "name": meta.name, "uid": meta.uid,
        "resourceVersion": meta.resource_version,
    });
    if let Some(container) = container {
        involved["fieldPath"] = json!(format!("spec.containers{{{container}}}"));
    }
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"namespace": meta.namespace, "name": format!("{}.{:x}", meta.name, now.as_nanosecond())},
        "involvedObject": involved, "type": severity, "reason": reason, "message": message,
        "firstTimestamp": at, "lastTimestamp": at, "count": 1,
        "source": {"component": "kubelet", "host": node},
        "reportingComponent": "kubelet", "reportingInstance": node,
    })
}
