//! Fake nodes: each says through a gateway what it has, runs what is bound to it, with a delay, and ends what is
//! deleted. A silent node does nothing until it comes back.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use rutter_controller::{Fact, Intent, read};
use rutter_schemas::Key;
use serde_json::{Value, json};

use crate::decide::{Draft, Refusal};
use crate::model::Model;
use crate::process::Role;
use crate::rng::Rng;
use crate::time::Time;
use crate::world::{Happening, World};
use crate::write::{Ended, Purpose};

/// How often a node looks at what is bound to it.
const LOOK_EVERY: Time = Time::millis(300);
const ATTEMPTS: u32 = 4;

/// What a node does through a gateway.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Duty {
    Register { node: String },
    Report { node: String, cpu_millis: u64 },
    Run { pod: Key, uid: String },
    End { pod: Key, uid: String },
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Duty::Register { node } => write!(f, "register {node}"),
            Duty::Report { node, .. } => write!(f, "report the status of {node}"),
            Duty::Run { pod, .. } => write!(f, "{} is running", pod.name),
            Duty::End { pod, .. } => write!(f, "{} has ended", pod.name),
        }
    }
}

impl Duty {
    pub fn draft(&self, model: &Model, now: Time) -> Result<Draft, Refusal> {
        let intent = match self {
            Duty::Register { node } => model.get(&node_key(node)).is_none().then(|| register(node)),
            Duty::Report { node, cpu_millis } => {
                model.get(&node_key(node)).and_then(|fact| report(fact, *cpu_millis, now))
            }
            Duty::Run { pod, uid } => same(model, pod, uid).and_then(|fact| run(fact, now)),
            Duty::End { pod, uid } => same(model, pod, uid).map(|fact| end(fact)),
        };
        Ok(Draft {
            intents: intent.into_iter().collect(),
            guards: Vec::new(),
            counters: Vec::new(),
            base: model.revision,
            cause: None,
            why: self.to_string(),
            user: "system:node".into(),
            via: "nodeagent",
        })
    }
}

fn node_key(name: &str) -> Key {
    Key::new("", "nodes", "", name)
}

fn register(name: &str) -> Intent {
    let object = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}});
    Intent::Create { object }
}

fn report(fact: &Fact, cpu_millis: u64, now: Time) -> Option<Intent> {
    let capacity = json!({"cpu": format!("{cpu_millis}m"), "memory": "8Gi", "pods": "110"});
    let status =
        json!({"capacity": capacity, "allocatable": capacity, "conditions": [ready("KubeletReady", now)]});
    let is_ready = read::holds(fact.object(), "Ready");
    (!is_ready).then(|| status_of(fact, status))
}

fn run(fact: &Fact, now: Time) -> Option<Intent> {
    let pod = fact.object();
    if is_running(pod) || read::text(pod, "/spec/nodeName").is_empty() {
        return None;
    }
    let status = json!({"phase": "Running", "podIP": address(&fact.uid), "startTime": read::stamp(now.stamp()),
                        "conditions": [ready("", now)]});
    Some(status_of(fact, status))
}

/// An address of its own for each pod, or nearly so.
fn address(uid: &str) -> String {
    let sum = uid.bytes().fold(7u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    format!("10.{}.{}.{}", sum >> 16 & 255, sum >> 8 & 255, sum & 255)
}

fn end(fact: &Fact) -> Intent {
    let (key, expect) = (fact.key.clone(), fact.revision);
    Intent::Delete { key, expect, uid: Some(fact.uid.clone()), grace_seconds: Some(0), propagation: None }
}

fn status_of(fact: &Fact, status: Value) -> Intent {
    let patch = json!({ "status": status });
    Intent::Merge { key: fact.key.clone(), expect: fact.revision, patch, subresource: Some("status") }
}

fn ready(reason: &str, now: Time) -> Value {
    json!({"type": "Ready", "status": "True", "reason": reason, "lastTransitionTime": read::stamp(now.stamp())})
}

/// The object by that name, if it is still that one.
fn same<'a>(model: &'a Model, key: &Key, uid: &str) -> Option<&'a Arc<Fact>> {
    model.get(key).filter(|fact| fact.uid == uid)
}

fn is_running(pod: &Value) -> bool {
    read::text(pod, "/status/phase") == "Running" && read::holds(pod, "Ready")
}

/// What a node has to do about a pod that is bound to it.
fn due(fact: &Fact) -> Option<Duty> {
    let (pod, key, uid) = (fact.object(), fact.key.clone(), fact.uid.clone());
    if fact.meta.deletion.is_some() {
        return Some(Duty::End { pod: key, uid });
    }
    (!is_running(pod)).then_some(Duty::Run { pod: key, uid })
}

