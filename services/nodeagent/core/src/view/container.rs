//! Containers, their environment, probes and hooks.

use std::collections::BTreeMap;

use rutter_quantity::Quantity;
use serde::{Deserialize, Serialize};

use crate::resources::amount;

use super::{ContainerSecurity, PortValue, RestartPolicy};

/// `Container`, of either list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    pub name: String,
    pub image: String,
    pub image_pull_policy: Option<PullPolicy>,
    pub command: Vec<String>,
    pub args: Vec<String>,
    pub working_dir: String,
    pub ports: Vec<Port>,
    pub env: Vec<EnvVar>,
    pub env_from: Vec<EnvFrom>,
    pub resources: Resources,
    pub resize_policy: Vec<ResizePolicy>,
    pub volume_mounts: Vec<VolumeMount>,
    pub liveness_probe: Option<Probe>,
    pub readiness_probe: Option<Probe>,
    pub startup_probe: Option<Probe>,
    pub lifecycle: Lifecycle,
    pub termination_message_path: Option<String>,
    pub termination_message_policy: TerminationMessagePolicy,
    pub security_context: ContainerSecurity,
    pub stdin: bool,
    pub stdin_once: bool,
    pub tty: bool,
    /// Its own, in the place of the pod's: `Always` makes an init container a sidecar.
    pub restart_policy: Option<RestartPolicy>,
    /// The container whose processes an ephemeral one sees.
    pub target_container_name: String,
}

impl Container {
    /// An init container that runs as long as the pod does (KEP 753).
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy == Some(RestartPolicy::Always)
    }

    pub fn pull_policy(&self) -> PullPolicy {
        self.image_pull_policy.unwrap_or_else(|| PullPolicy::default_of(&self.image))
    }

    pub fn termination_message_path(&self) -> &str {
        self.termination_message_path.as_deref().unwrap_or("/dev/termination-log")
    }

    /// A change of this resource wants a new instance.
    pub fn restarts_for(&self, resource: &str) -> bool {
        let policy = self.resize_policy.iter().find(|policy| policy.resource_name == resource);
        policy.is_some_and(|policy| policy.restart_policy == "RestartContainer")
    }

    /// A probe's or hook's port: a number, or the name of one of this container's ports.
    pub fn port(&self, port: &PortValue) -> Option<u16> {
        match port {
            PortValue::Number(number) => Some(*number),
            PortValue::Name(name) => match self.ports.iter().find(|port| port.name == *name) {
                Some(port) => Some(port.container_port),
                None => name.parse().ok(),
            },
        }
    }
}

/// Ephemeral containers run once, whatever the pod's policy is (KEP 277).
pub(super) fn ephemeral<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Container>, D::Error> {
    let mut containers = Option::<Vec<Container>>::deserialize(from)?.unwrap_or_default();
    for container in &mut containers {
        container.restart_policy = Some(RestartPolicy::Never);
    }
    Ok(containers)
}

/// When an image is asked for at its registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

impl PullPolicy {
    /// The API defaults it by the image's tag; so does this, for objects that weren't defaulted.
    pub fn default_of(image: &str) -> PullPolicy {
        let tag = image.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
        let floating = !image.contains('@') && tag.is_none_or(|tag| tag == "latest");
        if floating { PullPolicy::Always } else { PullPolicy::IfNotPresent }
    }
}

/// Where the message of a container's end comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum TerminationMessagePolicy {
    #[default]
    File,
    /// The end of the log, when the file is empty and the container failed.
    FallbackToLogsOnError,
}

/// `ContainerPort`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Port {
    pub name: String,
    pub container_port: u16,
    pub host_port: u16,
    #[serde(rename = "hostIP")]
    pub host_ip: String,
    pub protocol: Option<String>,
}

/// `EnvVar`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvVar {
    pub name: String,
    pub value: String,
    pub value_from: Option<EnvVarSource>,
}

