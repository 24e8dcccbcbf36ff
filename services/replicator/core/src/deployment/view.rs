//! What the controller of Deployments looks at: Deployments, their ReplicaSets, and how many pods of each set still
//! live (for the strategy Recreate, which waits until the old ones are gone).

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use rutter_apimachinery::selector::LabelSelector;
use rutter_controller::read::{created, flag, list, maybe_number, number, text, texts};
use rutter_controller::{Fact, Part, Reads};
use rutter_schemas::{Key, Owner, Revision};
use serde_json::Value;

use crate::groups::Groups;
use crate::owners::controlled_by;

/// The label that tells the pods of one template from those of the next.
pub(super) const HASH_LABEL: &str = "pod-template-hash";

type Texts = BTreeMap<String, String>;

#[derive(Debug, Default, PartialEq)]
pub struct View {
    deployments: BTreeMap<Key, Deployment>,
    keys: BTreeMap<String, Key>,
    sets: BTreeMap<Key, Set>,
    /// The sets of a Deployment, by its uid.
    children: Groups<String>,
    /// The uid of the Deployment that controls a set, by the set's.
    parents: BTreeMap<String, String>,
    /// Sets that nobody controls, by namespace.
    orphans: Groups<String>,
    /// The set (by uid) of each pod that has not ended.
    living: BTreeMap<Key, String>,
    living_of: BTreeMap<String, usize>,
    reads: Reads,
}

/// A Deployment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Deployment {
    pub key: Key,
    pub uid: String,
    pub revision: Revision,
    pub generation: i64,
    pub deleting: bool,
    pub paused: bool,
    pub replicas: i64,
    pub min_ready_seconds: i64,
    /// None when progress has no deadline.
    pub progress_deadline: Option<SignedDuration>,
    pub history_limit: Option<usize>,
    pub strategy: Strategy,
    pub selector: LabelSelector,
    pub selector_json: Part,
    pub template: Part,
    pub annotations: Texts,
    pub status: Part,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Strategy {
    Recreate,
    /// Resolved to pods.
    RollingUpdate {
        surge: i64,
        unavailable: i64,
    },
}

/// A ReplicaSet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Set {
    pub key: Key,
    pub uid: String,
    pub revision: Revision,
    pub created: Timestamp,
    pub deleting: bool,
    /// Whether its status tells of its newest generation.
    pub observed: bool,
    pub labels: Texts,
    pub annotations: Texts,
    pub owners: Vec<Owner>,
    pub replicas: i64,
    pub min_ready_seconds: i64,
    /// The template without the hash label, to be compared with a Deployment's.
    pub template: Part,
    pub has: i64,
    pub ready: i64,
    pub available: i64,
    pub failure: Option<Part>,
}

impl View {
    pub(super) fn deployment(&self, key: &Key) -> Option<&Deployment> {
        self.reads.count(1);
        self.deployments.get(key)
    }

    /// The sets that a Deployment controls, and those it may adopt, oldest first.
    pub(super) fn family(&self, deployment: &Deployment) -> (Vec<&Set>, Vec<&Set>) {
        let own = self.children.of(deployment.uid.clone());
        let strays = self.orphans.of(deployment.key.namespace.clone());
        let find = |key| {
            self.reads.count(1);
            self.sets.get(key)
        };
        let own = own.filter_map(find).collect();
        let adoptable = |set: &&Set| !set.deleting && deployment.selector.matches(&set.labels);
        (own, strays.filter_map(find).filter(adoptable).collect())
    }

    pub(super) fn has_set(&self, key: &Key) -> bool {
        self.reads.count(1);
        self.sets.contains_key(key)
    }

    /// Whether a pod of the set has not ended yet; those being deleted have not.
    pub(super) fn lives(&self, set: &Set) -> bool {
        self.living_of.contains_key(&set.uid)
    }

    pub(super) fn reads(&self) -> &Reads {
        &self.reads
    }

