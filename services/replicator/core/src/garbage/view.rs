//! Who owns whom, by uid: one small row for every object there is. States are not parsed for it, but those of
//! definitions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use rutter_apimachinery::registry::Registry;
use rutter_controller::{Fact, Reads};
use rutter_schemas::{Key, Owner, Revision};
use serde_json::Value;

use crate::groups::Groups;

pub(super) const FOREGROUND: &str = "foregroundDeletion";
pub(super) const ORPHAN: &str = "orphan";

#[derive(Debug, Default, PartialEq)]
pub struct View {
    rows: HashMap<Arc<Key>, Row>,
    keys: HashMap<Arc<str>, Arc<Key>>,
    /// The objects that name this uid as an owner, whether it exists or not.
    dependents: Groups<String>,
    /// What custom resources there are, by the name of their definition.
    custom: BTreeMap<String, Custom>,
    reads: Reads,
}

/// A kind that a definition serves.
#[derive(Debug, PartialEq)]
struct Custom {
    group: String,
    kind: String,
    versions: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub key: Arc<Key>,
    pub uid: Arc<str>,
    pub revision: Revision,
    pub owners: Vec<Owner>,
    pub deleting: bool,
    pub finalizers: Vec<String>,
}

/// How an owner stands to one who names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is there, or of a kind that we don't know and so can't miss.
    Solid,
    /// It is being deleted in the foreground.
    Waiting,
    Gone,
}

impl Row {
    pub(super) fn has(&self, finalizer: &str) -> bool {
        self.finalizers.iter().any(|known| known == finalizer)
    }

    pub(super) fn waits_for_dependents(&self) -> bool {
        self.deleting && self.has(FOREGROUND)
    }

    pub(super) fn blocks(&self, owner: &str) -> bool {
        self.owners.iter().any(|known| known.uid == owner && known.block)
    }

    fn is_alike(&self, other: &Row) -> bool {
        self.uid == other.uid
            && self.owners == other.owners
            && self.deleting == other.deleting
            && self.finalizers == other.finalizers
    }

    fn is_of_interest(&self) -> bool {
        !self.owners.is_empty() || (self.deleting && !self.finalizers.is_empty())
    }
}

impl View {
    pub(super) fn row(&self, key: &Key) -> Option<&Row> {
        self.reads.count(1);
        self.rows.get(key)
    }

    pub(super) fn dependents(&self, uid: &str) -> impl Iterator<Item = &Row> {
        self.dependents.of(uid.to_owned()).filter_map(|key| self.row(key))
    }

    /// An owner is cluster-scoped or of the same namespace; a uid found elsewhere or by another name is another's.
    pub(super) fn standing(&self, owner: &Owner, namespace: &str) -> Standing {
        let found = self.keys.get(owner.uid.as_str()).and_then(|key| self.row(key));
        let found = found.filter(|row| {
            row.key.name == owner.name && (row.key.namespace.is_empty() || row.key.namespace == namespace)
        });
        match found {
            Some(row) if row.waits_for_dependents() => Standing::Waiting,
            Some(_) => Standing::Solid,
            None if self.serves(owner) => Standing::Gone,
            None => Standing::Solid,
        }
    }

    pub(super) fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Whether owners of this kind would be in the log at all.
    fn serves(&self, owner: &Owner) -> bool {
        static BUILTIN: OnceLock<Registry> = OnceLock::new();
        let (group, version) = owner.api_version.split_once('/').unwrap_or(("", &owner.api_version));
        let is_it = |custom: &Custom| {
            custom.group == group
                && custom.kind == owner.kind
                && custom.versions.iter().any(|served| served == version)
        };
        let builtin = BUILTIN.get_or_init(Registry::builtin);
        builtin.by_kind(group, version, &owner.kind).is_some() || self.custom.values().any(is_it)
    }

    pub(super) fn apply(&mut self, fact: &Fact) {
        if fact.is("apiextensions.k8s.io", "customresourcedefinitions") {
            match fact.after() {
                Some(definition) => self.custom.insert(fact.key.name.clone(), custom(definition)),
                None => self.custom.remove(&fact.key.name),
            };
        }
        let row = read(fact);
        if let (Some(old), Some(row)) = (self.rows.get_mut(&fact.key), &row)
            && old.is_alike(row)
        {
            // Most changes are of no concern here.
            old.revision = fact.revision;
            return;
        }
        if let Some(old) = self.rows.remove(&fact.key) {
            self.keys.remove(&old.uid);
            for owner in &old.owners {
                self.dependents.remove(owner.uid.clone(), &old.key);
            }
        }
        if let Some(row) = row {
            self.keys.insert(row.uid.clone(), row.key.clone());
            for owner in &row.owners {
                self.dependents.insert(owner.uid.clone(), &row.key);
            }
            self.rows.insert(row.key.clone(), row);
        }
    }

    /// The object itself; its dependents, when it goes or begins to wait for them; its owners that wait for it.
    pub(super) fn woken_by(&self, fact: &Fact) -> Vec<Key> {
        let old = self.rows.get(&fact.key);
        let new = read(fact);
        if old.zip(new.as_ref()).is_some_and(|(old, new)| old.is_alike(new)) {
            return Vec::new();
        }
        let mut woken = BTreeSet::new();
        if new.as_ref().is_some_and(Row::is_of_interest) {
            woken.insert(fact.key.clone());
        }
        if new.as_ref().is_none_or(Row::waits_for_dependents) {
            woken.extend(self.dependents.of(fact.uid.clone()).cloned());
        }
        for owner in old.iter().flat_map(|row| &row.owners) {
            let waiting = self
                .keys
                .get(owner.uid.as_str())
                .filter(|key| self.rows.get(*key).is_some_and(|row| row.deleting));
            woken.extend(waiting.map(|key| Key::clone(key)));
        }
        woken.into_iter().collect()
    }
}

fn read(fact: &Fact) -> Option<Row> {
    (fact.op != rutter_schemas::Op::Delete).then(|| Row {
        key: fact.key.clone().into(),
        uid: fact.uid.as_str().into(),
        revision: fact.revision,
        owners: fact.meta.owners.clone(),
        deleting: fact.meta.deletion.is_some(),
        finalizers: fact.meta.finalizers.clone(),
    })
}

fn custom(definition: &Value) -> Custom {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let spec = &definition["spec"];
    let versions = spec["versions"].as_array().map_or(&[][..], Vec::as_slice).iter();
    Custom {
        group: text(&spec["group"]),
        kind: text(&spec["names"]["kind"]),
        versions: versions
            .filter(|version| version["served"] == true)
            .map(|version| text(&version["name"]))
            .collect(),
    }
}
