//! All pods of a node: who is wanted, what each needs next, when to look again.
//!
//! The node itself decides little: it gives every machine its pod, its inputs and its steps, and forgets those that are
//! gone. Work is named with the pod's uid, since a name may be taken again while the old pod still ends.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Add;
use std::sync::Arc;

use jiff::Timestamp;
use rutter_schemas::Key;

use crate::machine::{Action, Cx, Found, Input, PodMachine, Stage};
use crate::objects::Objects;
use crate::plan::NodeFacts;
use crate::resources::Claims;
use crate::view::Pod;

/// Work for one pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    pub uid: String,
    pub pod: Arc<Pod>,
    pub action: Action,
}

/// What follows from the state of the whole node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Round {
    pub work: Vec<Work>,
    /// Pods that are done with; the shell may forget them.
    pub gone: Vec<String>,
}

/// The pods of a node.
#[derive(Clone, Debug, Default)]
pub struct Node {
    facts: NodeFacts,
    pods: BTreeMap<String, PodMachine>,
    by_key: BTreeMap<Key, String>,
    /// To be stepped in this round.
    dirty: BTreeSet<String>,
    timers: BTreeSet<(Timestamp, String)>,
    /// What the runtime had at the start, of pods the feed has not told yet.
    found: BTreeMap<String, Found>,
}

impl Node {
    pub fn new(facts: NodeFacts) -> Node {
        Node { facts, ..Node::default() }
    }

    pub fn facts(&self) -> &NodeFacts {
        &self.facts
    }

    pub fn set_facts(&mut self, facts: NodeFacts) {
        if self.facts != facts {
            self.facts = facts;
            self.dirty.extend(self.pods.keys().cloned());
        }
    }

    pub fn pods(&self) -> impl Iterator<Item = (&String, &PodMachine)> {
        self.pods.iter()
    }

    pub fn pod(&self, uid: &str) -> Option<&PodMachine> {
        self.pods.get(uid)
    }

    /// The pod that has this name now.
    pub fn pod_named(&self, namespace: &str, name: &str) -> Option<&PodMachine> {
        self.pods.get(self.by_key.get(&Key::new("", "pods", namespace, name))?)
    }

    /// What a runtime has, by pod uid, before the first feed is taken in.
    pub fn found(&mut self, found: BTreeMap<String, Found>) {
        self.found = found;
    }

    /// Pods of the runtime that nobody wants, once a feed has been taken in; each is told once.
    pub fn unwanted(&mut self) -> BTreeMap<String, Found> {
        std::mem::take(&mut self.found)
    }

    /// Events may have been missed: what the runtime has now, by pod uid.
    pub fn observe(&mut self, found: &BTreeMap<String, Found>, now: Timestamp) {
        let nothing = Found::default();
        for (uid, machine) in &mut self.pods {
            machine.observe(found.get(uid).unwrap_or(&nothing), now);
            self.dirty.insert(uid.clone());
        }
    }

    /// Objects of the feed changed, appeared or went.
    pub fn changed(&mut self, keys: &[Key], objects: &Objects, now: Timestamp) {
        for key in keys {
            match (key.group.as_str(), key.resource.as_str()) {
                ("", "pods") => self.pod_changed(key, objects, now),
                ("", "configmaps" | "secrets") => self.wake_namespace(&key.namespace),
                _ => {}
            }
        }
    }

    fn pod_changed(&mut self, key: &Key, objects: &Objects, now: Timestamp) {
        let pod: Option<Pod> = objects.get(key).filter(|pod: &Pod| pod.spec.node_name == self.facts.name);
        let known = self.by_key.get(key).cloned();
        let uid = pod.as_ref().map(|pod| pod.metadata.uid.clone());
        if let Some(old) = known.filter(|known| uid.as_ref() != Some(known)) {
            self.by_key.remove(key);
            if let Some(machine) = self.pods.get_mut(&old) {
                machine.vanish();
                self.dirty.insert(old);
            }
        }
        let (Some(pod), Some(uid)) = (pod, uid) else { return };
        let pod = Arc::new(pod);
        self.by_key.insert(key.clone(), uid.clone());
        match self.pods.get_mut(&uid) {
            Some(machine) => machine.update(pod),
            None => {
                let mut machine = PodMachine::new(pod, now);
                if let Some(found) = self.found.remove(&uid) {
                    machine.adopt(found);
                }
                self.pods.insert(uid.clone(), machine);
            }
        }
        self.dirty.insert(uid);
    }

    fn wake_namespace(&mut self, namespace: &str) {
        let of = |machine: &PodMachine| machine.pod().metadata.namespace == namespace;
        self.dirty.extend(self.pods.iter().filter(|(_, pod)| of(pod)).map(|(uid, _)| uid.clone()));
    }

    /// Something happened to a pod.
    pub fn handle(&mut self, uid: &str, input: Input, now: Timestamp) {
        if let Some(machine) = self.pods.get_mut(uid) {
            machine.handle(input, now);
            self.dirty.insert(uid.to_owned());
        }
    }

