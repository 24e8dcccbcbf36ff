//! What the controller of ReplicaSets looks at: sets, pods, and per set a tally that is kept as pods change, so that
//! a set of thousands costs no more to look at than a set of three.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rutter_apimachinery::selector::LabelSelector;
use rutter_controller::read::{condition, created, holds, list, maybe_number, number, text, texts, time};
use rutter_controller::{Fact, Outside, Part, Reads, Refusal};
use rutter_schemas::{Key, Owner, Revision};
use serde_json::Value;

use super::refusals::{Refusals, Refused};
use crate::groups::{Groups, Mark, borne, demanded};
use crate::owners::controller_of;

type Labels = BTreeMap<String, String>;

#[derive(Debug, Default, PartialEq)]
pub struct View {
    sets: BTreeMap<Key, Set>,
    keys: BTreeMap<String, Key>,
    /// The sets of one owner (a Deployment), by its uid.
    siblings: Groups<String>,
    /// The sets by the mark that their selectors demand.
    selecting: Groups<Mark>,
    pods: BTreeMap<Key, Pod>,
    families: BTreeMap<String, Family>,
    /// Active pods that nobody controls, by the marks that they bear.
    orphans: Groups<Mark>,
    refusals: Outside<Refusals>,
    reads: Reads,
}

/// What a set may be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    ReplicaSet,
    ReplicationController,
}

/// A ReplicaSet, or a ReplicationController.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    pub kind: Kind,
    pub key: Key,
    pub uid: String,
    pub revision: Revision,
    pub generation: i64,
    pub deleting: bool,
    pub replicas: usize,
    pub min_ready_seconds: i64,
    pub selector: LabelSelector,
    pub template: Part,
    pub template_labels: Labels,
    pub owner: Option<String>,
    pub status: Status,
    pub conditions: Vec<Value>,
}

/// `ReplicaSetStatus` without its conditions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Status {
    pub replicas: i64,
    pub fully_labeled: i64,
    pub ready: i64,
    pub available: i64,
    pub observed_generation: i64,
}

/// A pod, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    pub key: Key,
    pub uid: String,
    pub revision: Revision,
    pub labels: Labels,
    pub owners: Vec<Owner>,
    /// Neither ended nor marked for deletion.
    pub active: bool,
    pub node: String,
    pub phase: Phase,
    /// Since when it is Ready, if it is.
    pub ready_since: Option<Timestamp>,
    pub restarts: i64,
    pub deletion_cost: i64,
    pub created: Timestamp,
}

/// In the order in which upstream would rather lose them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Pending,
    Unknown,
    Running,
    Ended,
}

/// The active pods that one owner controls.
#[derive(Debug, Default, PartialEq)]
pub struct Family {
    pub active: BTreeSet<Key>,
    /// How many active pods carry these labels. Mostly there is one entry.
    pub labels: BTreeMap<Labels, usize>,
    /// The ready ones by when they became so.
    pub ready: BTreeSet<(Timestamp, Key)>,
    /// Pods that are not active; they keep the family known, no more.
    inactive: usize,
}

impl View {
    pub fn set(&self, key: &Key) -> Option<&Set> {
        self.reads.count(1);
        self.sets.get(key)
    }

    pub fn pod(&self, key: &Key) -> Option<&Pod> {
        self.reads.count(1);
        self.pods.get(key)
    }

    pub fn family(&self, uid: &str) -> Option<&Family> {
        self.reads.count(1);
        self.families.get(uid)
    }

    /// The active pods of the set, all of them read.
    pub fn active_pods_of(&self, uid: &str) -> impl Iterator<Item = &Pod> {
        let keys = self.families.get(uid).map(|family| &family.active);
        keys.into_iter().flatten().filter_map(|key| self.pod(key))
    }

    /// The active pods that nobody controls and the set selects.
    pub fn orphans_for(&self, set: &Set) -> impl Iterator<Item = &Pod> {
        let bearing = self.orphans.of(demanded(&set.key.namespace, &set.selector));
        bearing.filter_map(|key| self.pod(key)).filter(|pod| set.selector.matches(&pod.labels))
    }

    /// The active pods of the set and of its siblings under one Deployment.
    pub fn related_pods(&self, set: &Set) -> Vec<&Pod> {
        match &set.owner {
            Some(owner) => self
                .siblings
                .of(owner.clone())
                .filter_map(|key| self.set(key))
                .flat_map(|sibling| self.active_pods_of(&sibling.uid))
                .collect(),
            None => self.active_pods_of(&set.uid).collect(),
        }
    }

    pub fn has_pod(&self, key: &Key) -> bool {
        self.pods.contains_key(key)
    }

