//! The sets of a Deployment while a plan is made: as they are, and as they shall be.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use rutter_apimachinery::recorder::{Note, Regarding};
use rutter_controller::Plan;
use rutter_schemas::{Owner, Scope};
use serde_json::{Map, Value, json};

use super::new_set::{DESIRED, MAX};
use super::{Deployment, Set, View};
use crate::owners::{controlling, references};

/// All sets of a Deployment, the oldest first.
pub(super) struct Stage<'a> {
    pub deployment: &'a Deployment,
    /// The Deployment's status as it stands.
    pub status: Value,
    pub members: Vec<Member>,
    /// The place of the set whose template is the Deployment's.
    pub new: Option<usize>,
    /// Sets whose labels no longer match: no members any more.
    released: Vec<Set>,
    /// How often a name was found taken by another template, if that changes now.
    pub collisions: i64,
}

/// A set, and what the plan makes of it.
pub(super) struct Member {
    pub set: Set,
    /// A set that the plan makes, whole; the others are there.
    pub birth: Option<Value>,
    pub replicas: i64,
    pub min_ready_seconds: i64,
    pub annotations: BTreeMap<String, String>,
    pub owners: Vec<Owner>,
}

impl<'a> Stage<'a> {
    pub(super) fn of(view: &View, deployment: &'a Deployment) -> Stage<'a> {
        let (own, adopted) = view.family(deployment);
        let (own, released): (Vec<&Set>, Vec<&Set>) =
            own.into_iter().partition(|set| deployment.selector.matches(&set.labels));
        let me = controlling("apps/v1", "Deployment", &deployment.key.name, &deployment.uid);
        let adopted = adopted.into_iter().map(|set| {
            let mut member = Member::of(set);
            member.owners.push(me.clone());
            member
        });
        let mut members: Vec<Member> = own.into_iter().map(Member::of).chain(adopted).collect();
        members.sort_by(|a, b| (a.set.created, &a.set.key).cmp(&(b.set.created, &b.set.key)));
        let status = deployment.status.value();
        Stage {
            deployment,
            members,
            new: None,
            released: released.into_iter().cloned().collect(),
            collisions: status["collisionCount"].as_i64().unwrap_or_default(),
            status,
        }
    }

    pub(super) fn new_member(&self) -> Option<&Member> {
        self.new.map(|place| &self.members[place])
    }

    /// All but the new one.
    pub(super) fn old(&self) -> impl Iterator<Item = &Member> {
        self.members
            .iter()
            .enumerate()
            .filter(|(place, _)| Some(*place) != self.new)
            .map(|(_, member)| member)
    }

    pub(super) fn old_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        let new = self.new;
        self.members
            .iter_mut()
            .enumerate()
            .filter(move |(place, _)| Some(*place) != new)
            .map(|(_, member)| member)
    }

    pub(super) fn asked(&self) -> i64 {
        self.members.iter().map(|member| member.replicas).sum()
    }

    /// The pods there are or will be: a set that was told to shrink holds its room until it did.
    pub(super) fn room_taken(&self) -> i64 {
        self.members.iter().map(|member| member.replicas.max(member.set.has)).sum()
    }

    /// The available pods that stay: a set that shrinks may lose any of its own.
    pub(super) fn available(&self) -> i64 {
        self.members.iter().map(|member| member.set.available.min(member.replicas)).sum()
    }

    /// Whether the plan makes a set or changes the size of one.
    pub(super) fn is_resized(&self) -> bool {
        self.members.iter().any(|member| member.birth.is_some() || member.replicas != member.set.replicas)
    }

    /// Sets a member's size, and what it was computed for.
    pub(super) fn resize(&mut self, place: usize, replicas: i64) {
        let deployment = self.deployment;
        let member = &mut self.members[place];
        member.replicas = replicas.max(0);
        member.remember_sizes(deployment);
    }

