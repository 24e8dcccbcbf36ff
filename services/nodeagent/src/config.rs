//! What an agent is told at its start. Everything here has been checked when [`Config::check`] has passed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The configuration of one agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// The name of the `Node`. With the runtime `sim` and several nodes, a prefix: `<name>-<number>`.
    pub node_name: String,
    /// What survives `make down`: images, the last feed.
    pub data_dir: PathBuf,
    /// What needn't survive a reboot (a tmpfs): sockets, secrets, state of containers.
    pub run_dir: PathBuf,
    pub runtime: RuntimeKind,
    /// The address other nodes reach this one by; the first global one of the machine if not given.
    pub node_ip: Option<IpAddr>,
    /// Labels of the node beside the well-known ones.
    pub labels: BTreeMap<String, String>,
    pub max_pods: u32,
    /// The range of pod addresses, when it isn't to be taken from the node's `spec.podCIDR`.
    pub pod_cidr: Option<String>,
    /// Cluster IPs lie in this range.
    pub service_cidr: String,
    /// Pods of all nodes lie in this range: they see each other's own addresses.
    pub cluster_cidr: String,
    /// Where this node's DNS server listens, on a link-local loopback address of the node; also in each pod's
    /// `resolv.conf`.
    pub cluster_dns: IpAddr,
    pub cluster_domain: String,
    /// Program Services with nftables.
    pub proxy: bool,
    /// Serve DNS on `cluster_dns`.
    pub dns: bool,
    /// The image of the process that holds a pod's namespaces.
    pub pause_image: String,
    /// containerd's binary, found in `PATH` if it has no slash.
    pub containerd: String,
    /// The program that puts the values of Secrets into containers when it is called as [`crate::veil::PROGRAM`].
    pub veil_program: PathBuf,
    /// Where the CNI plugins are.
    pub cni_bin_dir: PathBuf,
}

/// What runs the containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuntimeKind {
    Containerd,
    /// Starts nothing and answers like a runtime: for this many nodes in one process.
    Sim {
        nodes: u32,
    },
}

impl Default for Config {
    fn default() -> Config {
        Config {
            node_name: host_name(),
            data_dir: PathBuf::from("/var/lib/rutter/node"),
            run_dir: PathBuf::from("/run/rutter/node"),
            runtime: RuntimeKind::Containerd,
            node_ip: None,
            labels: BTreeMap::new(),
            max_pods: 110,
            pod_cidr: None,
            service_cidr: "10.96.0.0/12".to_owned(),
            cluster_cidr: "10.244.0.0/16".to_owned(),
            cluster_dns: IpAddr::from([10, 96, 0, 10]),
            cluster_domain: "cluster.local".to_owned(),
            proxy: true,
            dns: true,
            pause_image: "rutter/pause:latest".to_owned(),
            containerd: "containerd".to_owned(),
            veil_program: std::env::current_exe().unwrap_or_default(),
            cni_bin_dir: PathBuf::from("/usr/lib/cni"),
        }
    }
}

/// A configuration that can't be run, and what to do about it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    #[error("the node's name {0:?} is no DNS subdomain: use lower-case letters, digits, '-' and '.'")]
    NodeName(String),
    #[error(
        "{what} {path:?} must be an absolute path of at most {max} characters, since sockets lie below it"
    )]
    Path { what: &'static str, path: PathBuf, max: usize },
    #[error("{what} {value:?} is no IPv4 range like 10.244.0.0/24")]
    Range { what: &'static str, value: String },
    #[error("a simulation needs at least one node")]
    NoNodes,
}

/// A unix socket's path holds 108 bytes; containerd's sockets of a container lie up to 60 below `run_dir`.
const RUN_DIR_CHARS_MAX: usize = 48;

impl Config {
    /// # Errors
    /// The first setting that can't work.
    pub fn check(&self) -> Result<(), ConfigError> {
        let name_ok = !self.node_name.is_empty()
            && self.node_name.len() <= 253
            && self
                .node_name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b));
        if !name_ok {
            return Err(ConfigError::NodeName(self.node_name.clone()));
        }
        check_path("run-dir", &self.run_dir, RUN_DIR_CHARS_MAX)?;
        check_path("data-dir", &self.data_dir, 4096)?;
        check_range("service-cidr", &self.service_cidr)?;
        check_range("cluster-cidr", &self.cluster_cidr)?;
        if let Some(range) = &self.pod_cidr {
            check_range("pod-cidr", range)?;
        }
        match self.runtime {
            RuntimeKind::Sim { nodes: 0 } => Err(ConfigError::NoNodes),
            _ => Ok(()),
        }
    }
}

fn check_path(what: &'static str, path: &Path, max: usize) -> Result<(), ConfigError> {
    if path.is_absolute() && path.as_os_str().len() <= max {
        return Ok(());
    }
    Err(ConfigError::Path { what, path: path.to_owned(), max })
}

fn check_range(what: &'static str, value: &str) -> Result<(), ConfigError> {
    let good = value.split_once('/').is_some_and(|(address, bits)| {
        address.parse::<std::net::Ipv4Addr>().is_ok() && bits.parse::<u8>().is_ok_and(|bits| bits <= 32)
    });
    if good { Ok(()) } else { Err(ConfigError::Range { what, value: value.to_owned() }) }
}

fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    if name.is_empty() { "node".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_be_run() {
        let config = Config { node_name: "node-1".into(), ..Config::default() };
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn what_cannot_be_run_is_named() {
        let config = Config { node_name: "Node 1".into(), ..Config::default() };
        assert_eq!(config.check(), Err(ConfigError::NodeName("Node 1".into())));
        let config = Config { node_name: "n".into(), pod_cidr: Some("10.0.0.0".into()), ..Config::default() };
        assert!(matches!(config.check(), Err(ConfigError::Range { what: "pod-cidr", .. })));
    }
}
