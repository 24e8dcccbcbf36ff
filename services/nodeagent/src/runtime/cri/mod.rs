//! containerd over CRI. Every call is bounded in time; every removal may be repeated.

mod layers;
mod list;
mod say;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rutter_cri::Containerd;
use rutter_cri::runtime as cri;
use rutter_cri::{Code, Status};
use rutter_nodeagent_core::machine::SandboxFacts;
use rutter_nodeagent_core::plan::{ContainerPlan, SandboxPlan, label};
use rutter_nodeagent_core::resources::Limits;
use rutter_nodeagent_core::view::PullPolicy;
use tonic::Request;

use super::{Instance, Instances, Refusal, StartedContainer};
use crate::disk::Paths;
use crate::veil;

/// A client of this node's containerd.
#[derive(Clone)]
pub(crate) struct Cri {
    client: Box<Containerd>,
    paths: Arc<Paths>,
    instances: Instances,
    /// All cgroups of this node's pods lie below it.
    cgroup_root: Arc<str>,
}

/// How a command in a container ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExecOutcome {
    pub(crate) code: i32,
    pub(crate) output: Vec<u8>,
}

/// kubelet's `--runtime-request-timeout`.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);
/// kubelet's `containerLogMaxSize`.
pub(crate) const LOG_BYTES_MAX: u64 = 10 << 20;
/// An image may be large and its registry slow.
const PULL_TIMEOUT: Duration = Duration::from_secs(1800);

impl Cri {
    pub(crate) fn new(paths: Paths, node: &str, instances: Instances) -> Cri {
        let client = Box::new(Containerd::at(&paths.containerd_socket()));
        Cri { client, paths: Arc::new(paths), instances, cgroup_root: cgroup_root(node).into() }
    }

    pub(crate) fn containerd(&self) -> Containerd {
        Containerd::clone(&self.client)
    }

    pub(super) async fn create_sandbox(&self, plan: &SandboxPlan) -> Result<SandboxFacts, String> {
        let config = self.sandbox_config(plan);
        let runtime_handler = if plan.veiled { veil::HANDLER.to_owned() } else { String::new() };
        let request = cri::RunPodSandboxRequest { config: Some(config), runtime_handler };
        let answer = self.client.runtime.clone().run_pod_sandbox(bounded(request)).await.map_err(words)?;
        let id = answer.into_inner().pod_sandbox_id;
        let instance = Instance {
            uid: plan.uid.clone(),
            container: String::new(),
            attempt: plan.attempt,
            started_at: Timestamp::now(),
            message_from_log: false,
        };
        self.instances.announce(&id, instance);
        self.instances.told(&id);
        self.sandbox_facts(&id, plan.attempt).await
    }

    async fn sandbox_facts(&self, id: &str, attempt: u32) -> Result<SandboxFacts, String> {
        let request = cri::PodSandboxStatusRequest { pod_sandbox_id: id.to_owned(), verbose: false };
        let answer = self.client.runtime.clone().pod_sandbox_status(bounded(request)).await.map_err(words)?;
        let network = answer.into_inner().status.and_then(|status| status.network).unwrap_or_default();
        let more = network.additional_ips.iter().map(|ip| ip.ip.as_str());
        let ips = std::iter::once(network.ip.as_str()).chain(more).filter_map(|ip| ip.parse().ok()).collect();
        Ok(SandboxFacts { id: id.to_owned(), ips, attempt })
    }

    pub(super) async fn stop_sandbox(&self, id: &str) -> Result<(), String> {
        let request = cri::StopPodSandboxRequest { pod_sandbox_id: id.to_owned() };
        forgiving(self.client.runtime.clone().stop_pod_sandbox(bounded(request)).await)
    }

    pub(super) async fn remove_sandbox(&self, id: &str) -> Result<(), String> {
        let request = cri::RemovePodSandboxRequest { pod_sandbox_id: id.to_owned() };
        self.instances.forget(id);
        forgiving(self.client.runtime.clone().remove_pod_sandbox(bounded(request)).await)
    }

    pub(super) async fn present_image(
        &self,
        image: &str,
        policy: PullPolicy,
    ) -> Result<Option<String>, Refusal> {
        if image.is_empty() || image.chars().any(char::is_whitespace) {
            let message = format!("Failed to apply default image tag {image:?}: couldn't parse image name");
            return Err(Refusal { reason: "InvalidImageName", message });
        }
        let present = if policy == PullPolicy::Always { None } else { self.find_image(image).await? };
        match (present, policy) {
            (Some(id), _) => Ok(Some(id)),
            (None, PullPolicy::Never) => Err(Refusal {
                reason: "ErrImageNeverPull",
                message: format!("Container image {image:?} is not present with pull policy of Never"),
            }),
            (None, _) => Ok(None),
        }
    }

