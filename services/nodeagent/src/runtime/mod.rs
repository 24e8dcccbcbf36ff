//! What runs containers: containerd over CRI, or a simulation that answers like one.

pub(crate) mod containerd;
mod cri;
mod events;
mod instances;
mod sim;

use std::collections::BTreeMap;
use std::path::Path;

use rutter_nodeagent_core::machine::{Found, SandboxFacts};
use rutter_nodeagent_core::plan::{ContainerPlan, SandboxPlan};
use rutter_nodeagent_core::resources::Limits;
use rutter_nodeagent_core::view::PullPolicy;

pub(crate) use cri::{Cri, ExecOutcome, LOG_BYTES_MAX, cgroup_root};
pub(crate) use events::{Happened, follow};
pub(crate) use instances::{Instance, Instances};
pub(crate) use sim::Sim;

/// One of the two.
#[derive(Clone)]
pub(crate) enum Runtime {
    Cri(Cri),
    Sim(Sim),
}

/// Why a container isn't there, in kubelet's words for a waiting state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// A container that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StartedContainer {
    pub(crate) id: String,
    pub(crate) image_id: String,
}

impl Runtime {
    /// All pods it has, by uid.
    pub(crate) async fn list(&self) -> Result<BTreeMap<String, Found>, String> {
        match self {
            Runtime::Cri(cri) => cri.list().await,
            Runtime::Sim(_) => Ok(BTreeMap::new()),
        }
    }

    pub(crate) async fn create_sandbox(&self, plan: &SandboxPlan) -> Result<SandboxFacts, String> {
        match self {
            Runtime::Cri(cri) => cri.create_sandbox(plan).await,
            Runtime::Sim(sim) => Ok(sim.create_sandbox(plan)),
        }
    }

    /// Ends all that runs in it and gives its network back.
    pub(crate) async fn stop_sandbox(&self, id: &str) -> Result<(), String> {
        match self {
            Runtime::Cri(cri) => cri.stop_sandbox(id).await,
            Runtime::Sim(_) => Ok(()),
        }
    }

    pub(crate) async fn remove_sandbox(&self, id: &str) -> Result<(), String> {
        match self {
            Runtime::Cri(cri) => cri.remove_sandbox(id).await,
            Runtime::Sim(_) => Ok(()),
        }
    }

    /// The image as the runtime knows it; none if it has to be pulled.
    pub(crate) async fn present_image(
        &self,
        image: &str,
        policy: PullPolicy,
    ) -> Result<Option<String>, Refusal> {
        match self {
            Runtime::Cri(cri) => cri.present_image(image, policy).await,
            Runtime::Sim(_) => Ok(Some(image.to_owned())),
        }
    }

    /// Pulls the image; answers how the runtime knows it then.
    pub(crate) async fn pull_image(&self, image: &str) -> Result<String, Refusal> {
        match self {
            Runtime::Cri(cri) => cri.pull_image(image).await,
            Runtime::Sim(_) => Ok(image.to_owned()),
        }
    }

    /// Mounts an image's files as a volume.
    pub(crate) async fn mount_image(&self, image: &str, key: &str, dir: &Path) -> Result<(), String> {
        match self {
            Runtime::Cri(cri) => cri.mount_image(image, key, dir).await,
            Runtime::Sim(_) => Ok(()),
        }
    }

    /// What [`Runtime::mount_image`] has made, once nothing is mounted any more.
    pub(crate) async fn drop_view(&self, key: &str) -> Result<(), String> {
        match self {
            Runtime::Cri(cri) => cri.drop_view(key).await,
            Runtime::Sim(_) => Ok(()),
        }
    }

    pub(crate) async fn start_container(
        &self,
        sandbox_id: &str,
        sandbox: &SandboxPlan,
        plan: &ContainerPlan,
    ) -> Result<StartedContainer, Refusal> {
        match self {
            Runtime::Cri(cri) => cri.start_container(sandbox_id, sandbox, plan).await,
            Runtime::Sim(sim) => Ok(sim.start_container(plan)),
        }
    }

    /// Asks it to end, and ends it after the grace. The exit is told by the event stream.
    pub(crate) async fn stop_container(&self, id: &str, grace_secs: u64) -> Result<(), String> {
        match self {
            Runtime::Cri(cri) => cri.stop_container(id, grace_secs).await,
            Runtime::Sim(sim) => {
                sim.stop_container(id);
                Ok(())
            }
        }
    }

    /// Gives a running container other limits.
    pub(crate) async fn resize_container(&self, id: &str, limits: Limits) -> Result<(), String> {
        match self {
            Runtime::Cri(cri) => cri.resize_container(id, limits).await,
            Runtime::Sim(_) => Ok(()),
        }
    }

    pub(crate) async fn remove_container(&self, id: &str) -> Result<(), String> {
        match self {
            Runtime::Cri(cri) => cri.remove_container(id).await,
            Runtime::Sim(_) => Ok(()),
        }
    }

    /// Removes all sandboxes and containers of a pod.
    pub(crate) async fn remove_pod(&self, uid: &str) -> Result<(), String> {
        match self {
            Runtime::Cri(cri) => cri.remove_pod(uid).await,
            Runtime::Sim(_) => Ok(()),
        }
    }

    /// Runs a command in a container and waits for its end.
    pub(crate) async fn exec(
        &self,
        id: &str,
        command: &[String],
        timeout_secs: u64,
    ) -> Result<ExecOutcome, String> {
        match self {
            Runtime::Cri(cri) => cri.exec(id, command, timeout_secs).await,
            Runtime::Sim(_) => Ok(ExecOutcome::default()),
        }
    }

    /// Keeps a container's log from filling the disk.
    pub(crate) async fn rotate_log(&self, id: &str) -> Result<(), String> {
        match self {
            Runtime::Cri(cri) => cri.rotate_log(id).await,
            Runtime::Sim(_) => Ok(()),
        }
    }

    /// Why no pod can be started now, if so.
    pub(crate) async fn trouble(&self) -> Option<String> {
        match self {
            Runtime::Cri(cri) => cri.trouble().await,
            Runtime::Sim(_) => None,
        }
    }

    /// `Node.status.images`.
    pub(crate) async fn images(&self) -> serde_json::Value {
        match self {
            Runtime::Cri(cri) => cri.images().await,
            Runtime::Sim(_) => serde_json::json!([]),
        }
    }
}