    /// Takes note that births of a set were refused.
    pub(super) fn refused(&mut self, key: &Key, refusal: &Refusal, now: Timestamp) {
        if let Some(set) = self.sets.get(key) {
            self.refusals.0.add(key, set.generation, refusal, now);
        }
    }

    /// Why no more births are tried for now.
    pub(super) fn refusal(&self, set: &Set, now: Timestamp) -> Option<&Refused> {
        self.refusals.0.get(&set.key, set.generation, now)
    }

    pub(super) fn reads(&self) -> &Reads {
        &self.reads
    }

    pub(super) fn apply_set(&mut self, fact: &Fact) {
        if let Some(old) = self.sets.remove(&fact.key) {
            self.keys.remove(&old.uid);
            self.selecting.remove(demanded(&old.key.namespace, &old.selector), &old.key);
            if let Some(owner) = old.owner {
                self.siblings.remove(owner, &old.key);
            }
        }
        let Some(object) = fact.after() else {
            self.refusals.0.forget(&fact.key);
            return;
        };
        let set = read_set(fact, object);
        self.keys.insert(set.uid.clone(), set.key.clone());
        self.selecting.insert(demanded(&set.key.namespace, &set.selector), &set.key);
        if let Some(owner) = &set.owner {
            self.siblings.insert(owner.clone(), &set.key);
        }
        self.sets.insert(set.key.clone(), set);
    }

    pub(super) fn apply_pod(&mut self, fact: &Fact) {
        let old = self.pods.remove(&fact.key);
        let new = fact.after().map(|object| read_pod(fact, object));
        for (pod, enters) in [(&old, false), (&new, true)] {
            if let Some(pod) = pod {
                self.enroll(pod, enters);
            }
        }
        if let Some(old) = old.as_ref().and_then(Pod::set_uid).map(str::to_owned) {
            self.forget_family_if_empty(&old);
        }
        if let Some(pod) = new {
            self.pods.insert(pod.key.clone(), pod);
        }
    }

    /// The sets that a pod's change concerns: whose it was, whose it is, and who might adopt it.
    pub(super) fn woken_by_pod(&self, fact: &Fact) -> Vec<Key> {
        let old = self.pods.get(&fact.key);
        let new = fact.after().map(|object| read_pod(fact, object));
        if old.zip(new.as_ref()).is_some_and(|(old, new)| old.is_alike(new)) {
            return Vec::new();
        }
        let mut woken = BTreeSet::new();
        for pod in [old, new.as_ref()].into_iter().flatten() {
            match pod.set_uid() {
                Some(uid) => woken.extend(self.keys.get(uid).cloned()),
                None if pod.is_controlled() => {}
                None => woken.extend(self.who_might_adopt(pod)),
            }
        }
        woken.into_iter().collect()
    }

    fn who_might_adopt(&self, pod: &Pod) -> Vec<Key> {
        if !pod.active {
            return Vec::new();
        }
        let demanding = borne(&pod.key.namespace, &pod.labels).flat_map(|mark| self.selecting.of(mark));
        let selects = |key: &&Key| self.sets.get(key).is_some_and(|set| set.selector.matches(&pod.labels));
        demanding.filter(selects).cloned().collect()
    }

    /// Enters a pod into the tallies, or strikes it from them.
    fn enroll(&mut self, pod: &Pod, enters: bool) {
        if !pod.is_controlled() {
            return self.enroll_orphan(pod, enters);
        }
        let Some(uid) = pod.set_uid() else { return };
        let family = self.families.entry(uid.to_owned()).or_default();
        family.enroll(pod, enters);
    }

    fn enroll_orphan(&mut self, pod: &Pod, enters: bool) {
        for mark in borne(&pod.key.namespace, &pod.labels) {
            if enters && pod.active {
                self.orphans.insert(mark, &pod.key);
            } else {
                self.orphans.remove(mark, &pod.key);
            }
        }
    }

    fn forget_family_if_empty(&mut self, uid: &str) {
        let Some(family) = self.families.get(uid) else { return };
        if family.active.is_empty() && family.inactive == 0 {
            self.families.remove(uid);
        }
    }
}