    async fn find_image(&self, image: &str) -> Result<Option<String>, Refusal> {
        let request = cri::ImageStatusRequest { image: Some(image_spec(image)), verbose: false };
        let answer = self.client.images.clone().image_status(bounded(request)).await;
        let refused = |status: Status| Refusal { reason: "ImageInspectError", message: words(status) };
        Ok(answer.map_err(refused)?.into_inner().image.map(|image| image.id))
    }

    pub(super) async fn pull_image(&self, image: &str) -> Result<String, Refusal> {
        let mut request = Request::new(cri::PullImageRequest {
            image: Some(image_spec(image)),
            auth: None,
            sandbox_config: None,
        });
        request.set_timeout(PULL_TIMEOUT);
        let refused = |status: Status| Refusal { reason: "ErrImagePull", message: words(status) };
        Ok(self.client.images.clone().pull_image(request).await.map_err(refused)?.into_inner().image_ref)
    }

    /// Makes and starts it; what was made is removed again when it can't be started.
    pub(super) async fn start_container(
        &self,
        sandbox_id: &str,
        sandbox: &SandboxPlan,
        plan: &ContainerPlan,
    ) -> Result<StartedContainer, Refusal> {
        let uid = &sandbox.uid;
        let unconfigured = |message| Refusal { reason: "CreateContainerConfigError", message };
        if !plan.veil.hidden().is_empty() && !self.is_veiled(sandbox_id).await.map_err(unconfigured)? {
            let why = "no container of the pod had a Secret in its environment when the pod was started, so none can be given one now";
            return Err(unconfigured(why.to_owned()));
        }
        let config = self
            .container_config(uid, plan)
            .map_err(|message| Refusal { reason: "CreateContainerConfigError", message })?;
        let request = cri::CreateContainerRequest {
            pod_sandbox_id: sandbox_id.to_owned(),
            config: Some(config),
            sandbox_config: Some(self.sandbox_config(sandbox)),
        };
        let answer = self.client.runtime.clone().create_container(bounded(request)).await;
        let refused = |status: Status| Refusal { reason: "CreateContainerError", message: words(status) };
        let id = answer.map_err(refused)?.into_inner().container_id;
        let from_log = plan.annotations.get(label::MESSAGE_POLICY).is_some_and(|policy| policy != "File");
        let instance = Instance {
            uid: uid.clone(),
            container: plan.name.clone(),
            attempt: plan.attempt,
            started_at: Timestamp::now(),
            message_from_log: from_log,
        };
        self.instances.announce(&id, instance);
        match self.start(&id, plan).await {
            Ok(()) => Ok(StartedContainer { id, image_id: plan.image_ref.clone() }),
            Err(message) => {
                self.instances.forget(&id);
                if let Err(why) = self.remove_container(&id).await {
                    tracing::warn!(container = id, why, "a container that didn't start stays behind");
                }
                Err(Refusal { reason: "RunContainerError", message })
            }
        }
    }

    /// Whether what runs in the sandbox is made by the runc that puts values in.
    async fn is_veiled(&self, sandbox_id: &str) -> Result<bool, String> {
        let filter = cri::PodSandboxFilter { id: sandbox_id.to_owned(), ..cri::PodSandboxFilter::default() };
        let request = cri::ListPodSandboxRequest { filter: Some(filter) };
        let answer = self.client.runtime.clone().list_pod_sandbox(bounded(request)).await.map_err(words)?;
        Ok(answer.into_inner().items.iter().any(|sandbox| sandbox.runtime_handler == veil::HANDLER))
    }

    /// containerd knows it by placeholders; its process gets the values.
    async fn start(&self, id: &str, plan: &ContainerPlan) -> Result<(), String> {
        veil::put(&self.paths.veiled(), id, plan.veil.hidden())
            .map_err(|why| format!("the values of Secrets can't be handed over: {why}"))?;
        let request = cri::StartContainerRequest { container_id: id.to_owned() };
        self.client.runtime.clone().start_container(bounded(request)).await.map_err(words)?;
        Ok(())
    }

    pub(super) async fn stop_container(&self, id: &str, grace_secs: u64) -> Result<(), String> {
        let timeout = i64::try_from(grace_secs).unwrap_or(i64::MAX);
        let mut request = Request::new(cri::StopContainerRequest { container_id: id.to_owned(), timeout });
        request.set_timeout(CALL_TIMEOUT.saturating_add(Duration::from_secs(grace_secs)));
        forgiving(self.client.runtime.clone().stop_container(request).await)
    }

    pub(super) async fn remove_container(&self, id: &str) -> Result<(), String> {
        let request = cri::RemoveContainerRequest { container_id: id.to_owned() };
        self.instances.forget(id);
        veil::forget(&self.paths.veiled(), id);
        forgiving(self.client.runtime.clone().remove_container(bounded(request)).await)
    }

    pub(super) async fn remove_pod(&self, uid: &str) -> Result<(), String> {
        for id in self.sandboxes_of(uid).await? {
            self.stop_sandbox(&id).await?;
            self.remove_sandbox(&id).await?;
        }
        self.instances.forget_pod(uid);
        Ok(())
    }