    /// When to call [`Node::round`] though nothing happened.
    pub fn next_timer(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Everything there is to do now.
    pub fn round(&mut self, objects: &Objects, now: Timestamp) -> Round {
        let later = self.timers.split_off(&(now, "\u{10ffff}".to_owned()));
        let due = std::mem::replace(&mut self.timers, later);
        self.dirty.extend(due.into_iter().map(|(_, uid)| uid));
        let mut round = Round::default();
        for uid in self.in_turn() {
            let beside = self.claims_beside(&uid);
            let Some(machine) = self.pods.get_mut(&uid) else { continue };
            let step = machine.step(Cx { node: &self.facts, objects, beside }, now);
            let pod = machine.pod().clone();
            round.work.extend(step.actions.into_iter().map(|action| Work {
                uid: uid.clone(),
                pod: pod.clone(),
                action,
            }));
            self.timers.extend(step.look_again.map(|at| (at, uid.clone())));
            if machine.stage() == Stage::Gone {
                self.forget(&uid);
                round.gone.push(uid);
            }
        }
        round
    }

    /// Who is stepped: first those that may give room, then those that wait for it, whatever has changed.
    fn in_turn(&mut self) -> Vec<String> {
        let dirty = std::mem::take(&mut self.dirty);
        if dirty.is_empty() {
            return Vec::new();
        }
        let waits = |uid: &String| self.pods.get(uid).is_some_and(PodMachine::wants_resize);
        let mut waiting: Vec<_> = self
            .pods
            .iter()
            .filter(|(_, pod)| pod.wants_resize())
            .map(|(uid, pod)| (pod.resize_rank(), uid))
            .collect();
        waiting.sort();
        let waiting: Vec<String> = waiting.into_iter().map(|(_, uid)| uid.clone()).collect();
        dirty.into_iter().filter(|uid| !waits(uid)).chain(waiting).collect()
    }

    /// What the node's other pods take, for a pod that wants to know.
    fn claims_beside(&self, uid: &str) -> Claims {
        if !self.pods.get(uid).is_some_and(PodMachine::wants_resize) {
            return Claims::default();
        }
        let others = self.pods.iter().filter(|(other, _)| *other != uid);
        others.map(|(_, pod)| pod.claims()).fold(Claims::default(), Claims::add)
    }

    fn forget(&mut self, uid: &str) {
        self.pods.remove(uid);
        self.by_key.retain(|_, known| known != uid);
        self.timers.retain(|(_, known)| known != uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::fixtures::node;
    use serde_json::json;

    fn put(objects: &mut Objects, uid: &str) -> Key {
        let key = Key::new("", "pods", "default", "web");
        let pod = json!({
            "metadata": {"name": "web", "namespace": "default", "uid": uid},
            "spec": {"nodeName": "node-1", "containers": [{"name": "c", "image": "i:1"}]},
        });
        objects.put(key.clone(), Arc::from(serde_json::value::to_raw_value(&pod).expect("JSON")));
        key
    }

    #[test]
    fn a_name_taken_again_is_another_pod() {
        let (mut objects, mut node) = (Objects::default(), Node::new(node()));
        let now = Timestamp::UNIX_EPOCH;
        let key = put(&mut objects, "u1");
        node.changed(std::slice::from_ref(&key), &objects, now);
        assert_eq!(node.round(&objects, now).work.len(), 3);
        put(&mut objects, "u2");
        node.changed(&[key], &objects, now);
        let uids: Vec<&String> = node.pods().map(|(uid, _)| uid).collect();
        assert_eq!(uids, ["u1", "u2"]);
        assert_eq!(node.pod_named("default", "web").expect("it is there").pod().metadata.uid, "u2");
        assert!(
            node.pod("u1")
                .is_some_and(|old| old.stage() > Stage::Up || old.stage() == Stage::StoppingContainers)
        );
    }

    #[test]
    fn what_nobody_wants_is_told_once() {
        let (mut objects, mut node) = (Objects::default(), Node::new(node()));
        node.found(BTreeMap::from([
            ("u1".to_owned(), Found::default()),
            ("old".to_owned(), Found::default()),
        ]));
        let key = put(&mut objects, "u1");
        node.changed(&[key], &objects, Timestamp::UNIX_EPOCH);
        assert_eq!(node.unwanted().into_keys().collect::<Vec<_>>(), ["old"]);
        assert!(node.unwanted().is_empty());
    }

    #[test]
    fn a_pod_that_goes_makes_room_for_the_one_that_waits_first() {
        let (mut objects, mut node) = (Objects::default(), Node::new(node()));
        let now = Timestamp::UNIX_EPOCH;
        let mut put = |node: &mut Node, name: &str, cpu: &str, priority: i64| {
            let key = Key::new("", "pods", "default", name);
            let pod = json!({
                "metadata": {"name": name, "namespace": "default", "uid": name, "generation": 1},
                "spec": {"nodeName": "node-1", "priority": priority, "containers": [
                    {"name": "c", "image": "i:1", "resources": {"requests": {"cpu": cpu}}}]},
            });
            objects.put(key.clone(), Arc::from(serde_json::value::to_raw_value(&pod).expect("JSON")));
            node.changed(&[key], &objects, now);
            node.round(&objects, now);
        };
        put(&mut node, "big", "1500m", 0);
        put(&mut node, "a", "200m", 1);
        put(&mut node, "b", "200m", 2);
        put(&mut node, "a", "1200m", 1);
        put(&mut node, "b", "1200m", 2);
        let granted = |node: &Node, uid: &str| node.pod(uid).map(|pod| pod.claims().cpu_milli);
        assert_eq!((granted(&node, "a"), granted(&node, "b")), (Some(200), Some(200)));
        put(&mut node, "big", "100m", 0);
        assert_eq!((granted(&node, "a"), granted(&node, "b")), (Some(200), Some(1200)));
    }
}