    pub(super) fn write(&self, plan: &mut Plan) {
        for set in &self.released {
            let owners = set.owners.iter().filter(|owner| owner.uid != self.deployment.uid);
            let patch = json!({ "metadata": { "ownerReferences": references(owners) } });
            plan.merge(set.key.clone(), set.revision, patch);
            plan.guard(Scope::owner(&self.deployment.uid));
        }
        for member in &self.members {
            self.write_member(plan, member);
            self.note_size(plan, member);
        }
        if !plan.is_idle() {
            self.guard_sizes(plan);
        }
    }

    fn write_member(&self, plan: &mut Plan, member: &Member) {
        match &member.birth {
            Some(object) => {
                plan.create(member.finish(object));
                plan.guard(Scope::owner(&self.deployment.uid));
            }
            None => {
                if let Some(patch) = member.patch() {
                    plan.merge(member.set.key.clone(), member.set.revision, patch);
                }
            }
        }
    }

    fn note_size(&self, plan: &mut Plan, member: &Member) {
        let (name, before, after) = (&member.set.key.name, member.set.replicas, member.replicas);
        let verb = match after.cmp(&before) {
            Ordering::Greater => "up",
            Ordering::Less => "down",
            Ordering::Equal => return,
        };
        let deployment = self.deployment;
        let (key, uid) = (&deployment.key, &deployment.uid);
        let regarding = Regarding::of("apps/v1", "Deployment", key, uid, deployment.revision);
        let told = format!("Scaled {verb} replica set {name} from {before} to {after}");
        plan.note(Note::normal(regarding, "ScalingReplicaSet", told));
    }

    /// The sizes of all sets bear on each, and a set that shrinks relies on what the others have available.
    fn guard_sizes(&self, plan: &mut Plan) {
        let there = || self.members.iter().filter(|member| member.birth.is_none());
        let shrinks = there().any(|member| member.replicas < member.set.replicas);
        for member in there().filter(|member| member.set.replicas > 0 || member.set.has > 0) {
            plan.guard(Scope::owner(&member.set.uid));
            if shrinks && member.replicas > 0 {
                plan.guard(Scope::owner_available(&member.set.uid));
            }
        }
    }
}

impl Member {
    fn of(set: &Set) -> Member {
        Member {
            set: set.clone(),
            birth: None,
            replicas: set.replicas,
            min_ready_seconds: set.min_ready_seconds,
            annotations: set.annotations.clone(),
            owners: set.owners.clone(),
        }
    }

    /// Notes the size of the Deployment that this one's was computed for.
    pub(super) fn remember_sizes(&mut self, deployment: &Deployment) {
        let max = deployment.replicas + deployment.surge();
        self.annotations.insert(DESIRED.to_owned(), deployment.replicas.to_string());
        self.annotations.insert(MAX.to_owned(), max.to_string());
    }

    fn finish(&self, object: &Value) -> Value {
        let mut object = object.clone();
        object["spec"]["replicas"] = json!(self.replicas);
        object["metadata"]["annotations"] = json!(self.annotations);
        object
    }

    fn patch(&self) -> Option<Value> {
        let (mut metadata, mut spec) = (Map::new(), Map::new());
        let annotations = self.annotation_changes();
        if !annotations.is_empty() {
            metadata.insert("annotations".to_owned(), Value::Object(annotations));
        }
        if self.owners != self.set.owners {
            metadata.insert("ownerReferences".to_owned(), references(&self.owners));
        }
        if self.replicas != self.set.replicas {
            spec.insert("replicas".to_owned(), json!(self.replicas));
        }
        if self.min_ready_seconds != self.set.min_ready_seconds {
            spec.insert("minReadySeconds".to_owned(), json!(self.min_ready_seconds));
        }
        let parts = [("metadata", metadata), ("spec", spec)];
        let patch: Map<String, Value> = parts
            .into_iter()
            .filter(|(_, fields)| !fields.is_empty())
            .map(|(name, fields)| (name.to_owned(), Value::Object(fields)))
            .collect();
        (!patch.is_empty()).then_some(Value::Object(patch))
    }

    fn annotation_changes(&self) -> Map<String, Value> {
        let changed =
            self.annotations.iter().filter(|(name, value)| self.set.annotations.get(*name) != Some(value));
        changed.map(|(name, value)| (name.clone(), json!(value))).collect()
    }
}