    pub(super) fn apply_deployment(&mut self, fact: &Fact) {
        if let Some(old) = self.deployments.remove(&fact.key) {
            self.keys.remove(&old.uid);
        }
        if let Some(object) = fact.after() {
            let deployment = read_deployment(fact, object);
            self.keys.insert(deployment.uid.clone(), deployment.key.clone());
            self.deployments.insert(deployment.key.clone(), deployment);
        }
    }

    pub(super) fn apply_set(&mut self, fact: &Fact) {
        if let Some(old) = self.sets.remove(&fact.key) {
            self.parents.remove(&old.uid);
            let (index, name) = self.index_of(&old.owners, &old.key.namespace);
            index.remove(name, &old.key);
        }
        if let Some(object) = fact.after() {
            let set = read_set(fact, object);
            if let Some(owner) = set.controller() {
                self.parents.insert(set.uid.clone(), owner.to_owned());
            }
            let (index, name) = self.index_of(&set.owners, &set.key.namespace);
            index.insert(name, &set.key);
            self.sets.insert(set.key.clone(), set);
        }
    }

    pub(super) fn apply_pod(&mut self, fact: &Fact) {
        if let Some(set) = self.living.remove(&fact.key)
            && let Some(count) = self.living_of.get_mut(&set)
        {
            *count -= 1;
            if *count == 0 {
                self.living_of.remove(&set);
            }
        }
        if let Some(set) = living_of(fact) {
            *self.living_of.entry(set.to_owned()).or_default() += 1;
            self.living.insert(fact.key.clone(), set.to_owned());
        }
    }

    /// Whose the set was, whose it is, and who might adopt it.
    pub(super) fn woken_by_set(&self, fact: &Fact) -> Vec<Key> {
        let old = self.sets.get(&fact.key);
        let new = fact.after().map(|object| read_set(fact, object));
        let mut woken = BTreeSet::new();
        for set in [old, new.as_ref()].into_iter().flatten() {
            match set.controller() {
                Some(owner) => woken.extend(self.keys.get(owner).cloned()),
                None => woken.extend(self.who_might_adopt(set)),
            }
        }
        woken.into_iter().collect()
    }

    /// A Deployment that recreates waits for the last old pod to end.
    pub(super) fn woken_by_pod(&self, fact: &Fact) -> Vec<Key> {
        let Some(set) = self.living.get(&fact.key) else { return Vec::new() };
        if living_of(fact).is_some() {
            return Vec::new();
        }
        let parent = self.parents.get(set).and_then(|uid| self.keys.get(uid));
        let recreates = |key: &&Key| {
            self.deployments.get(key).is_some_and(|deployment| deployment.strategy == Strategy::Recreate)
        };
        parent.filter(recreates).cloned().into_iter().collect()
    }

    fn who_might_adopt(&self, set: &Set) -> Vec<Key> {
        let first = Key::new("apps", "deployments", &set.key.namespace, "");
        let here = self.deployments.range(first..).take_while(|(key, _)| key.namespace == set.key.namespace);
        here.filter(|(_, deployment)| deployment.selector.matches(&set.labels))
            .map(|(key, _)| key.clone())
            .collect()
    }

    fn index_of(&mut self, owners: &[Owner], namespace: &str) -> (&mut Groups<String>, String) {
        match owners.iter().find(|owner| owner.controller) {
            Some(owner) => (&mut self.children, owner.uid.clone()),
            None => (&mut self.orphans, namespace.to_owned()),
        }
    }
}

/// The uid of the set that the pod lives for.
fn living_of(fact: &Fact) -> Option<&str> {
    let object = fact.after()?;
    if matches!(text(object, "/status/phase"), "Succeeded" | "Failed") {
        return None;
    }
    controlled_by(&fact.meta, "apps", "ReplicaSet")
}

