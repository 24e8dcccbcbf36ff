//! What the controller of nodes looks at: nodes, the pods on them, and what was heard of them outside the log.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rutter_controller::read::{created, flag, list, text};
use rutter_controller::{Fact, Outside, Reads};
use rutter_schemas::{Key, Revision};
use serde_json::Value;

use super::Ready;
use super::silence::Hearing;

#[derive(Debug, Default, PartialEq)]
pub struct View {
    nodes: BTreeMap<String, Node>,
    pods: BTreeMap<Key, Pod>,
    pods_on: BTreeMap<String, BTreeSet<Key>>,
    hearing: Outside<Hearing>,
    reads: Reads,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub key: Key,
    pub revision: Revision,
    pub created: Timestamp,
    pub ready: Ready,
    pub unschedulable: bool,
    pub taints: Vec<Value>,
    pub conditions: Vec<Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pod {
    pub key: Key,
    pub uid: String,
    pub revision: Revision,
    pub node: String,
    pub deleting: bool,
    pub ended: bool,
    pub tolerations: Vec<Value>,
    pub conditions: Vec<Value>,
}

impl Pod {
    pub(crate) fn is_ready(&self) -> bool {
        self.conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    }
}

impl View {
    /// What was heard outside the log, to be told by whoever listens.
    pub fn hearing_mut(&mut self) -> &mut Hearing {
        let Outside(hearing) = &mut self.hearing;
        hearing
    }

    pub(super) fn hearing(&self) -> &Hearing {
        let Outside(hearing) = &self.hearing;
        hearing
    }

    pub(super) fn node(&self, name: &str) -> Option<&Node> {
        self.reads.count(1);
        self.nodes.get(name)
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    pub(super) fn pods_on(&self, node: &str) -> impl Iterator<Item = &Pod> {
        self.pods_on.get(node).into_iter().flatten().filter_map(|key| {
            self.reads.count(1);
            self.pods.get(key)
        })
    }

    pub(super) fn reads(&self) -> &Reads {
        &self.reads
    }

    pub(super) fn apply_node(&mut self, fact: &Fact) {
        let name = &fact.key.name;
        match fact.after() {
            Some(object) => {
                self.nodes.insert(name.clone(), read_node(fact, object));
            }
            None => {
                self.nodes.remove(name);
                self.hearing_mut().forget(name);
            }
        }
    }

    pub(super) fn apply_pod(&mut self, fact: &Fact) {
        if let Some(old) = self.pods.remove(&fact.key)
            && let Some(keys) = self.pods_on.get_mut(&old.node)
        {
            keys.remove(&old.key);
            if keys.is_empty() {
                self.pods_on.remove(&old.node);
            }
        }
        let Some(pod) = fact.after().and_then(|object| read_pod(fact, object)) else { return };
        self.pods_on.entry(pod.node.clone()).or_default().insert(pod.key.clone());
        self.pods.insert(pod.key.clone(), pod);
    }

    /// The node on which a pod is, if that node is in trouble: on the others there is nothing to do.
    pub(super) fn woken_by_pod(&self, fact: &Fact) -> Vec<Key> {
        let Some(pod) = fact.after().and_then(|object| read_pod(fact, object)) else { return Vec::new() };
        let node = self.nodes.get(&pod.node).filter(|node| {
            node.ready != Ready::True || node.taints.iter().any(|taint| taint["effect"] == "NoExecute")
        });
        node.map(|node| node.key.clone()).into_iter().collect()
    }
}

fn read_node(fact: &Fact, object: &Value) -> Node {
    let conditions = list(object, "/status/conditions").to_vec();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
    Node {
        key: fact.key.clone(),
        revision: fact.revision,
        created: created(object),
        ready: match ready.map(|condition| text(condition, "/status")) {
            Some("True") => Ready::True,
            Some("Unknown") => Ready::Unknown,
            _ => Ready::False,
        },
        unschedulable: flag(object, "/spec/unschedulable"),
        taints: list(object, "/spec/taints").to_vec(),
        conditions,
    }
}

/// A pod that is bound to a node.
fn read_pod(fact: &Fact, object: &Value) -> Option<Pod> {
    let node = text(object, "/spec/nodeName").to_owned();
    (!node.is_empty()).then(|| Pod {
        key: fact.key.clone(),
        uid: fact.uid.clone(),
        revision: fact.revision,
        node,
        deleting: fact.meta.deletion.is_some(),
        ended: matches!(text(object, "/status/phase"), "Succeeded" | "Failed"),
        tolerations: list(object, "/spec/tolerations").to_vec(),
        conditions: list(object, "/status/conditions").to_vec(),
    })
}
