//! The Leases of nodes, for the clients that read them: renewed for all nodes that were heard, together, every twenty
//! seconds. Nothing of ours reads them; what a node's silence means is decided by [`crate::node_lifecycle`].

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use rutter_controller::read::text;
use rutter_controller::{Controller, Fact, Outside, Plan, Reads};
use rutter_schemas::{Key, Revision};
use serde_json::{Value, json};

use crate::owners::references;

const NAMESPACE: &str = "kube-node-lease";
const EVERY: SignedDuration = SignedDuration::from_secs(20);
const LEASE_SECONDS: i64 = 40;

/// How many Leases one commit renews.
const BATCH: usize = 500;

/// The controller of the Leases of nodes.
#[derive(Debug)]
pub struct NodeLeases;

/// All Leases are looked at together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AllNodes;

impl fmt::Display for AllNodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all nodes")
    }
}

#[derive(Debug, Default, PartialEq)]
pub struct View {
    /// The uids of the nodes.
    nodes: BTreeMap<String, String>,
    leases: BTreeMap<String, Lease>,
    has_namespace: bool,
    heard: Outside<BTreeMap<String, Timestamp>>,
    reads: Reads,
}

#[derive(Clone, Debug, PartialEq)]
struct Lease {
    revision: Revision,
    renewed: Option<Timestamp>,
}

impl View {
    /// A heartbeat of a node.
    pub fn heard(&mut self, node: &str, at: Timestamp) {
        self.heard.0.insert(node.to_owned(), at);
    }
}

impl Controller for NodeLeases {
    type View = View;
    type Key = AllNodes;
    const NAME: &'static str = "node-lease-controller";

    fn follows(group: &str, resource: &str) -> bool {
        matches!((group, resource), ("", "nodes" | "namespaces") | ("coordination.k8s.io", "leases"))
    }

    fn apply(view: &mut View, fact: &Fact) {
        let name = fact.key.name.clone();
        match (fact.key.resource.as_str(), fact.after()) {
            ("namespaces", after) if name == NAMESPACE => {
                view.has_namespace = after.is_some() && fact.meta.deletion.is_none();
            }
            ("nodes", Some(_)) => {
                view.nodes.insert(name, fact.uid.clone());
            }
            ("nodes", None) => {
                view.nodes.remove(&name);
                view.heard.0.remove(&name);
            }
            ("leases", Some(object)) if fact.key.namespace == NAMESPACE => {
                let renewed = text(object, "/spec/renewTime").parse().ok();
                view.leases.insert(name, Lease { revision: fact.revision, renewed });
            }
            ("leases", None) if fact.key.namespace == NAMESPACE => {
                view.leases.remove(&name);
            }
            _ => {}
        }
    }

    fn wakes(_view: &View, fact: &Fact) -> Vec<AllNodes> {
        match fact.key.resource.as_str() {
            "nodes" if fact.op == rutter_schemas::Op::Create => vec![AllNodes],
            "namespaces" if fact.key.name == NAMESPACE => vec![AllNodes],
            _ => Vec::new(),
        }
    }

    fn reconcile(view: &View, _all: &AllNodes, now: Timestamp) -> Vec<Plan> {
        plans(view, now)
    }

    fn reads(view: &View) -> &Reads {
        &view.reads
    }
}

fn plans(view: &View, now: Timestamp) -> Vec<Plan> {
    if !view.has_namespace {
        return vec![Plan::idle(format!("there is no namespace {NAMESPACE}"))];
    }
    view.reads.count(view.nodes.len());
    let due: Vec<(&String, &String, Timestamp)> =
        view.nodes.iter().filter_map(|(node, uid)| Some((node, uid, due(view, node, now)?))).collect();
    let mut plans: Vec<Plan> = due.chunks(BATCH).map(|chunk| renew(view, chunk)).collect();
    if plans.is_empty() {
        plans.push(Plan::idle("no Lease is due"));
    }
    plans[0].look_again_at(now + EVERY);
    plans
}

/// When the node was last heard, if its Lease does not say so recently enough.
fn due(view: &View, node: &str, now: Timestamp) -> Option<Timestamp> {
    let heard = *view.heard.0.get(node)?;
    let renewed = view.leases.get(node).and_then(|lease| lease.renewed).unwrap_or(Timestamp::UNIX_EPOCH);
    (heard > renewed && now.duration_since(renewed) >= EVERY).then_some(heard)
}

fn renew(view: &View, nodes: &[(&String, &String, Timestamp)]) -> Plan {
    let mut plan = Plan::because(format!("{} nodes were heard", nodes.len()));
    for (node, uid, heard) in nodes {
        let spec = json!({
            "holderIdentity": node, "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": heard.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        });
        match view.leases.get(*node) {
            Some(lease) => {
                let key = Key::new("coordination.k8s.io", "leases", NAMESPACE, node);
                plan.merge(key, lease.revision, json!({ "spec": spec }));
            }
            None => plan.create(lease(node, uid, spec)),
        }
    }
    plan
}

fn lease(node: &str, uid: &str, spec: Value) -> Value {
    let owner = rutter_schemas::Owner {
        uid: uid.to_owned(),
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        name: node.to_owned(),
        controller: false,
        block: false,
    };
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": node, "namespace": NAMESPACE, "ownerReferences": references([&owner]) },
        "spec": spec,
    })
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use rutter_controller::given::{Given, NOW, given};

    use super::{AllNodes, NodeLeases};

    fn hear(given: Given<NodeLeases>, nodes: &[&str], seconds: i64) -> Given<NodeLeases> {
        given.told(|view| {
            nodes.iter().for_each(|node| view.heard(node, NOW + SignedDuration::from_secs(seconds)))
        })
    }

    #[test]
    fn nodes_that_were_heard_are_renewed_together() {
        let given = given("Namespace kube-node-lease; Node a; Node b; Node silent");
        let given = hear(given, &["a", "b"], 1).after(2).reconcile_key(AllNodes).then(
            "because 2 nodes were heard
             + Lease a of a
             + Lease b of b
             look again at 2026-01-01T00:00:22Z",
        );
        let early = hear(given, &["a", "b"], 10).after(10).reconcile_key(AllNodes);
        assert!(early.plans[0].is_idle(), "{}", early.printed());
        let later = hear(early.carried_out(), &["a"], 22).after(12).reconcile_key(AllNodes);
        assert!(
            later.printed().contains("leases a: ") && later.plans[0].intents.len() == 2,
            "{}",
            later.printed()
        );
        later.carried_out();
    }

    #[test]
    fn without_its_namespace_nothing_is_written() {
        let given = hear(given("Node a"), &["a"], 1).after(2);
        given.reconcile_key(AllNodes).then("because there is no namespace kube-node-lease");
    }
}
