//! The `Node` object: registered at the start, its status told when it changes.

use std::fs;

use jiff::Timestamp;
use rutter_nodeagent_core::plan::NodeFacts;
use serde_json::{Value, json};

use crate::{Config, RuntimeKind};

/// What is registered: the object a first node makes.
pub(crate) fn node(cfg: &Config, facts: &NodeFacts) -> Value {
    let mut labels = json!({
        "kubernetes.io/hostname": facts.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": arch(),
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": arch(),
    });
    for (key, value) in &cfg.labels {
        labels[key] = json!(value);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": facts.name, "labels": labels},
        "spec": {},
    })
}

/// The parts of its status that the node tells.
pub(crate) fn status(
    cfg: &Config,
    facts: &NodeFacts,
    trouble: Option<&str>,
    images: Value,
    now: Timestamp,
) -> Value {
    let resources = json!({
        "cpu": (facts.cpu_milli / 1000).to_string(),
        "memory": format!("{}Ki", facts.memory_bytes / 1024),
        "pods": cfg.max_pods.to_string(),
        "ephemeral-storage": format!("{}Ki", disk_kib(cfg)),
    });
    let addresses: Vec<Value> = facts
        .host_ips
        .iter()
        .map(|ip| json!({"type": "InternalIP", "address": ip}))
        .chain([json!({"type": "Hostname", "address": facts.name})])
        .collect();
    json!({
        "capacity": resources,
        "allocatable": resources,
        "addresses": addresses,
        "nodeInfo": info(cfg),
        "conditions": conditions(trouble, now),
        "images": images,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
    })
}

fn conditions(trouble: Option<&str>, now: Timestamp) -> Value {
    let at = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": at, "lastTransitionTime": at,
        })
    };
    let ready = match trouble {
        None => condition("Ready", "True", "KubeletReady", "the node agent is posting ready status"),
        Some(why) => condition("Ready", "False", "KubeletNotReady", why),
    };
    json!([
        condition(
            "MemoryPressure",
            "False",
            "KubeletHasSufficientMemory",
            "the node has sufficient memory available"
        ),
        condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "the node has no disk pressure"),
        condition("PIDPressure", "False", "KubeletHasSufficientPID", "the node has sufficient PID available"),
        ready,
    ])
}

fn info(cfg: &Config) -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let uname = rustix::system::uname();
    let runtime = match cfg.runtime {
        RuntimeKind::Containerd => "containerd://1.6",
        RuntimeKind::Sim { .. } => "sim://1",
    };
    json!({
        "machineID": read("/etc/machine-id"),
        "systemUUID": read("/sys/class/dmi/id/product_uuid"),
        "bootID": read("/proc/sys/kernel/random/boot_id"),
        "kernelVersion": uname.release().to_string_lossy(),
        "osImage": os_image(&fs::read_to_string("/etc/os-release").unwrap_or_default()),
        "containerRuntimeVersion": runtime,
        "kubeletVersion": format!("v1.36.0+rutter-{}", env!("CARGO_PKG_VERSION")),
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": arch(),
    })
}

fn os_image(release: &str) -> String {
    let line = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    line.unwrap_or("Linux").trim_matches('"').to_owned()
}

/// Go's name of the architecture.
fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn disk_kib(cfg: &Config) -> u64 {
    rustix::fs::statvfs(&cfg.data_dir).map_or(0, |disk| disk.f_blocks * disk.f_frsize / 1024)
}
