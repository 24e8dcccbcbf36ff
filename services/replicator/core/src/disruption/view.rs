//! What the controller of PodDisruptionBudgets looks at: budgets with the pods they select, and how large the
//! controllers of those pods are meant to be.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rutter_apimachinery::selector::LabelSelector;
use rutter_controller::read::{holds, list, maybe_number, number, text};
use rutter_controller::{Fact, Reads};
use rutter_schemas::{Key, Revision};
use serde_json::Value;

use crate::owners::controller_of;

/// The condition's type.
pub(super) const SUFFICIENT: &str = "DisruptionAllowed";

#[derive(Debug, Default, PartialEq)]
pub struct View {
    budgets: BTreeMap<Key, Budget>,
    pods: BTreeMap<Key, Pod>,
    /// The pods that each budget selects.
    members: BTreeMap<Key, BTreeSet<Key>>,
    /// By uid.
    scales: BTreeMap<String, Scale>,
    reads: Reads,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Budget {
    pub key: Key,
    pub revision: Revision,
    pub generation: i64,
    pub deleting: bool,
    pub selector: LabelSelector,
    pub min_available: Option<Bound>,
    pub max_unavailable: Option<Bound>,
    /// Of the status: current, desired, expected, allowed.
    pub counts: [i64; 4],
    pub observed_generation: i64,
    pub disrupted: BTreeMap<String, Timestamp>,
    pub said: Option<Said>,
    pub said_since: String,
    /// Conditions that are not ours.
    pub others: Vec<Value>,
}

/// An IntOrString.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Bound {
    Number(i64),
    Percent(i64),
}

/// Our condition, without its times.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    pub status: String,
    pub reason: String,
    pub message: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pod {
    pub key: Key,
    labels: BTreeMap<String, String>,
    pub ready: bool,
    pub deleting: bool,
    /// The uid of what controls it.
    pub controller: Option<String>,
}

/// How large a workload is meant to be, and the Deployment that says so in its place.
#[derive(Clone, Debug, PartialEq)]
struct Scale {
    replicas: i64,
    deployment: Option<String>,
}

impl View {
    pub(super) fn budget(&self, key: &Key) -> Option<&Budget> {
        self.reads.count(1);
        self.budgets.get(key)
    }

    pub(super) fn pods_of(&self, budget: &Budget) -> impl Iterator<Item = &Pod> {
        let keys = self.members.get(&budget.key).into_iter().flatten();
        keys.filter_map(|key| {
            self.reads.count(1);
            self.pods.get(key)
        })
    }

    /// The workload that a pod's controller belongs to, and its size.
    pub(super) fn scale_of(&self, controller: &str) -> Option<(String, i64)> {
        self.reads.count(1);
        let own = self.scales.get(controller)?;
        match &own.deployment {
            Some(uid) => Some((uid.clone(), self.scales.get(uid)?.replicas)),
            None => Some((controller.to_owned(), own.replicas)),
        }
    }

    pub(super) fn reads(&self) -> &Reads {
        &self.reads
    }

    pub(super) fn apply_budget(&mut self, fact: &Fact) {
        let old = self.budgets.remove(&fact.key);
        let Some(object) = fact.after() else {
            self.members.remove(&fact.key);
            return;
        };
        let budget = read_budget(fact, object);
        if old.is_none_or(|old| old.selector != budget.selector) {
            let first = Key::new("", "pods", &fact.key.namespace, "");
            let here = self.pods.range(first..).take_while(|(key, _)| key.namespace == fact.key.namespace);
            let chosen = here.filter(|(_, pod)| budget.selector.matches(&pod.labels));
            let members = chosen.map(|(key, _)| key.clone()).collect();
            self.members.insert(fact.key.clone(), members);
        }
        self.budgets.insert(fact.key.clone(), budget);
    }

    pub(super) fn apply_pod(&mut self, fact: &Fact) {
        self.pods.remove(&fact.key);
        let pod = fact.after().map(|object| read_pod(fact, object));
        let keys: Vec<(Key, bool)> = self
            .budgets_in(&fact.key.namespace)
            .map(|budget| {
                (budget.key.clone(), pod.as_ref().is_some_and(|pod| budget.selector.matches(&pod.labels)))
            })
            .collect();
        for (key, chosen) in keys {
            let members = self.members.entry(key).or_default();
            if chosen {
                members.insert(fact.key.clone());
            } else {
                members.remove(&fact.key);
            }
        }
        if let Some(pod) = pod {
            self.pods.insert(pod.key.clone(), pod);
        }
    }