    async fn sandboxes_of(&self, uid: &str) -> Result<Vec<String>, String> {
        let filter = cri::PodSandboxFilter {
            label_selector: [(label::POD_UID.to_owned(), uid.to_owned())].into(),
            ..cri::PodSandboxFilter::default()
        };
        let request = cri::ListPodSandboxRequest { filter: Some(filter) };
        let answer = self.client.runtime.clone().list_pod_sandbox(bounded(request)).await.map_err(words)?;
        Ok(answer.into_inner().items.into_iter().map(|sandbox| sandbox.id).collect())
    }

    pub(super) async fn exec(
        &self,
        id: &str,
        command: &[String],
        timeout_secs: u64,
    ) -> Result<ExecOutcome, String> {
        let request = cri::ExecSyncRequest {
            container_id: id.to_owned(),
            cmd: command.to_vec(),
            timeout: i64::try_from(timeout_secs).unwrap_or(i64::MAX),
        };
        let answer =
            self.client.runtime.clone().exec_sync(bounded(request)).await.map_err(words)?.into_inner();
        let mut output = answer.stdout;
        output.extend(answer.stderr);
        Ok(ExecOutcome { code: answer.exit_code, output })
    }

    /// Puts a container's log aside when it has grown too long, and has containerd begin a new one. One old file is
    /// kept. Reading a log begins at the new file, as upstream's does.
    pub(super) async fn rotate_log(&self, id: &str) -> Result<(), String> {
        let Some(Instance { uid, container, attempt, .. }) = self.instances.get(id) else { return Ok(()) };
        let log = self.paths.log(&uid, &container, attempt);
        if std::fs::metadata(&log).map_or(0, |meta| meta.len()) < LOG_BYTES_MAX {
            return Ok(());
        }
        std::fs::rename(&log, log.with_extension("log.1")).map_err(|why| why.to_string())?;
        let request = cri::ReopenContainerLogRequest { container_id: id.to_owned() };
        forgiving(self.client.runtime.clone().reopen_container_log(bounded(request)).await)
    }

    /// What containerd itself says is not ready: itself or its network.
    pub(super) async fn trouble(&self) -> Option<String> {
        let request = cri::StatusRequest { verbose: false };
        let status = match self.client.runtime.clone().status(bounded(request)).await {
            Ok(answer) => answer.into_inner().status.unwrap_or_default(),
            Err(status) => return Some(format!("containerd: {}", words(status))),
        };
        let bad = status.conditions.into_iter().find(|condition| !condition.status)?;
        Some(format!("{}: {}", bad.reason, bad.message))
    }

    /// The largest images first, at most as many as upstream tells.
    pub(super) async fn images(&self) -> serde_json::Value {
        const IMAGES_TOLD_MAX: usize = 50;
        let request = cri::ListImagesRequest { filter: None };
        let answer = self.client.images.clone().list_images(bounded(request)).await;
        let mut images = answer.map(|answer| answer.into_inner().images).unwrap_or_default();
        images.sort_by_key(|image| std::cmp::Reverse(image.size));
        let told = images.into_iter().take(IMAGES_TOLD_MAX).map(|image| {
            let names: Vec<String> = image.repo_digests.into_iter().chain(image.repo_tags).collect();
            serde_json::json!({"names": names, "sizeBytes": image.size})
        });
        told.collect()
    }

    /// The address at containerd's streaming server that joins a container's first process; good for one use.
    pub(super) async fn resize_container(&self, id: &str, limits: Limits) -> Result<(), String> {
        let linux = Some(say::resources(limits));
        let request = cri::UpdateContainerResourcesRequest {
            container_id: id.to_owned(),
            linux,
            ..cri::UpdateContainerResourcesRequest::default()
        };
        let answer = self.client.runtime.clone().update_container_resources(bounded(request)).await;
        answer.map(drop).map_err(words)
    }

    pub(crate) async fn attach_url(&self, request: cri::AttachRequest) -> Result<String, String> {
        let answer = self.client.runtime.clone().attach(bounded(request)).await;
        Ok(answer.map_err(words)?.into_inner().url)
    }
}

/// The cgroup below which a node's pods lie; unique per node, since several may share a machine.
pub(crate) fn cgroup_root(node: &str) -> String {
    format!("/rutter/{node}")
}

fn image_spec(image: &str) -> cri::ImageSpec {
    cri::ImageSpec { image: image.to_owned(), ..cri::ImageSpec::default() }
}

fn bounded<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    request
}

fn words(status: Status) -> String {
    status.message().to_owned()
}

/// What isn't there any more needn't be ended.
fn forgiving<T>(answer: Result<T, Status>) -> Result<(), String> {
    match answer {
        Err(status) if status.code() != Code::NotFound => Err(words(status)),
        _ => Ok(()),
    }
}
