//! Statistics: what the node and each container use, from the kernel's own counters. They are also the heartbeat.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use jiff::Timestamp;
use rutter_nodeagent_core::node::Node;
use rutter_schemas::protocol::node::{NodeStats, PodStats, Usage};

use super::{cgroups, facts};

/// Remembers the sample before, since usage is a difference.
#[derive(Default)]
pub(crate) struct Sampler {
    before: HashMap<String, (u64, Instant)>,
}

/// The running containers of a pod, by name.
pub(crate) struct PodSample {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) containers: BTreeMap<String, String>,
}

/// What is to be measured.
pub(crate) fn running(node: &Node) -> Vec<PodSample> {
    node.pods()
        .map(|(uid, machine)| {
            let meta = &machine.pod().metadata;
            let names = machine.pod().containers().map(|container| container.name.clone());
            let running = names.filter_map(|name| {
                let id = machine.running_container(&name)?.to_owned();
                Some((name, id))
            });
            PodSample {
                namespace: meta.namespace.clone(),
                name: meta.name.clone(),
                uid: uid.clone(),
                containers: running.collect(),
            }
        })
        .collect()
}

impl Sampler {
    pub(crate) fn sample(&mut self, node: &str, pods: Vec<PodSample>) -> NodeStats {
        let mut seen = HashMap::new();
        let usage = self.usage("", machine_cpu_nanoseconds(), machine_memory_bytes(), &mut seen);
        let pods = pods
            .into_iter()
            .map(|pod| {
                let containers = pod.containers.iter().map(|(name, id)| {
                    let cgroup = cgroups::container(node, &pod.uid, id);
                    let (cpu, memory) =
                        (cgroups::cpu_nanoseconds(&cgroup), cgroups::memory(&cgroup).working_set);
                    (name.clone(), self.usage(id, cpu, memory, &mut seen))
                });
                let containers = containers.collect();
                PodStats { namespace: pod.namespace, name: pod.name, uid: pod.uid, containers }
            })
            .collect();
        self.before = seen;
        NodeStats { node: node.to_owned(), at: Timestamp::now().to_string(), usage, pods }
    }

    fn usage(&self, what: &str, cpu: u64, memory: u64, seen: &mut HashMap<String, (u64, Instant)>) -> Usage {
        let now = Instant::now();
        seen.insert(what.to_owned(), (cpu, now));
        let (before, since) = self.before.get(what).copied().unwrap_or((cpu, now));
        let window_ms = u64::try_from(now.duration_since(since).as_millis()).unwrap_or(u64::MAX);
        let spent = cpu.saturating_sub(before);
        let cpu_nanocores = spent.saturating_mul(1000).checked_div(window_ms).unwrap_or(0);
        Usage { cpu_nanocores, cpu_nanoseconds: cpu, memory_bytes: memory, window_ms }
    }
}

/// Time all processors spent working since the boot.
pub(crate) fn machine_cpu_nanoseconds() -> u64 {
    const TICK_NANOSECONDS: u64 = 10_000_000;
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user already.
    let busy: u64 =
        ticks.iter().take(8).enumerate().filter(|(at, _)| !matches!(at, 3 | 4)).map(|(_, t)| t).sum();
    busy * TICK_NANOSECONDS
}

fn machine_memory_bytes() -> u64 {
    let used = facts::memory_bytes() - facts::meminfo("MemAvailable:").unwrap_or(0);
    u64::try_from(used).unwrap_or(0)
}
