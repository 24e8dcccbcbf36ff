//! What the controller looks at: Endpoints, whether their Services select pods, and the slices that mirror them.

use std::collections::{BTreeMap, BTreeSet};

use rutter_controller::read::{list, text, texts};
use rutter_controller::{Fact, Part, Reads};
use rutter_schemas::{Key, Revision};
use serde_json::Value;

use crate::endpoint_slice::slice::{Family, MANAGED_BY, SERVICE_NAME};

pub(super) const ME: &str = "endpointslicemirroring-controller.k8s.io";
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";

#[derive(Debug, Default, PartialEq)]
pub struct View {
    /// Services that select no pods, by namespace and name.
    bare: BTreeSet<(String, String)>,
    endpoints: BTreeMap<Key, Endpoints>,
    mirrors: BTreeMap<Key, Mirror>,
    mirrors_of: BTreeMap<Key, BTreeSet<Key>>,
    reads: Reads,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Endpoints {
    pub key: Key,
    pub uid: String,
    pub revision: Revision,
    pub deleting: bool,
    pub is_to_be_mirrored: bool,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub subsets: Part,
}

/// An EndpointSlice of this controller.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mirror {
    pub key: Key,
    pub uid: String,
    pub revision: Revision,
    pub of: Key,
    pub family: Family,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub ports: Vec<Value>,
    pub endpoints: Vec<Value>,
}

impl View {
    pub(super) fn endpoints(&self, key: &Key) -> Option<&Endpoints> {
        self.reads.count(1);
        self.endpoints.get(key)
    }

    /// Whether there is a Service of that name, and it selects no pods.
    pub(super) fn selects_nothing(&self, endpoints: &Key) -> bool {
        self.reads.count(1);
        self.bare.contains(&(endpoints.namespace.clone(), endpoints.name.clone()))
    }

    pub(super) fn mirrors_of(&self, endpoints: &Key) -> Vec<&Mirror> {
        let keys = self.mirrors_of.get(endpoints).into_iter().flatten();
        let mirrors: Vec<&Mirror> = keys.filter_map(|key| self.mirrors.get(key)).collect();
        self.reads.count(mirrors.len());
        mirrors
    }

    pub(super) fn has_slice(&self, namespace: &str, name: &str) -> bool {
        self.mirrors.contains_key(&Key::new("discovery.k8s.io", "endpointslices", namespace, name))
    }

    pub(super) fn reads(&self) -> &Reads {
        &self.reads
    }

    pub(super) fn apply_service(&mut self, fact: &Fact) {
        let place = (fact.key.namespace.clone(), fact.key.name.clone());
        let is_bare = fact.after().is_some_and(|object| texts(object, "/spec/selector").is_empty());
        if is_bare {
            self.bare.insert(place);
        } else {
            self.bare.remove(&place);
        }
    }

    pub(super) fn apply_endpoints(&mut self, fact: &Fact) {
        match fact.after() {
            Some(object) => self.endpoints.insert(fact.key.clone(), read_endpoints(fact, object)),
            None => self.endpoints.remove(&fact.key),
        };
    }

    pub(super) fn apply_slice(&mut self, fact: &Fact) {
        if let Some(old) = self.mirrors.remove(&fact.key)
            && let Some(keys) = self.mirrors_of.get_mut(&old.of)
        {
            keys.remove(&fact.key);
            if keys.is_empty() {
                self.mirrors_of.remove(&old.of);
            }
        }
        if let Some(mirror) = fact.after().and_then(|object| read_mirror(fact, object)) {
            self.mirrors_of.entry(mirror.of.clone()).or_default().insert(mirror.key.clone());
            self.mirrors.insert(mirror.key.clone(), mirror);
        }
    }

    /// The Endpoints that the slice mirrored, and those that it mirrors.
    pub(super) fn woken_by_slice(&self, fact: &Fact) -> Vec<Key> {
        let old = self.mirrors.get(&fact.key).map(|mirror| mirror.of.clone());
        old.into_iter().chain(mirrored(fact)).collect()
    }
}

fn read_endpoints(fact: &Fact, object: &Value) -> Endpoints {
    let annotations = texts(object, "/metadata/annotations");
    let skipped = fact
        .meta
        .labels
        .get(SKIP)
        .is_some_and(|said| matches!(said.as_str(), "true" | "1" | "t" | "T" | "True" | "TRUE"));
    Endpoints {
        key: fact.key.clone(),
        uid: fact.uid.clone(),
        revision: fact.revision,
        deleting: fact.meta.deletion.is_some(),
        is_to_be_mirrored: !skipped && !annotations.contains_key(LEADER),
        labels: fact.meta.labels.clone(),
        annotations,
        subsets: Part::of_list(list(object, "/subsets")),
    }
}

/// The Endpoints that the slice of a fact mirrors, if it is one of ours.
fn mirrored(fact: &Fact) -> Option<Key> {
    let labels = &fact.meta.labels;
    let name = labels.get(SERVICE_NAME).filter(|_| labels.get(MANAGED_BY).is_some_and(|by| by == ME))?;
    Some(Key::new("", "endpoints", &fact.key.namespace, name))
}

fn read_mirror(fact: &Fact, object: &Value) -> Option<Mirror> {
    let of = mirrored(fact).filter(|_| fact.meta.deletion.is_none())?;
    Some(Mirror {
        key: fact.key.clone(),
        uid: fact.uid.clone(),
        revision: fact.revision,
        of,
        family: Family::of(text(object, "/addressType")),
        labels: fact.meta.labels.clone(),
        annotations: texts(object, "/metadata/annotations"),
        ports: list(object, "/ports").to_vec(),
        endpoints: list(object, "/endpoints").to_vec(),
    })
}