#[derive(Debug)]
struct Node {
    name: String,
    cpu_millis: u64,
    silent_until: Time,
}

/// All fake nodes.
#[derive(Debug)]
pub struct Nodes {
    nodes: Vec<Node>,
    doing: BTreeSet<Duty>,
}

impl Nodes {
    pub(crate) fn new(rng: &mut Rng) -> Nodes {
        let cpu_millis = 500 * rng.between(2, 6);
        let node = |n| Node { name: format!("n{n}"), cpu_millis, silent_until: Time::default() };
        Nodes { nodes: (1..=rng.between(2, 4)).map(node).collect(), doing: BTreeSet::new() }
    }

    pub(crate) fn count(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn busy_with(&self, now: Time) -> Option<String> {
        let silent = self.nodes.iter().find(|node| node.silent_until > now);
        silent
            .map(|node| format!("{} is silent", node.name))
            .or_else(|| self.doing.first().map(Duty::to_string))
    }

    /// Their heartbeats are heard.
    pub(crate) fn that_answer(&self, now: Time) -> Vec<String> {
        self.nodes.iter().filter(|node| node.silent_until <= now).map(|node| node.name.clone()).collect()
    }

    /// It hears and says nothing until then.
    pub(crate) fn silence(&mut self, node: usize, until: Time) -> &str {
        self.nodes[node].silent_until = until;
        &self.nodes[node].name
    }
}

impl World {
    pub(crate) fn start_nodes(&mut self) {
        for node in 0..self.nodes.count() {
            let delay = self.rng.time(Time::millis(1_300), Time::millis(2_000));
            self.after(delay, Happening::NodeActs { node });
        }
    }

    pub(crate) fn node_acts(&mut self, node: usize) {
        let jitter = self.rng.time(Time::default(), LOOK_EVERY);
        self.after(LOOK_EVERY + jitter, Happening::NodeActs { node });
        if self.nodes.nodes[node].silent_until > self.now {
            return;
        }
        let gateways = self.processes.iter().filter(|process| process.role == Role::Gateway && process.up);
        let gateways: Vec<usize> = gateways.map(|process| process.life.index).collect();
        let Some(gateway) = self.rng.pick(&gateways).copied() else { return };
        for duty in self.duties(node, gateway) {
            if self.nodes.doing.insert(duty.clone()) {
                self.write(gateway, Purpose::Node(duty), ATTEMPTS);
            }
        }
    }

    /// What a node finds to do in what its gateway shows it.
    fn duties(&self, node: usize, gateway: usize) -> Vec<Duty> {
        let Node { name, cpu_millis, .. } = &self.nodes.nodes[node];
        let model = &self.processes[gateway].model;
        let Some(itself) = model.get(&node_key(name)) else {
            return vec![Duty::Register { node: name.clone() }];
        };
        let mut duties = Vec::new();
        if !read::holds(itself.object(), "Ready") {
            duties.push(Duty::Report { node: name.clone(), cpu_millis: *cpu_millis });
        }
        let bound = model.list("", "pods").filter(|pod| read::text(pod.object(), "/spec/nodeName") == name);
        duties.extend(bound.filter_map(|pod| due(pod)));
        duties
    }

    /// Nodes that still have something to do, by what the log says.
    pub(crate) fn nodes_owe(&self) -> Option<String> {
        let pods = self.laws.log.rows().filter(|fact| fact.is("", "pods"));
        let bound = pods.filter(|pod| !read::text(pod.object(), "/spec/nodeName").is_empty());
        bound.filter_map(|pod| due(pod)).map(|duty| format!("a node has to see that {duty}")).next()
    }

    pub(crate) fn duty_ended(&mut self, duty: &Duty, _: &Ended) {
        self.nodes.doing.remove(duty);
    }
}

/// What a pod asks of its node, in thousandths of a CPU.
pub fn cpu_millis(pod: &Value) -> u64 {
    let containers = read::list(pod, "/spec/containers").iter();
    containers.map(|container| millis(read::text(container, "/resources/requests/cpu"))).sum()
}

/// Of a quantity as this simulator writes it.
pub fn millis(quantity: &str) -> u64 {
    match quantity.strip_suffix('m') {
        Some(millis) => millis.parse().unwrap_or_default(),
        None => quantity.parse::<u64>().unwrap_or_default() * 1_000,
    }
}