impl Kind {
    /// As owner references name it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::ReplicaSet => "ReplicaSet",
            Kind::ReplicationController => "ReplicationController",
        }
    }

    pub fn api_version(self) -> &'static str {
        match self {
            Kind::ReplicaSet => "apps/v1",
            Kind::ReplicationController => "v1",
        }
    }

    fn group(self) -> &'static str {
        match self {
            Kind::ReplicaSet => "apps",
            Kind::ReplicationController => "",
        }
    }

    fn resource(self) -> &'static str {
        match self {
            Kind::ReplicaSet => "replicasets",
            Kind::ReplicationController => "replicationcontrollers",
        }
    }

    /// The kind that an owner is of, in whatever version.
    fn of(api_version: &str, name: &str) -> Option<Kind> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let kinds = [Kind::ReplicaSet, Kind::ReplicationController];
        kinds.into_iter().find(|kind| kind.name() == name && kind.group() == group)
    }

    fn of_key(key: &Key) -> Kind {
        if key.resource == Kind::ReplicationController.resource() {
            Kind::ReplicationController
        } else {
            Kind::ReplicaSet
        }
    }

    fn selector(self, spec: &Value) -> LabelSelector {
        match self {
            Kind::ReplicaSet => {
                LabelSelector::from_value(&spec["selector"]).unwrap_or(LabelSelector::Nothing)
            }
            Kind::ReplicationController => LabelSelector::from_labels(&spec["selector"]),
        }
    }
}

impl Family {
    fn enroll(&mut self, pod: &Pod, enters: bool) {
        if !pod.active {
            self.inactive = if enters { self.inactive + 1 } else { self.inactive - 1 };
            return;
        }
        let ready = pod.ready_since.map(|since| (since, pod.key.clone()));
        if enters {
            self.active.insert(pod.key.clone());
            self.ready.extend(ready);
            *self.labels.entry(pod.labels.clone()).or_default() += 1;
            return;
        }
        self.active.remove(&pod.key);
        if let Some(ready) = ready {
            self.ready.remove(&ready);
        }
        if let Some(count) = self.labels.get_mut(&pod.labels) {
            *count -= 1;
            if *count == 0 {
                self.labels.remove(&pod.labels);
            }
        }
    }
}

impl Pod {
    /// Whether something controls it, a set or something else.
    fn is_controlled(&self) -> bool {
        self.owners.iter().any(|owner| owner.controller)
    }

    /// The uid of the controlling set.
    fn set_uid(&self) -> Option<&str> {
        let owner = self.owners.iter().find(|owner| owner.controller)?;
        Kind::of(&owner.api_version, &owner.kind).map(|_| owner.uid.as_str())
    }

    fn is_alike(&self, other: &Pod) -> bool {
        Pod { revision: other.revision, ..self.clone() } == *other
    }
}

fn read_set(fact: &Fact, object: &Value) -> Set {
    let status = |field: &str| number(object, &format!("/status/{field}"));
    let kind = Kind::of_key(&fact.key);
    Set {
        kind,
        key: fact.key.clone(),
        uid: fact.uid.clone(),
        revision: fact.revision,
        generation: fact.meta.generation,
        deleting: fact.meta.deletion.is_some(),
        replicas: usize::try_from(maybe_number(object, "/spec/replicas").unwrap_or(1)).unwrap_or(0),
        min_ready_seconds: number(object, "/spec/minReadySeconds"),
        selector: kind.selector(&object["spec"]),
        template: Part::of(&object["spec"]["template"]),
        template_labels: texts(object, "/spec/template/metadata/labels"),
        owner: controller_of(&fact.meta).map(|owner| owner.uid.clone()),
        status: Status {
            replicas: status("replicas"),
            fully_labeled: status("fullyLabeledReplicas"),
            ready: status("readyReplicas"),
            available: status("availableReplicas"),
            observed_generation: status("observedGeneration"),
        },
        conditions: list(object, "/status/conditions").to_vec(),
    }
}

fn read_pod(fact: &Fact, object: &Value) -> Pod {
    let phase = match text(object, "/status/phase") {
        "Running" => Phase::Running,
        "Succeeded" | "Failed" => Phase::Ended,
        "Unknown" => Phase::Unknown,
        _ => Phase::Pending,
    };
    let restarts = list(object, "/status/containerStatuses").iter().map(|s| number(s, "/restartCount"));
    let cost = object["metadata"]["annotations"]["controller.kubernetes.io/pod-deletion-cost"].as_str();
    Pod {
        key: fact.key.clone(),
        uid: fact.uid.clone(),
        revision: fact.revision,
        labels: fact.meta.labels.clone(),
        owners: fact.meta.owners.clone(),
        active: phase != Phase::Ended && fact.meta.deletion.is_none(),
        node: text(object, "/spec/nodeName").to_owned(),
        phase,
        ready_since: holds(object, "Ready").then(|| ready_time(object)),
        restarts: restarts.max().unwrap_or_default(),
        deletion_cost: cost.and_then(|cost| cost.parse().ok()).unwrap_or_default(),
        created: created(object),
    }
}

fn ready_time(object: &Value) -> Timestamp {
    condition(object, "Ready")
        .and_then(|condition| time(condition, "/lastTransitionTime"))
        .unwrap_or_else(|| created(object))
}
