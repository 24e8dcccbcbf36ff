//! Nodes with what they have, pods with where they are, and the samples of both.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rutter_apimachinery::quantity::Quantity;
use rutter_controller::{Fact, Outside, Reads};
use rutter_schemas::Key;
use rutter_schemas::protocol::node::{NodeStats, PodStats, Usage};
use serde_json::Value;

use crate::samples::{Sample, Samples};

#[derive(Debug, Default, PartialEq)]
pub struct View {
    pub(crate) nodes: BTreeMap<String, Capacity>,
    /// The uid of each pod, so that statistics of an earlier one of its name are told apart.
    pub(crate) pods: BTreeMap<Key, String>,
    pub(crate) used: Outside<Used>,
    reads: Reads,
}

/// What a node can give to pods.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Capacity {
    pub cpu_millis: u64,
    pub memory_bytes: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Used {
    pub nodes: BTreeMap<String, Samples>,
    pub pods: BTreeMap<Key, Samples>,
}

impl View {
    /// The statistics of a node, heard at `at`. Its own clock is not believed.
    pub fn heard(&mut self, node: &str, stats: &NodeStats, at: Timestamp) {
        if !self.nodes.contains_key(node) {
            return;
        }
        let Outside(used) = &mut self.used;
        used.nodes.entry(node.to_owned()).or_default().add(sample(&stats.usage, at));
        for pod in &stats.pods {
            let key = Key::new("", "pods", &pod.namespace, &pod.name);
            if self.pods.get(&key).is_some_and(|uid| *uid == pod.uid) {
                used.pods.entry(key).or_default().add(sample(&together(pod), at));
            }
        }
    }

    pub(crate) fn reads(&self) -> &Reads {
        &self.reads
    }

    pub(crate) fn apply(&mut self, fact: &Fact) {
        match fact.key.resource.as_str() {
            "nodes" => self.apply_node(fact),
            _ => self.apply_pod(fact),
        }
    }

    fn apply_node(&mut self, fact: &Fact) {
        let name = &fact.key.name;
        match fact.after() {
            Some(object) => {
                self.nodes.insert(name.clone(), capacity(&object["status"]["allocatable"]));
            }
            None => {
                self.nodes.remove(name);
                self.used.0.nodes.remove(name);
            }
        }
    }

    fn apply_pod(&mut self, fact: &Fact) {
        let is_there = fact.after().is_some();
        let old = if is_there {
            self.pods.insert(fact.key.clone(), fact.uid.clone())
        } else {
            self.pods.remove(&fact.key)
        };
        if !is_there || old.is_some_and(|old| old != fact.uid) {
            self.used.0.pods.remove(&fact.key);
        }
    }
}

fn capacity(allocatable: &Value) -> Capacity {
    let amount = |name: &str| Quantity::from_value(&allocatable[name]).ok();
    let positive = |amount: i64| u64::try_from(amount).unwrap_or_default();
    Capacity {
        cpu_millis: amount("cpu").map_or(0, |cpu| positive(cpu.millis())),
        memory_bytes: amount("memory").map_or(0, |memory| positive(memory.units())),
    }
}

fn sample(usage: &Usage, at: Timestamp) -> Sample {
    Sample {
        at,
        cpu_nanocores: usage.cpu_nanocores,
        memory_bytes: usage.memory_bytes,
        window_ms: usage.window_ms,
    }
}

/// What a pod's containers use together.
fn together(pod: &PodStats) -> Usage {
    pod.containers.values().fold(Usage::default(), |sum, container| Usage {
        cpu_nanocores: sum.cpu_nanocores + container.cpu_nanocores,
        cpu_nanoseconds: sum.cpu_nanoseconds + container.cpu_nanoseconds,
        memory_bytes: sum.memory_bytes + container.memory_bytes,
        window_ms: sum.window_ms.max(container.window_ms),
    })
}
