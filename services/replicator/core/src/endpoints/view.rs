//! What the controller of Endpoints looks at: Services with the pods they select, and the Endpoints there are.

use std::collections::BTreeMap;

use rutter_controller::read::list;
use rutter_controller::{Fact, Part};
use rutter_schemas::{Key, Revision};
use serde_json::Value;

use super::OVER_CAPACITY;
use crate::endpoint_slice::view as slices;

pub(super) const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
pub(super) const ME: &str = "endpoint-controller";

#[derive(Debug, Default, PartialEq)]
pub struct View {
    pub(super) services: slices::View,
    standing: BTreeMap<Key, Standing>,
}

/// An Endpoints object as it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Standing {
    pub key: Key,
    pub uid: String,
    pub revision: Revision,
    pub labels: BTreeMap<String, String>,
    pub subsets: Part,
    pub truncated: bool,
}

impl View {
    /// The Endpoints of a Service's name.
    pub(super) fn standing(&self, service: &Key) -> Option<&Standing> {
        self.services.reads().count(1);
        self.standing.get(&Key::new("", "endpoints", &service.namespace, &service.name))
    }

    pub(super) fn apply_endpoints(&mut self, fact: &Fact) {
        match fact.after() {
            Some(object) => self.standing.insert(fact.key.clone(), read(fact, object)),
            None => self.standing.remove(&fact.key),
        };
    }
}

impl Standing {
    pub(super) fn is_ours(&self) -> bool {
        self.labels.get(MANAGED_BY).is_some_and(|by| by == ME)
    }
}

fn read(fact: &Fact, object: &Value) -> Standing {
    Standing {
        key: fact.key.clone(),
        uid: fact.uid.clone(),
        revision: fact.revision,
        labels: fact.meta.labels.clone(),
        subsets: Part::of_list(list(object, "/subsets")),
        truncated: object["metadata"]["annotations"][OVER_CAPACITY].is_string(),
    }
}
