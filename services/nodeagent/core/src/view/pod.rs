//! Pods.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Container, Meta, PodSecurity, Volume};

/// A `Pod` as its node reads it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pod {
    pub metadata: Meta,
    pub spec: PodSpec,
    pub status: PodStatus,
}

impl Pod {
    /// `name_namespace(uid)`, as kubelet writes a pod in messages.
    pub fn display(&self) -> String {
        format!("{}_{}({})", self.metadata.name, self.metadata.namespace, self.metadata.uid)
    }

    pub fn is_terminating(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// All containers: init containers, the pod's own, and those that were added for a look inside.
    pub fn containers(&self) -> impl Iterator<Item = &Container> {
        self.declared().chain(&self.spec.ephemeral_containers)
    }

    /// The containers that the pod was made with, in the order they are started: init containers first.
    pub fn declared(&self) -> impl Iterator<Item = &Container> {
        self.spec.init_containers.iter().chain(&self.spec.containers)
    }

    pub fn container(&self, name: &str) -> Option<&Container> {
        self.containers().find(|container| container.name == name)
    }
}

/// `PodSpec`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    pub init_containers: Vec<Container>,
    pub containers: Vec<Container>,
    #[serde(deserialize_with = "super::container::ephemeral")]
    pub ephemeral_containers: Vec<Container>,
    pub volumes: Vec<Volume>,
    pub restart_policy: RestartPolicy,
    pub termination_grace_period_seconds: Option<u64>,
    pub active_deadline_seconds: Option<u64>,
    pub dns_policy: Option<String>,
    pub dns_config: DnsConfig,
    pub service_account_name: String,
    pub node_name: String,
    pub host_network: bool,
    #[serde(rename = "hostPID")]
    pub host_pid: bool,
    #[serde(rename = "hostIPC")]
    pub host_ipc: bool,
    pub share_process_namespace: bool,
    pub security_context: PodSecurity,
    pub hostname: Option<String>,
    pub subdomain: Option<String>,
    #[serde(rename = "setHostnameAsFQDN")]
    pub set_hostname_as_fqdn: bool,
    pub host_aliases: Vec<HostAlias>,
    pub enable_service_links: Option<bool>,
    pub readiness_gates: Vec<ReadinessGate>,
    pub priority: i64,
    pub overhead: BTreeMap<String, String>,
}

impl PodSpec {
    /// The API's default is 30 s.
    pub fn grace_secs(&self) -> u64 {
        self.termination_grace_period_seconds.unwrap_or(30)
    }
}

/// When a container that ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum RestartPolicy {
    #[default]
    Always,
    OnFailure,
    Never,
}

/// `PodDNSConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DnsConfig {
    pub nameservers: Vec<String>,
    pub searches: Vec<String>,
    pub options: Vec<DnsOption>,
}

/// `PodDNSConfigOption`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DnsOption {
    pub name: String,
    pub value: Option<String>,
}

/// A line for `/etc/hosts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HostAlias {
    pub ip: String,
    pub hostnames: Vec<String>,
}

/// A condition that others set and Ready waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReadinessGate {
    pub condition_type: String,
}

/// What was last written about the pod; the node reads back what must not be forgotten over its own restart.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "Value")]
pub struct PodStatus {
    /// All of it, as written.
    pub written: Value,
    pub phase: Option<String>,
    pub start_time: Option<String>,
    pub conditions: Vec<Condition>,
}

impl From<Value> for PodStatus {
    fn from(written: Value) -> PodStatus {
        let text = |name: &str| written[name].as_str().map(str::to_owned);
        let conditions = written["conditions"].as_array().into_iter().flatten();
        let conditions = conditions.filter_map(|one| Condition::deserialize(one).ok());
        PodStatus {
            phase: text("phase"),
            start_time: text("startTime"),
            conditions: conditions.collect(),
            written,
        }
    }
}

impl PodStatus {
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// The status of a container, as written.
    pub fn container(&self, name: &str) -> Option<&Value> {
        let lists = ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"];
        let mut all = lists.into_iter().flat_map(|list| self.written[list].as_array().into_iter().flatten());
        all.find(|status| status["name"] == name)
    }

    /// No container of the pod will ever run again.
    pub fn is_terminal(&self) -> bool {
        matches!(self.phase.as_deref(), Some("Succeeded" | "Failed"))
    }
}

/// `PodCondition`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    pub reason: Option<String>,
    pub message: Option<String>,
    pub last_transition_time: Option<String>,
    pub observed_generation: Option<i64>,
}
