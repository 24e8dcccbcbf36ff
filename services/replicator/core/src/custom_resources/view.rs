//! What is known of definitions, and of the objects that only they explain.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rutter_apimachinery::custom::conditions::{Approval, approval, is_protected};
use rutter_apimachinery::custom::{DEFINITIONS, GROUP};
use rutter_apimachinery::kinds::apiextensions;
use rutter_apimachinery::registry::Registry;
use rutter_controller::read::{list, text};
use rutter_controller::{Fact, Reads};
use rutter_schemas::{Key, Op, Revision};
use serde_json::Value;

use super::approval_condition;
use super::names::Names;

#[derive(Debug, Default, PartialEq)]
pub struct View {
    definitions: BTreeMap<String, Definition>,
    /// By group and plural: everything that is of no kind known at build time.
    objects: BTreeMap<(String, String), BTreeMap<Key, Object>>,
    reads: Reads,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Definition {
    pub(super) key: Key,
    pub(super) revision: Revision,
    pub(super) group: String,
    pub(super) names: Names,
    pub(super) accepted: Names,
    pub(super) conditions: Vec<Value>,
    pub(super) deleting: bool,
    pub(super) finalizers: Vec<String>,
    /// By what its schemas are not structural, in one text.
    pub(super) violations: Option<String>,
    /// The condition of a group that needs approval.
    pub(super) approval: Option<Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Object {
    pub(super) revision: Revision,
    pub(super) uid: String,
    pub(super) deleting: bool,
}

pub(super) fn is_definition(group: &str, resource: &str) -> bool {
    group == GROUP && resource == DEFINITIONS
}

/// Whether no kind known at build time is meant.
pub(super) fn may_be_custom(group: &str, resource: &str) -> bool {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    group.contains('.') && !REGISTRY.get_or_init(Registry::builtin).has(group, resource)
}

impl View {
    pub(super) fn definition(&self, key: &Key) -> Option<&Definition> {
        self.reads.count(1);
        self.definitions.get(&key.name)
    }

    pub(super) fn others_of_group<'v>(&'v self, one: &'v Definition) -> impl Iterator<Item = &'v Definition> {
        self.reads.count(self.definitions.len());
        let others = self.definitions.values();
        others.filter(move |other| other.group == one.group && other.key != one.key)
    }

    pub(super) fn objects_of(
        &self,
        definition: &Definition,
    ) -> impl ExactSizeIterator<Item = (&Key, &Object)> + '_ {
        static NONE: BTreeMap<Key, Object> = BTreeMap::new();
        let place = (definition.group.clone(), definition.names.plural.clone());
        let objects = self.objects.get(&place).unwrap_or(&NONE);
        self.reads.count(objects.len());
        objects.iter().collect::<Vec<_>>().into_iter()
    }

    pub(super) fn reads(&self) -> &Reads {
        &self.reads
    }

    pub(super) fn apply(&mut self, fact: &Fact) {
        if is_definition(&fact.key.group, &fact.key.resource) {
            match fact.after() {
                Some(object) => self.definitions.insert(fact.key.name.clone(), definition(fact, object)),
                None => self.definitions.remove(&fact.key.name),
            };
            return;
        }
        if !may_be_custom(&fact.key.group, &fact.key.resource) {
            return;
        }
        let place = (fact.key.group.clone(), fact.key.resource.clone());
        let objects = self.objects.entry(place.clone()).or_default();
        if fact.op == Op::Delete {
            objects.remove(&fact.key);
            if objects.is_empty() {
                self.objects.remove(&place);
            }
            return;
        }
        let deleting = fact.meta.deletion.is_some();
        objects.insert(fact.key.clone(), Object { revision: fact.revision, uid: fact.uid.clone(), deleting });
    }

    /// A definition itself, and the others of its group, for which a name may have become free; for an object, the
    /// definition that waits for its end.
    pub(super) fn woken_by(&self, fact: &Fact) -> Vec<Key> {
        if is_definition(&fact.key.group, &fact.key.resource) {
            let group = text(fact.object(), "/spec/group");
            let others = self.definitions.values().filter(|other| other.group == group);
            let mut keys: Vec<Key> = others.map(|other| other.key.clone()).collect();
            if !keys.contains(&fact.key) {
                keys.push(fact.key.clone());
            }
            return keys;
        }
        let name = format!("{}.{}", fact.key.resource, fact.key.group);
        let waits = self.definitions.get(&name).filter(|definition| definition.deleting);
        waits.map(|definition| definition.key.clone()).into_iter().collect()
    }
}

fn definition(fact: &Fact, object: &Value) -> Definition {
    let group = text(object, "/spec/group").to_owned();
    let violations: Vec<String> = apiextensions::violations(object).iter().map(ToString::to_string).collect();
    let violations = match violations.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(format!("[{}]", many.join(", "))),
    };
    Definition {
        key: fact.key.clone(),
        revision: fact.revision,
        approval: is_protected(&group).then(|| approved(object)),
        group,
        names: Names::read(&object["spec"]["names"]),
        accepted: Names::read(&object["status"]["acceptedNames"]),
        conditions: list(object, "/status/conditions").to_vec(),
        deleting: fact.meta.deletion.is_some(),
        finalizers: fact.meta.finalizers.clone(),
        violations,
    }
}

fn approved(object: &Value) -> Value {
    let (state, why) = approval(object);
    let (status, reason) = match state {
        Approval::Invalid => ("False", "InvalidAnnotation"),
        Approval::Missing => ("False", "MissingAnnotation"),
        Approval::Approved => ("True", "ApprovedAnnotation"),
        Approval::Bypassed => ("False", "UnapprovedAnnotation"),
    };
    approval_condition(status, reason, &why)
}
