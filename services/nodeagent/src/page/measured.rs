//! What runs and what it uses now, from the kernel's counters; rates from the agent's last sample.

use std::collections::HashMap;

use jiff::Timestamp;
use rutter_schemas::protocol::node::{NodeStats, Usage};
use serde_json::Value;

use super::{Pages, pods};
use crate::node::cgroups::{self, Memory};
use crate::node::{facts, stats};
use crate::stream::Streams;

pub(super) struct Measured {
    pub(super) at: Timestamp,
    pub(super) node: Use,
    pub(super) pods: Vec<PodUse>,
}

pub(super) struct PodUse {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) started_at: Option<Timestamp>,
    pub(super) whole: Use,
    pub(super) containers: Vec<ContainerUse>,
}

pub(super) struct ContainerUse {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) image: String,
    pub(super) cgroup: String,
    pub(super) started_at: Option<Timestamp>,
    pub(super) used: Use,
}

#[derive(Default)]
pub(super) struct Use {
    pub(super) cpu_nanocores: u64,
    pub(super) cpu_nanoseconds: u64,
    pub(super) memory: Memory,
}

/// None when the agent is ending.
pub(super) async fn now(pages: &Pages, streams: &Streams) -> Option<Measured> {
    let node = &pages.cfg.node_name;
    let look = streams.know(|node, objects| (stats::running(node), pods::of_node(objects)));
    let (running, objects) = look.await.ok()?;
    let statuses: HashMap<String, Value> = objects
        .iter()
        .filter_map(|object| serde_json::from_str::<Value>(object.get()).ok())
        .filter_map(|pod| Some((pod["metadata"]["uid"].as_str()?.to_owned(), pod["status"].clone())))
        .collect();
    let sampled = pages.sampled.borrow().clone();
    let pods = running.into_iter().filter(|pod| !pod.containers.is_empty());
    let pods = pods.map(|pod| of_pod(node, pod, &statuses, &sampled)).collect();
    let rate = sampled.usage.cpu_nanocores;
    let whole =
        Use { cpu_nanocores: rate, cpu_nanoseconds: stats::machine_cpu_nanoseconds(), memory: machine() };
    Some(Measured { at: Timestamp::now(), node: whole, pods })
}

fn of_pod(
    node: &str,
    pod: stats::PodSample,
    statuses: &HashMap<String, Value>,
    sampled: &NodeStats,
) -> PodUse {
    let status = statuses.get(&pod.uid).cloned().unwrap_or_default();
    let rates = sampled.pods.iter().find(|known| known.uid == pod.uid).map(|known| &known.containers);
    let rate =
        |name: &str| rates.and_then(|rates| rates.get(name)).map_or(0, |usage: &Usage| usage.cpu_nanocores);
    let containers: Vec<ContainerUse> = pod
        .containers
        .iter()
        .map(|(name, id)| {
            let told = of_container(&status, name);
            let cgroup = cgroups::container(node, &pod.uid, id);
            ContainerUse {
                name: name.clone(),
                id: id.clone(),
                image: told["image"].as_str().unwrap_or_default().to_owned(),
                started_at: time(&told["state"]["running"]["startedAt"]),
                used: used(&cgroup, rate(name)),
                cgroup,
            }
        })
        .collect();
    let whole = used(
        &cgroups::pod(node, &pod.uid),
        containers.iter().map(|container| container.used.cpu_nanocores).sum(),
    );
    PodUse {
        namespace: pod.namespace,
        name: pod.name,
        uid: pod.uid,
        started_at: time(&status["startTime"]),
        whole,
        containers,
    }
}

fn of_container(status: &Value, name: &str) -> Value {
    let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    let mut all = lists.iter().flat_map(|list| status[list].as_array().into_iter().flatten());
    all.find(|one| one["name"] == name).cloned().unwrap_or_default()
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn used(cgroup: &str, cpu_nanocores: u64) -> Use {
    Use { cpu_nanocores, cpu_nanoseconds: cgroups::cpu_nanoseconds(cgroup), memory: cgroups::memory(cgroup) }
}

fn machine() -> Memory {
    let line = |name: &str| facts::meminfo(name).and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
    let total = line("MemTotal:");
    Memory {
        usage: total.saturating_sub(line("MemFree:")),
        working_set: total.saturating_sub(line("MemAvailable:")),
        rss: line("AnonPages:"),
    }
}
