//! What a pod's sandbox and containers are made of, in words no runtime owns. The shell says it in CRI.

mod container;
mod names;

use std::collections::BTreeMap;
use std::net::IpAddr;

use rutter_quantity::{Format, Quantity};

use crate::resources::Limits;
use crate::veil::{self, Veil};
use crate::view::{Pod, SeccompProfile};

pub use container::container;
pub use names::{alias_lines, hostname, hosts_file};

/// What a node knows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    pub name: String,
    pub host_ips: Vec<IpAddr>,
    pub cpu_milli: i64,
    pub memory_bytes: i64,
    pub cluster_dns: Option<IpAddr>,
    pub cluster_domain: String,
    /// The node's own `/etc/resolv.conf`.
    pub resolver: DnsPlan,
}

impl NodeFacts {
    /// What pods may use of `resource`; nothing of what isn't known.
    pub fn allocatable(&self, resource: &str) -> Quantity {
        match resource {
            "cpu" => Quantity::from_millis(self.cpu_milli, Format::Decimal),
            "memory" => Quantity::from_units(self.memory_bytes, Format::Binary),
            _ => Quantity::ZERO,
        }
    }
}

/// Labels and annotations that tell whose a sandbox or container is; the labels are kubelet's, so that other tools on
/// the node know them too.
pub mod label {
    pub const POD_NAME: &str = "io.kubernetes.pod.name";
    pub const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
    pub const POD_UID: &str = "io.kubernetes.pod.uid";
    pub const CONTAINER_NAME: &str = "io.kubernetes.container.name";
    pub const RESTART_COUNT: &str = "io.kubernetes.container.restartCount";
    pub const MESSAGE_PATH: &str = "io.kubernetes.container.terminationMessagePath";
    pub const MESSAGE_POLICY: &str = "io.kubernetes.container.terminationMessagePolicy";
    /// The image as the pod names it.
    pub const IMAGE: &str = "dev.rutter.container.image";
}

/// Which of a pod's namespaces are the node's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    pub host_network: bool,
    pub host_pid: bool,
    pub host_ipc: bool,
    pub share_pid: bool,
}

impl Namespaces {
    pub fn of(pod: &Pod) -> Namespaces {
        Namespaces {
            host_network: pod.spec.host_network,
            host_pid: pod.spec.host_pid,
            host_ipc: pod.spec.host_ipc,
            share_pid: pod.spec.share_process_namespace,
        }
    }
}

/// A resolver's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsPlan {
    pub servers: Vec<String>,
    pub searches: Vec<String>,
    pub options: Vec<String>,
}

/// What holds a pod's namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxPlan {
    pub name: String,
    pub namespace: String,
    pub uid: String,
    pub attempt: u32,
    pub hostname: String,
    pub dns: DnsPlan,
    pub ports: Vec<HostPort>,
    pub namespaces: Namespaces,
    pub privileged: bool,
    /// Containers of it get values of Secrets in their environment.
    pub veiled: bool,
    pub sysctls: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

/// A port of the node that leads to the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    pub protocol: String,
    pub container_port: u16,
    pub host_port: u16,
    pub host_ip: String,
}

/// A container to be made and started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPlan {
    pub name: String,
    pub attempt: u32,
    /// As the pod names it.
    pub image: String,
    /// As the runtime knows it.
    pub image_ref: String,
    pub command: Vec<String>,
    pub args: Vec<String>,
    pub working_dir: String,
    pub env: Vec<(String, String)>,
    /// What the placeholders in `env`, `command` and `args` stand for.
    pub veil: Veil,
    pub mounts: Vec<Mount>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub stdin: bool,
    pub stdin_once: bool,
    pub tty: bool,
    pub security: Security,
    pub namespaces: Namespaces,
    /// The id of the container whose processes this one sees, instead of its own alone.
    pub sees_processes_of: Option<String>,
    pub limits: Limits,
    pub message_path: String,
}

/// Something put into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub source: MountSource,
    pub path: String,
    pub read_only: bool,
    /// `None`, `HostToContainer` or `Bidirectional`.
    pub propagation: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountSource {
    Volume {
        name: String,
        sub_path: String,
    },
    /// The `/etc/hosts` that the node keeps for the pod.
    HostsFile,
    /// The file a container leaves its last words in.
    MessageFile,
}

/// Who the container runs as, and what it may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    pub user: Option<i64>,
    pub group: Option<i64>,
    pub groups: Vec<i64>,
    pub must_not_be_root: bool,
    pub privileged: bool,
    pub no_new_privileges: bool,
    pub read_only_root: bool,
    pub add_capabilities: Vec<String>,
    pub drop_capabilities: Vec<String>,
    pub seccomp: Option<SeccompProfile>,
    pub unmasked_proc: bool,
}

/// The sandbox of a pod.
pub fn sandbox(pod: &Pod, node: &NodeFacts, attempt: u32) -> SandboxPlan {
    SandboxPlan {
        name: pod.metadata.name.clone(),
        namespace: pod.metadata.namespace.clone(),
        uid: pod.metadata.uid.clone(),
        attempt,
        hostname: if pod.spec.host_network { String::new() } else { hostname(pod, node) },
        dns: names::dns(pod, node),
        ports: host_ports(pod),
        namespaces: Namespaces::of(pod),
        privileged: pod.containers().any(|container| container.security_context.privileged),
        veiled: veil::is_needed(pod),
        sysctls: pod
            .spec
            .security_context
            .sysctls
            .iter()
            .map(|sysctl| (sysctl.name.clone(), sysctl.value.clone()))
            .collect(),
        labels: pod_labels(pod),
        annotations: pod.metadata.annotations.clone(),
    }
}

fn pod_labels(pod: &Pod) -> BTreeMap<String, String> {
    BTreeMap::from([
        (label::POD_NAME.to_owned(), pod.metadata.name.clone()),
        (label::POD_NAMESPACE.to_owned(), pod.metadata.namespace.clone()),
        (label::POD_UID.to_owned(), pod.metadata.uid.clone()),
    ])
}

fn host_ports(pod: &Pod) -> Vec<HostPort> {
    if pod.spec.host_network {
        return Vec::new();
    }
    let ports = pod.spec.containers.iter().flat_map(|container| &container.ports);
    ports
        .filter(|port| port.host_port != 0)
        .map(|port| HostPort {
            protocol: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
            container_port: port.container_port,
            host_port: port.host_port,
            host_ip: port.host_ip.clone(),
        })
        .collect()
}
