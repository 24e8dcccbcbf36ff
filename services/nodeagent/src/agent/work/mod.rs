//! Having the core's work done: each action is a task, its outcome an input.

mod containers;
mod images;
mod probes;
mod sandboxes;
mod volumes;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use rutter_nodeagent_core::machine::{Action, Input, ProbeKind};
use rutter_nodeagent_core::node::Work;
use rutter_nodeagent_core::objects::Objects;
use rutter_nodeagent_core::plan::NodeFacts;
use rutter_schemas::Key;
use rutter_schemas::protocol::node::NodeCommand;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::hooks::run_hook;
use super::{Commands, PodInput, Recorder};
use crate::Config;
use crate::disk::Paths;
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
    /// Where what operators are told of goes.
    pub(crate) recorder: Recorder,
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
                vec![self.ensure_image(meta, container, &image, policy).await]
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
            Action::ResizeContainer { container, id, limits } => {
                vec![self.resize_container(&uid, container, id, limits).await]
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
                self.record(meta, severity, reason, message, container.as_deref());
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

    pub(crate) fn forget(&self, uid: &str) {
        if let Some(token) = self.with_running(|running| running.tokens.remove(uid)) {
            token.cancel();
        }
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