fn read_deployment(fact: &Fact, object: &Value) -> Deployment {
    let replicas = maybe_number(object, "/spec/replicas").unwrap_or(1);
    let deadline = maybe_number(object, "/spec/progressDeadlineSeconds").unwrap_or(600);
    let limit = maybe_number(object, "/spec/revisionHistoryLimit").unwrap_or(10);
    Deployment {
        key: fact.key.clone(),
        uid: fact.uid.clone(),
        revision: fact.revision,
        generation: fact.meta.generation,
        deleting: fact.meta.deletion.is_some(),
        paused: flag(object, "/spec/paused"),
        replicas,
        min_ready_seconds: number(object, "/spec/minReadySeconds"),
        progress_deadline: (deadline != i64::from(i32::MAX)).then(|| SignedDuration::from_secs(deadline)),
        history_limit: (limit != i64::from(i32::MAX)).then(|| usize::try_from(limit).unwrap_or(0)),
        strategy: read_strategy(&object["spec"]["strategy"], replicas),
        selector: LabelSelector::from_value(&object["spec"]["selector"]).unwrap_or(LabelSelector::Nothing),
        selector_json: Part::of(&object["spec"]["selector"]),
        template: Part::of(&object["spec"]["template"]),
        annotations: texts(object, "/metadata/annotations"),
        status: Part::of(&object["status"]),
    }
}

/// Percentages are of the replicas: the surge rounded up, the unavailable down, and never both none, since then
/// nothing could move (upstream: `ResolveFenceposts`).
fn read_strategy(strategy: &Value, replicas: i64) -> Strategy {
    if strategy["type"] == "Recreate" {
        return Strategy::Recreate;
    }
    let rolling = &strategy["rollingUpdate"];
    let surge = scaled(&rolling["maxSurge"], replicas, |hundredths| (hundredths + 99) / 100);
    let unavailable = scaled(&rolling["maxUnavailable"], replicas, |hundredths| hundredths / 100);
    let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
    Strategy::RollingUpdate { surge, unavailable: unavailable.min(replicas) }
}

/// An IntOrString of pods or percent; the API's default is 25%.
fn scaled(value: &Value, replicas: i64, round: impl Fn(i64) -> i64) -> i64 {
    let percent = match value {
        Value::Number(number) => return number.as_i64().unwrap_or(0).max(0),
        Value::String(text) => text.trim_end_matches('%').parse().unwrap_or(25),
        _ => 25,
    };
    round(percent * replicas)
}

fn read_set(fact: &Fact, object: &Value) -> Set {
    let failure =
        list(object, "/status/conditions").iter().find(|condition| condition["type"] == "ReplicaFailure");
    Set {
        key: fact.key.clone(),
        uid: fact.uid.clone(),
        revision: fact.revision,
        created: created(object),
        deleting: fact.meta.deletion.is_some(),
        observed: number(object, "/status/observedGeneration") >= fact.meta.generation,
        labels: fact.meta.labels.clone(),
        annotations: texts(object, "/metadata/annotations"),
        owners: fact.meta.owners.clone(),
        replicas: maybe_number(object, "/spec/replicas").unwrap_or(1),
        min_ready_seconds: number(object, "/spec/minReadySeconds"),
        template: without_hash(&object["spec"]["template"]),
        has: number(object, "/status/replicas"),
        ready: number(object, "/status/readyReplicas"),
        available: number(object, "/status/availableReplicas"),
        failure: failure.map(Part::of),
    }
}

/// A template without the label that the controller added.
fn without_hash(template: &Value) -> Part {
    let mut template = template.clone();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(HASH_LABEL);
    }
    Part::of(&template)
}

impl Deployment {
    pub(super) fn surge(&self) -> i64 {
        match self.strategy {
            Strategy::Recreate => 0,
            Strategy::RollingUpdate { surge, .. } => surge,
        }
    }

    pub(super) fn unavailable(&self) -> i64 {
        match self.strategy {
            Strategy::Recreate => 0,
            Strategy::RollingUpdate { unavailable, .. } => unavailable,
        }
    }
}

impl Set {
    fn controller(&self) -> Option<&str> {
        self.owners.iter().find(|owner| owner.controller).map(|owner| owner.uid.as_str())
    }

    /// The revision annotation, 0 when there is none.
    pub(super) fn rollout(&self) -> i64 {
        rollout_in(&self.annotations)
    }
}

pub(super) fn rollout_in(annotations: &Texts) -> i64 {
    annotations.get(super::new_set::REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}