    pub(super) fn apply_scale(&mut self, fact: &Fact) {
        match fact.after() {
            Some(object) => self.scales.insert(fact.uid.clone(), read_scale(fact, object)),
            None => self.scales.remove(&fact.uid),
        };
    }

    /// The budgets that chose the pod and those that do now.
    pub(super) fn woken_by_pod(&self, fact: &Fact) -> Vec<Key> {
        let old = self.pods.get(&fact.key);
        let new = fact.after().map(|object| read_pod(fact, object));
        if old == new.as_ref() {
            return Vec::new();
        }
        let concerned = self.budgets_in(&fact.key.namespace).filter(|budget| {
            [old, new.as_ref()].into_iter().flatten().any(|pod| budget.selector.matches(&pod.labels))
        });
        concerned.map(|budget| budget.key.clone()).collect()
    }

    /// Budgets are few: a workload whose size changed wakes all of its namespace.
    pub(super) fn woken_by_scale(&self, fact: &Fact) -> Vec<Key> {
        let new = fact.after().map(|object| read_scale(fact, object));
        if self.scales.get(&fact.uid) == new.as_ref() {
            return Vec::new();
        }
        self.budgets_in(&fact.key.namespace).map(|budget| budget.key.clone()).collect()
    }

    fn budgets_in(&self, namespace: &str) -> impl Iterator<Item = &Budget> {
        let first = Key::new("policy", "poddisruptionbudgets", namespace, "");
        let here = self.budgets.range(first..).take_while(move |(key, _)| key.namespace == namespace);
        here.map(|(_, budget)| budget)
    }
}

impl Said {
    pub(super) fn enough() -> Said {
        Said::new("True", "SufficientPods", "")
    }

    pub(super) fn too_few() -> Said {
        Said::new("False", "InsufficientPods", "")
    }

    pub(super) fn failed(why: &str) -> Said {
        Said::new("False", "SyncFailed", why)
    }

    fn new(status: &str, reason: &str, message: &str) -> Said {
        Said { status: status.to_owned(), reason: reason.to_owned(), message: message.to_owned() }
    }
}

fn read_budget(fact: &Fact, object: &Value) -> Budget {
    let status = |field: &str| number(object, &format!("/status/{field}"));
    let conditions = list(object, "/status/conditions");
    let (ours, others): (Vec<&Value>, Vec<&Value>) =
        conditions.iter().partition(|condition| condition["type"] == SUFFICIENT);
    let said = ours.first().copied();
    let disrupted = object["status"]["disruptedPods"].as_object().into_iter().flatten();
    Budget {
        key: fact.key.clone(),
        revision: fact.revision,
        generation: fact.meta.generation,
        deleting: fact.meta.deletion.is_some(),
        selector: LabelSelector::from_value(&object["spec"]["selector"]).unwrap_or(LabelSelector::Nothing),
        min_available: read_bound(&object["spec"]["minAvailable"]),
        max_unavailable: read_bound(&object["spec"]["maxUnavailable"]),
        counts: ["currentHealthy", "desiredHealthy", "expectedPods", "disruptionsAllowed"].map(status),
        observed_generation: status("observedGeneration"),
        disrupted: disrupted
            .filter_map(|(name, at)| Some((name.clone(), at.as_str()?.parse().ok()?)))
            .collect(),
        said: said.map(|condition| {
            Said::new(text(condition, "/status"), text(condition, "/reason"), text(condition, "/message"))
        }),
        said_since: said.map_or("", |condition| text(condition, "/lastTransitionTime")).to_owned(),
        others: others.into_iter().cloned().collect(),
    }
}

fn read_bound(value: &Value) -> Option<Bound> {
    match value {
        Value::Number(number) => number.as_i64().map(Bound::Number),
        Value::String(text) => text.strip_suffix('%')?.parse().ok().map(Bound::Percent),
        _ => None,
    }
}

fn read_pod(fact: &Fact, object: &Value) -> Pod {
    Pod {
        key: fact.key.clone(),
        labels: fact.meta.labels.clone(),
        ready: holds(object, "Ready"),
        deleting: fact.meta.deletion.is_some(),
        controller: controller_of(&fact.meta).map(|owner| owner.uid.clone()),
    }
}

fn read_scale(fact: &Fact, object: &Value) -> Scale {
    let above = controller_of(&fact.meta).filter(|owner| owner.kind == "Deployment");
    Scale {
        replicas: maybe_number(object, "/spec/replicas").unwrap_or(1),
        deployment: above.map(|owner| owner.uid.clone()),
    }
}
