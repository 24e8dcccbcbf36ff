//! The gateway's side: which feeds a frame changes, and what a reader has missed.
//!
//! It holds names only; the objects come from the gateway's projection at the same revision.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rutter_schemas::{Key, Revision};
use serde_json::Value;

use super::{is_shared, references};

/// How many steps of a feed are kept for readers that missed some. One who missed more gets a snapshot.
const REMEMBERED_STEPS: usize = 256;

/// Whose feed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Node(String),
    Shared,
}

/// What the feeds need to know of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodFacts {
    /// `spec.nodeName`; none while it is not bound.
    pub node: Option<String>,
    pub references: BTreeSet<Key>,
}

impl PodFacts {
    pub fn of(pod: &Value) -> PodFacts {
        let node = pod["spec"]["nodeName"].as_str().filter(|name| !name.is_empty());
        PodFacts { node: node.map(str::to_owned), references: references(pod) }
    }
}

/// What a frame did to an object, as the feeds see it. Of an object that changed twice, the last counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    Pod { key: Key, facts: PodFacts },
    Put { key: Key },
    Gone { key: Key },
}

impl Happened {
    /// Of an object's text after the change; none if it is gone. Only pods are parsed.
    pub fn of(key: &Key, object: Option<&[u8]>) -> Happened {
        let key = key.clone();
        match object {
            None => Happened::Gone { key },
            Some(text) if is_pod(&key) => {
                let pod: Value = serde_json::from_slice(text).unwrap_or_default();
                Happened::Pod { key, facts: PodFacts::of(&pod) }
            }
            Some(_) => Happened::Put { key },
        }
    }
}

/// A step of one feed, live or as the answer to a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    pub target: Target,
    pub revision: Revision,
    pub prior: Revision,
    /// The objects concerned. `true`: it belongs to the feed (to be sent as it is at `revision`, or as gone if it does
    /// not exist); `false`: it does no longer.
    pub changes: BTreeMap<Key, bool>,
}

/// What to answer a reader that asks for what it missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sync {
    /// The steps since its cursor, as one.
    Since(Update),
    /// Everything. Of the shared feed the names are not kept: all objects of [`super::SHARED`].
    Snapshot { target: Target, revision: Revision, keys: BTreeSet<Key> },
    /// The reader has seen more than this gateway: ask another, or this one later.
    Behind { revision: Revision },
}

/// All feeds of a cluster.
#[derive(Clone, Debug)]
pub struct Feeds {
    /// The frame end up to which everything is in.
    at: Revision,
    /// Where the numbering began: nothing is known of steps before.
    start: Revision,
    steps: BTreeMap<Target, Steps>,
    /// Bound pods.
    pods: BTreeMap<Key, Bound>,
    nodes: BTreeMap<String, Belongings>,
    /// Which nodes need an object that pods name.
    readers: BTreeMap<Key, BTreeSet<String>>,
}

#[derive(Clone, Debug)]
struct Bound {
    node: String,
    references: BTreeSet<Key>,
}

/// What belongs to one node.
#[derive(Clone, Debug, Default)]
struct Belongings {
    pods: BTreeSet<Key>,
    /// What its pods name, and how many of them do.
    named: BTreeMap<Key, usize>,
}

/// The last steps of one feed.
#[derive(Clone, Debug)]
struct Steps {
    last: Revision,
    /// The revision before the oldest step that is kept.
    floor: Revision,
    kept: VecDeque<(Revision, BTreeMap<Key, bool>)>,
}

type Touched = BTreeMap<Target, BTreeMap<Key, bool>>;

impl Feeds {
    /// Begins with the pods that exist at `at`, a frame's end.
    pub fn load(at: Revision, pods: impl IntoIterator<Item = (Key, PodFacts)>) -> Feeds {
        let mut feeds = Feeds {
            at,
            start: at,
            steps: BTreeMap::new(),
            pods: BTreeMap::new(),
            nodes: BTreeMap::new(),
            readers: BTreeMap::new(),
        };
        let mut ignored = Touched::new();
        for (key, facts) in pods {
            feeds.bind(key, facts, &mut ignored);
        }
        feeds
    }

    pub fn at(&self) -> Revision {
        self.at
    }

    /// Takes in a frame that ends at `end`: the steps to publish, in order of target. Frames that were taken in before
    /// change nothing.
    pub fn apply(&mut self, end: Revision, changes: impl IntoIterator<Item = Happened>) -> Vec<Update> {
        if end <= self.at {
            return Vec::new();
        }
        self.at = end;
        let mut touched = Touched::new();
        for change in changes {
            self.take_in(change, &mut touched);
        }
        touched.into_iter().map(|(target, changes)| self.step(target, changes)).collect()
    }

    /// A step without changes: tells readers how far the feed is, so that they notice what they missed.
    pub fn beat(&self, target: Target) -> Update {
        let prior = self.steps.get(&target).map_or(self.start, |steps| steps.last);
        Update { target, revision: self.at, prior, changes: BTreeMap::new() }
    }

