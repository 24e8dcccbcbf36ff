//! What the scheduler looks at: nodes with sums of what is taken of them, bound pods, and the pods that wait.

use std::collections::BTreeMap;
use std::sync::Arc;

use rutter_controller::read::{flag, holds, list, number, text};
use rutter_controller::{Fact, Reads};
use rutter_schemas::Key;
use serde_json::Value;

use crate::amounts::Amounts;
use crate::queue::{Rank, Waiting, read_waiting};
use crate::shape::{HostPort, Shape, Taint, read_taint};

#[derive(Debug, Default, PartialEq)]
pub struct View {
    nodes: BTreeMap<String, Node>,
    /// What bound pods take, by node, whether the node is known or not.
    taken: BTreeMap<String, Taken>,
    bound: BTreeMap<Key, Bound>,
    /// How many pods of an owner each node has.
    families: BTreeMap<String, BTreeMap<String, u32>>,
    waiting: BTreeMap<Rank, Waiting>,
    ranks: BTreeMap<Key, Rank>,
    reads: Reads,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub name: String,
    pub unschedulable: bool,
    /// Those that keep pods away, `NoSchedule` and `NoExecute`.
    pub taints: Vec<Taint>,
    pub labels: BTreeMap<String, String>,
    pub allocatable: Amounts,
    pub pods_most: i64,
}

/// What the pods of a node take of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Taken {
    pub pods: i64,
    pub amounts: Amounts,
    pub weight: (i64, i64),
    pub ports: Vec<HostPort>,
}

/// A pod that has its node.
#[derive(Clone, Debug, PartialEq)]
struct Bound {
    node: String,
    shape: Arc<Shape>,
    owner: Option<String>,
}

impl Taken {
    pub(crate) fn add(&mut self, shape: &Shape) {
        self.pods += 1;
        self.amounts.add(&shape.requests);
        self.weight = (self.weight.0 + shape.weight.0, self.weight.1 + shape.weight.1);
        self.ports.extend(shape.ports.iter().cloned());
        self.ports.sort_unstable();
    }

    fn subtract(&mut self, shape: &Shape) {
        self.pods -= 1;
        self.amounts.subtract(&shape.requests);
        self.weight = (self.weight.0 - shape.weight.0, self.weight.1 - shape.weight.1);
        for port in &shape.ports {
            if let Some(place) = self.ports.iter().position(|taken| taken == port) {
                self.ports.remove(place);
            }
        }
    }
}

impl View {
    /// All nodes in the order of their names, each with what is taken of it.
    pub(crate) fn nodes(&self) -> (Vec<&Node>, Vec<Taken>) {
        self.reads.count(self.nodes.len());
        let taken = self.nodes.keys().map(|name| self.taken.get(name).cloned().unwrap_or_default());
        (self.nodes.values().collect(), taken.collect())
    }

    /// The pods that wait, the most important first.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.values().inspect(|_| self.reads.count(1))
    }

    /// How many pods of an owner the nodes have that have any.
    pub(crate) fn family(&self, owner: &str) -> impl Iterator<Item = (&str, u32)> {
        self.families.get(owner).into_iter().flatten().map(|(node, count)| (node.as_str(), *count))
    }

    pub(crate) fn reads(&self) -> &Reads {
        &self.reads
    }

    pub(crate) fn apply_node(&mut self, fact: &Fact) {
        match fact.after() {
            Some(object) => self.nodes.insert(fact.key.name.clone(), read_node(fact, object)),
            None => self.nodes.remove(&fact.key.name),
        };
    }

    pub(crate) fn apply_pod(&mut self, fact: &Fact) {
        if let Some(rank) = self.ranks.remove(&fact.key) {
            self.waiting.remove(&rank);
        }
        if let Some(old) = self.bound.remove(&fact.key) {
            self.leave(&old);
        }
        let Some(object) = fact.after() else { return };
        if let Some(bound) = read_bound(fact, object) {
            self.enter(&bound);
            self.bound.insert(fact.key.clone(), bound);
        } else if let Some((rank, waiting)) = read_waiting(fact, object) {
            self.ranks.insert(fact.key.clone(), rank.clone());
            self.waiting.insert(rank, waiting);
        }
    }

    /// Whether the change of a node may let a pod find its place.
    pub(crate) fn is_moved_by_node(&self, fact: &Fact) -> bool {
        let new = fact.after().map(|object| read_node(fact, object));
        self.nodes.get(&fact.key.name) != new.as_ref()
    }

    /// Whether a pod begins to wait, or leaves room for one that does.
    pub(crate) fn is_moved_by_pod(&self, fact: &Fact) -> bool {
        let Some(object) = fact.after() else { return self.bound.contains_key(&fact.key) };
        let new = read_bound(fact, object);
        let leaves = self.bound.get(&fact.key).is_some_and(|old| new.as_ref() != Some(old));
        leaves || (new.is_none() && read_waiting(fact, object).is_some())
    }

    fn enter(&mut self, pod: &Bound) {
        self.taken.entry(pod.node.clone()).or_default().add(&pod.shape);
        if let Some(owner) = &pod.owner {
            *self.families.entry(owner.clone()).or_default().entry(pod.node.clone()).or_default() += 1;
        }
    }

    fn leave(&mut self, pod: &Bound) {
        if let Some(taken) = self.taken.get_mut(&pod.node) {
            taken.subtract(&pod.shape);
            if taken.pods == 0 {
                self.taken.remove(&pod.node);
            }
        }
        let Some(owner) = &pod.owner else { return };
        let Some(family) = self.families.get_mut(owner) else { return };
        if let Some(count) = family.get_mut(&pod.node) {
            *count -= 1;
            if *count == 0 {
                family.remove(&pod.node);
            }
        }
        if family.is_empty() {
            self.families.remove(owner);
        }
    }
}

fn read_node(fact: &Fact, object: &Value) -> Node {
    let taints = list(object, "/spec/taints").iter().map(read_taint);
    let mut taints: Vec<Taint> = taints.filter(|taint| taint.effect != "PreferNoSchedule").collect();
    let says = |key: &str| taints.iter().any(|taint| taint.key == key);
    if !holds(object, "Ready")
        && !says("node.kubernetes.io/not-ready")
        && !says("node.kubernetes.io/unreachable")
    {
        taints.push(not_ready());
    }
    Node {
        name: fact.key.name.clone(),
        unschedulable: flag(object, "/spec/unschedulable"),
        taints,
        labels: fact.meta.labels.clone(),
        allocatable: Amounts::read(&object["status"]["allocatable"]),
        pods_most: text(object, "/status/allocatable/pods")
            .parse()
            .unwrap_or_else(|_| number(object, "/status/allocatable/pods")),
    }
}

/// The taint that a node gets as soon as somebody has noticed that it isn't ready.
fn not_ready() -> Taint {
    Taint { key: "node.kubernetes.io/not-ready".into(), value: String::new(), effect: "NoSchedule".into() }
}

/// A pod takes room of its node until it has ended, also while it is being deleted.
fn read_bound(fact: &Fact, object: &Value) -> Option<Bound> {
    let node = text(object, "/spec/nodeName");
    let ended = matches!(text(object, "/status/phase"), "Succeeded" | "Failed");
    (!node.is_empty() && !ended).then(|| Bound {
        node: node.to_owned(),
        shape: Arc::new(Shape::read(object)),
        owner: owner(fact),
    })
}

/// The uid of the controlling owner: pods that have it in common are spread.
pub(crate) fn owner(fact: &Fact) -> Option<String> {
    fact.meta.owners.iter().find(|owner| owner.controller).map(|owner| owner.uid.clone())
}
