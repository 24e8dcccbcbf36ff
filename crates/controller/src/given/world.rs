//! A world of objects with just enough of an API server to carry out plans: uids are names, revisions count events,
//! deletions wait for finalizers and for the nodes of pods.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use rutter_schemas::{Count, Key, Meta, Op, Owner, Revision};
use serde_json::{Value, json};

use crate::{Fact, Intent, Plan, Propagation};

#[derive(Debug, Default)]
pub struct World {
    objects: BTreeMap<Key, (Revision, Value)>,
    facts: Vec<Fact>,
    revision: Revision,
}

impl World {
    pub fn revision(&self) -> Revision {
        self.revision
    }

    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    pub fn get(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key).map(|(_, object)| object)
    }

    pub fn objects(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.objects.iter().map(|(key, (_, object))| (key, object))
    }

    /// Makes or changes an object, as one event.
    pub fn put(&mut self, mut object: Value) {
        let key = key_of(&object);
        let op = match self.objects.get(&key) {
            Some((_, old)) => {
                if old.get("spec") != object.get("spec") {
                    let generation = old["metadata"]["generation"].as_i64().unwrap_or(1);
                    object["metadata"]["generation"] = json!(generation + 1);
                }
                Op::Update
            }
            None => Op::Create,
        };
        self.record(op, key.clone(), &object);
        self.objects.insert(key, (self.revision, object));
    }

    /// Removes an object, as one event.
    pub fn remove(&mut self, key: &Key) {
        if let Some((_, object)) = self.objects.remove(key) {
            self.record(Op::Delete, key.clone(), &object);
        }
    }

    /// Carries out a plan whole.
    ///
    /// # Panics
    /// If it expects what is not so: the law is that a plan decided on this very world can be carried out.
    pub fn carry_out(&mut self, plan: &Plan, now: Timestamp) {
        let before = self.revision;
        for intent in &plan.intents {
            match intent {
                Intent::Create { object } => self.create(object, now),
                Intent::Merge { key, expect, patch, .. } => {
                    let mut object = self.expected(key, *expect, before);
                    json_patch::merge(&mut object, patch);
                    self.put_or_end(object);
                }
                Intent::Replace { key, expect, object, .. } => {
                    self.expected(key, *expect, before);
                    self.put_or_end(object.clone());
                }
                Intent::Restate { key, expect } => {
                    let object = self.expected(key, *expect, before);
                    self.put(object);
                }
                Intent::Delete { key, expect, grace_seconds, propagation, .. } => {
                    let object = self.expected(key, *expect, before);
                    self.delete(object, *grace_seconds, *propagation, now);
                }
            }
        }
        plan.counters.iter().for_each(|count| self.count(count));
    }

    /// Adds to a counter, in the last commit.
    pub fn count(&mut self, count: &Count) {
        self.facts.push(Fact::of_count(self.revision, count));
    }

    /// The object as it stood at `expect`, or as this plan has changed it since.
    fn expected(&self, key: &Key, expect: Revision, before: Revision) -> Value {
        let (revision, object) = self.objects.get(key).unwrap_or_else(|| panic!("{key} is not there"));
        assert!(*revision == expect || *revision > before, "{key} was expected at {expect}, not {revision}");
        object.clone()
    }

    fn create(&mut self, object: &Value, now: Timestamp) {
        let mut object = object.clone();
        let key = key_of(&object);
        assert!(!self.objects.contains_key(&key), "{key} is there already");
        let metadata = &mut object["metadata"];
        metadata["uid"] = json!(key.name);
        metadata["generation"] = json!(1);
        metadata["creationTimestamp"] = json!(now.to_string());
        self.put(object);
    }

    fn delete(&mut self, mut object: Value, grace: Option<i64>, how: Option<Propagation>, now: Timestamp) {
        let metadata = &mut object["metadata"];
        let mut finalizers: Vec<String> = texts(&metadata["finalizers"]);
        match how {
            Some(Propagation::Foreground) => finalizers.push("foregroundDeletion".into()),
            Some(Propagation::Orphan) => finalizers.push("orphan".into()),
            Some(Propagation::Background) | None => {}
        }
        metadata["finalizers"] = json!(finalizers);
        if metadata["deletionTimestamp"].is_null() {
            metadata["deletionTimestamp"] = json!(now.to_string());
        }
        if grace == Some(0) {
            metadata["deletionGracePeriodSeconds"] = json!(0);
        }
        self.put_or_end(object);
    }

    /// An object that is marked for deletion ends when nobody holds it back.
    fn put_or_end(&mut self, object: Value) {
        let key = key_of(&object);
        let metadata = &object["metadata"];
        let marked = metadata["deletionTimestamp"].is_string();
        let held =
            !texts(&metadata["finalizers"]).is_empty() || !texts(&object["spec"]["finalizers"]).is_empty();
        let running = key.resource == "pods"
            && object["spec"]["nodeName"].is_string()
            && metadata["deletionGracePeriodSeconds"] != json!(0);
        if marked && !held && !running {
            self.remove(&key);
        } else {
            self.put(object);
        }
    }

    fn record(&mut self, op: Op, key: Key, object: &Value) {
        self.revision = self.revision.next();
        let text = Bytes::from(object.to_string());
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        self.facts.push(Fact::new(self.revision, op, key, uid, meta(object), text));
    }
}

/// The key of an object, from its apiVersion, kind, namespace and name.
pub fn key_of(object: &Value) -> Key {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let group = text("/apiVersion").split_once('/').map_or("", |(group, _)| group);
    Key::new(group, &resource_of(text("/kind")), text("/metadata/namespace"), text("/metadata/name"))
}

/// The plural of a kind, by the rule that holds for every kind these worlds know.
pub fn resource_of(kind: &str) -> String {
    let lower = kind.to_lowercase();
    match lower.as_str() {
        "endpoints" => lower,
        _ if lower.ends_with('s') => format!("{lower}es"),
        _ => format!("{lower}s"),
    }
}

fn meta(object: &Value) -> Meta {
    let metadata = &object["metadata"];
    let owners = metadata["ownerReferences"].as_array().into_iter().flatten().map(|owner| Owner {
        uid: owner["uid"].as_str().unwrap_or_default().into(),
        api_version: owner["apiVersion"].as_str().unwrap_or_default().into(),
        kind: owner["kind"].as_str().unwrap_or_default().into(),
        name: owner["name"].as_str().unwrap_or_default().into(),
        controller: owner["controller"].as_bool().unwrap_or_default(),
        block: owner["blockOwnerDeletion"].as_bool().unwrap_or_default(),
    });
    Meta {
        labels: metadata["labels"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        owners: owners.collect(),
        fields: BTreeMap::new(),
        deletion: metadata["deletionTimestamp"].as_str().map(str::to_owned),
        generation: metadata["generation"].as_i64().unwrap_or_default(),
        finalizers: texts(&metadata["finalizers"]),
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}
