//! Sandboxes: made with their files, stopped until they are, removed with all that is left of a pod.

use std::time::Duration;

use rutter_nodeagent_core::machine::{HostsFile, Input};
use rutter_nodeagent_core::plan::{NodeFacts, SandboxPlan, hosts_file};
use rutter_nodeagent_core::view::Pod;

use super::Workshop;
use crate::disk;
use crate::runtime::Runtime;

impl Workshop {
    pub(super) async fn create_sandbox(
        &self,
        uid: &str,
        pod: &Pod,
        facts: &NodeFacts,
        plan: SandboxPlan,
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

    pub(super) async fn stop_sandbox(&self, id: String) -> Input {
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

    pub(super) async fn remove(&self, uid: &str) -> Result<(), String> {
        self.forget(uid);
        self.runtime.remove_pod(uid).await?;
        if let Runtime::Cri(_) = &self.runtime {
            self.drop_images(uid).await?;
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
}