/// `EnvVarSource`: one of them is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvVarSource {
    pub field_ref: Option<FieldRef>,
    pub resource_field_ref: Option<ResourceFieldRef>,
    pub config_map_key_ref: Option<KeyRef>,
    pub secret_key_ref: Option<KeyRef>,
}

/// A field of the pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldRef {
    pub field_path: String,
}

/// A resource of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceFieldRef {
    pub container_name: String,
    pub resource: String,
    pub divisor: Option<String>,
}

/// A key of a ConfigMap or Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct KeyRef {
    pub name: String,
    pub key: String,
    pub optional: bool,
}

/// All keys of a ConfigMap or Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvFrom {
    pub prefix: String,
    pub config_map_ref: Option<NameRef>,
    pub secret_ref: Option<NameRef>,
}

/// A ConfigMap or Secret as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct NameRef {
    pub name: String,
    pub optional: bool,
}

/// `ResourceRequirements`: quantities as written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, String>,
}

impl Resources {
    /// Whether both say the same, however the amounts are written.
    pub fn is_same(&self, other: &Resources) -> bool {
        let amounts = |side: &BTreeMap<String, String>| -> BTreeMap<String, Option<Quantity>> {
            side.iter().map(|(name, amount)| (name.clone(), amount.parse().ok())).collect()
        };
        amounts(&self.limits) == amounts(&other.limits) && amounts(&self.requests) == amounts(&other.requests)
    }

    /// Whether both say the same of one resource.
    pub fn is_same_in(&self, other: &Resources, resource: &str) -> bool {
        amount(&self.limits, resource) == amount(&other.limits, resource)
            && amount(&self.requests, resource) == amount(&other.requests, resource)
    }

    /// What is asked for of a resource; nothing where that isn't said.
    pub fn requested(&self, resource: &str) -> Quantity {
        amount(&self.requests, resource).unwrap_or(Quantity::ZERO)
    }
}

/// `ContainerResizePolicy`: whether a change of a resource wants a new instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResizePolicy {
    pub resource_name: String,
    pub restart_policy: String,
}

/// `VolumeMount`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeMount {
    pub name: String,
    pub mount_path: String,
    pub read_only: bool,
    pub sub_path: String,
    pub sub_path_expr: String,
    pub mount_propagation: Option<String>,
}

/// `Lifecycle`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Lifecycle {
    pub post_start: Option<Handler>,
    pub pre_stop: Option<Handler>,
    pub stop_signal: Option<String>,
}

/// What a probe or hook does: one of them is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Handler {
    pub exec: Option<ExecAction>,
    pub http_get: Option<HttpAction>,
    pub tcp_socket: Option<TcpAction>,
    pub grpc: Option<GrpcAction>,
    pub sleep: Option<SleepAction>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ExecAction {
    pub command: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpAction {
    pub path: String,
    pub port: PortValue,
    /// The pod's address if empty.
    pub host: String,
    pub scheme: String,
    pub http_headers: Vec<HttpHeader>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HttpHeader {
    pub name: String,
    pub value: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TcpAction {
    pub port: PortValue,
    pub host: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GrpcAction {
    pub port: u16,
    pub service: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SleepAction {
    pub seconds: u64,
}

/// `Probe`, with the API's defaults.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Probe {
    #[serde(flatten)]
    pub handler: Handler,
    pub initial_delay_seconds: u64,
    pub timeout_seconds: u64,
    pub period_seconds: u64,
    pub success_threshold: u32,
    pub failure_threshold: u32,
    pub termination_grace_period_seconds: Option<u64>,
}

impl Default for Probe {
    fn default() -> Probe {
        Probe {
            handler: Handler::default(),
            initial_delay_seconds: 0,
            timeout_seconds: 1,
            period_seconds: 10,
            success_threshold: 1,
            failure_threshold: 3,
            termination_grace_period_seconds: None,
        }
    }
}