    /// What a reader at `cursor` has missed.
    pub fn sync(&self, target: Target, cursor: Option<Revision>) -> Sync {
        let Some(cursor) = cursor else { return self.snapshot(target) };
        if cursor > self.at {
            return Sync::Behind { revision: self.at };
        }
        let (floor, kept) = match self.steps.get(&target) {
            Some(steps) => (steps.floor, Some(&steps.kept)),
            None => (self.start, None),
        };
        if cursor < floor {
            return self.snapshot(target);
        }
        let missed = kept.into_iter().flatten().filter(|(revision, _)| *revision > cursor);
        let changes = missed.flat_map(|(_, changes)| changes.clone()).collect();
        Sync::Since(Update { target, revision: self.at, prior: cursor, changes })
    }

    /// Whether a node may read an object: what its own feed holds, and what is shared.
    pub fn may_read(&self, node: &str, key: &Key) -> bool {
        let belongs = || {
            let belongings = self.nodes.get(node)?;
            Some(belongings.pods.contains(key) || belongings.named.contains_key(key))
        };
        is_shared(key) || *key == node_key(node) || belongs().unwrap_or(false)
    }

    fn take_in(&mut self, change: Happened, touched: &mut Touched) {
        match change {
            Happened::Pod { key, facts } => self.bind(key, facts, touched),
            Happened::Put { key } => self.tell(key, true, touched),
            Happened::Gone { key } if is_pod(&key) => {
                self.bind(key, PodFacts::default(), touched);
            }
            Happened::Gone { key } => self.tell(key, false, touched),
        }
    }

    /// Tells those who need an object that is not a pod. A name that pods still use stays theirs: what is gone may
    /// come back, so its absence is said by the object's not being there.
    fn tell(&self, key: Key, exists: bool, touched: &mut Touched) {
        if is_shared(&key) {
            touched.entry(Target::Shared).or_default().insert(key, exists);
        } else if key == node_key(&key.name) {
            touched.entry(Target::Node(key.name.clone())).or_default().insert(key, exists);
        } else {
            for node in self.readers.get(&key).into_iter().flatten() {
                touched.entry(Target::Node(node.clone())).or_default().insert(key.clone(), exists);
            }
        }
    }

    fn bind(&mut self, key: Key, facts: PodFacts, touched: &mut Touched) {
        let before = self.pods.remove(&key);
        let after = facts.node.map(|node| Bound { node, references: facts.references });
        // What is named before and after stays: first the new names, then the old ones are released.
        if let Some(after) = &after {
            let changes = touched.entry(Target::Node(after.node.clone())).or_default();
            let belongings = self.nodes.entry(after.node.clone()).or_default();
            belongings.pods.insert(key.clone());
            changes.insert(key.clone(), true);
            for name in &after.references {
                let users = belongings.named.entry(name.clone()).or_default();
                *users += 1;
                if *users == 1 {
                    self.readers.entry(name.clone()).or_default().insert(after.node.clone());
                    changes.insert(name.clone(), true);
                }
            }
        }
        if let Some(before) = before {
            let stays = after.as_ref().is_some_and(|after| after.node == before.node);
            self.release(&key, &before, stays, touched);
        }
        if let Some(after) = after {
            self.pods.insert(key, after);
        }
    }

    fn release(&mut self, key: &Key, before: &Bound, stays: bool, touched: &mut Touched) {
        let changes = touched.entry(Target::Node(before.node.clone())).or_default();
        let Some(belongings) = self.nodes.get_mut(&before.node) else { return };
        if !stays {
            belongings.pods.remove(key);
            changes.insert(key.clone(), false);
        }
        for name in &before.references {
            let Some(users) = belongings.named.get_mut(name) else { continue };
            *users -= 1;
            if *users == 0 {
                belongings.named.remove(name);
                changes.insert(name.clone(), false);
                forget_reader(&mut self.readers, name, &before.node);
            }
        }
        if belongings.pods.is_empty() {
            self.nodes.remove(&before.node);
        }
    }

    fn step(&mut self, target: Target, changes: BTreeMap<Key, bool>) -> Update {
        let start = self.start;
        let steps = self.steps.entry(target.clone()).or_insert_with(|| Steps {
            last: start,
            floor: start,
            kept: VecDeque::new(),
        });
        let prior = std::mem::replace(&mut steps.last, self.at);
        steps.kept.push_back((self.at, changes.clone()));
        if steps.kept.len() > REMEMBERED_STEPS {
            steps.floor = steps.kept.pop_front().map_or(steps.floor, |(revision, _)| revision);
        }
        Update { target, revision: self.at, prior, changes }
    }

    fn snapshot(&self, target: Target) -> Sync {
        let mut keys = BTreeSet::new();
        if let Target::Node(node) = &target {
            keys.insert(node_key(node));
            if let Some(belongings) = self.nodes.get(node) {
                keys.extend(belongings.pods.iter().cloned());
                keys.extend(belongings.named.keys().cloned());
            }
        }
        Sync::Snapshot { target, revision: self.at, keys }
    }
}

fn forget_reader(readers: &mut BTreeMap<Key, BTreeSet<String>>, name: &Key, node: &str) {
    if let Some(nodes) = readers.get_mut(name) {
        nodes.remove(node);
        if nodes.is_empty() {
            readers.remove(name);
        }
    }
}

fn is_pod(key: &Key) -> bool {
    key.group.is_empty() && key.resource == "pods"
}

fn node_key(node: &str) -> Key {
    Key::new("", "nodes", "", node)
}
