//! `metadata.managedFields`: who owns what.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::changes::Changes;
use super::fields::Fields;
use super::walk::Difference;
use crate::json::{items, remove, text};
use crate::registry::Resource;
use crate::status::quoted;
use crate::write::time;

/// Who owned what stood before the first apply.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Updaters beyond this many are told apart no longer (`capmanagers.go`, MaxUpdateManagers).
const UPDATERS_MAX: usize = 10;
/// Who owns what the oldest of too many updaters changed.
const ANCIENT: &str = "ancient-changes";

/// A manager is told by its name, by how and through what it writes, and in which version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Manager {
    /// `Apply` or `Update`; appliers stand first.
    operation: &'static str,
    name: String,
    api_version: String,
    subresource: String,
    /// When it last changed what it owns.
    time: String,
}

impl Manager {
    pub(super) fn applier(name: &str, api_version: String, subresource: &str) -> Manager {
        Manager::of("Apply", name, api_version, subresource)
    }

    pub(super) fn updater(name: &str, api_version: String, subresource: &str) -> Manager {
        Manager::of("Update", name, api_version, subresource)
    }

    fn of(operation: &'static str, name: &str, api_version: String, subresource: &str) -> Manager {
        let (name, subresource) = (name.to_owned(), subresource.to_owned());
        Manager { operation, name, api_version, subresource, time: String::new() }
    }

    /// Who applies is the same one in whatever version (`managedfields.go`, BuildManagerIdentifier).
    fn is(&self, other: &Manager) -> bool {
        self.operation == other.operation
            && self.name == other.name
            && (self.operation == "Apply" || self.api_version == other.api_version)
            && self.subresource == other.subresource
    }
}

impl fmt::Display for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(&self.name))?;
        if self.operation == "Apply" {
            return Ok(());
        }
        if !self.subresource.is_empty() {
            write!(f, " with subresource {}", quoted(&self.subresource))?;
        }
        write!(f, " using {}", self.api_version)?;
        if self.time.is_empty() { Ok(()) } else { write!(f, " at {}", self.time) }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Managers(Vec<(Manager, Fields)>);

impl Managers {
    pub(super) fn read(object: &Value) -> Managers {
        Managers(items(&object["metadata"]["managedFields"]).iter().map(entry).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes the entries in upstream's order: appliers, then updaters, the older first.
    pub(super) fn write(mut self, object: &mut Value) {
        self.0.retain(|(_, owned)| !owned.is_empty());
        self.forget_the_oldest();
        self.0.sort_by(|(a, _), (b, _)| {
            (a.operation, &a.time, &a.name, &a.subresource).cmp(&(
                b.operation,
                &b.time,
                &b.name,
                &b.subresource,
            ))
        });
        match self.0.is_empty() {
            true => remove(&mut object["metadata"], "managedFields"),
            false => object["metadata"]["managedFields"] = self.0.iter().map(written).collect(),
        }
    }

    /// Puts the oldest updaters of a version together while there are too many.
    fn forget_the_oldest(&mut self) {
        let is_updater = |manager: &Manager| manager.operation == "Update" && manager.name != ANCIENT;
        while self.0.iter().filter(|(manager, _)| is_updater(manager)).count() >= UPDATERS_MAX {
            let updaters = self.0.iter().enumerate().filter(|(_, (manager, _))| is_updater(manager));
            let oldest =
                updaters.min_by(|(_, (a, _)), (_, (b, _))| a.time.cmp(&b.time)).map(|(index, _)| index);
            let Some(oldest) = oldest else { return };
            let (manager, owned) = self.0.remove(oldest);
            let ancient =
                Manager { time: manager.time, ..Manager::updater(ANCIENT, manager.api_version, "") };
            let before = self.owned_by(&ancient).cloned().unwrap_or_default();
            self.0.retain(|(other, _)| !other.is(&ancient));
            self.0.push((ancient, before.with(&owned)));
        }
    }

    pub(super) fn insert_first(&mut self, resource: &Resource, owned: Fields, now: Timestamp) {
        self.set(Manager::updater(BEFORE_FIRST_APPLY, resource.api_version(), ""), owned, now);
    }

    pub(super) fn set(&mut self, manager: Manager, owned: Fields, now: Timestamp) {
        self.0.retain(|(other, _)| !other.is(&manager));
        self.0.push((Manager { time: time(now), ..manager }, owned));
    }

    pub(super) fn owned_by(&self, manager: &Manager) -> Option<&Fields> {
        self.0.iter().find(|(other, _)| other.is(manager)).map(|(_, owned)| owned)
    }

    pub(super) fn owned_by_others(&self, manager: &Manager) -> Fields {
        let others = self.0.iter().filter(|(other, _)| !other.is(manager));
        others.fold(Fields::default(), |all, (_, owned)| all.with(owned))
    }

    /// In which versions others own what they own.
    pub(super) fn versions_of_others(&self, manager: &Manager) -> BTreeSet<String> {
        let others = self.0.iter().filter(|(other, _)| !other.is(manager));
        others.map(|(other, _)| other.api_version.clone()).collect()
    }

    /// What others own of what is being changed.
    pub(super) fn conflicts(&self, manager: &Manager, changes: &Changes) -> Vec<(Manager, Fields)> {
        let others = self.0.iter().filter(|(other, _)| !other.is(manager));
        let contested = others.map(|(other, owned)| {
            (other.clone(), owned.and(&changes.in_version(&other.api_version).changed))
        });
        contested.filter(|(_, fields)| !fields.is_empty()).collect()
    }

    /// What somebody changed or removed is no longer others'.
    pub(super) fn take_from_others<'c>(
        &mut self,
        manager: &Manager,
        change: impl Fn(&str) -> &'c Difference,
    ) {
        for (other, owned) in &mut self.0 {
            if !other.is(manager) {
                let Difference { changed, removed } = change(&other.api_version);
                *owned = owned.without(changed).without(removed);
            }
        }
    }
}

fn entry(value: &Value) -> (Manager, Fields) {
    let operation = if value["operation"] == "Apply" { "Apply" } else { "Update" };
    let api_version = text(value, "apiVersion").to_owned();
    let mut manager = Manager::of(operation, text(value, "manager"), api_version, text(value, "subresource"));
    manager.time = text(value, "time").to_owned();
    (manager, Fields::read(&value["fieldsV1"]))
}

fn written((manager, owned): &(Manager, Fields)) -> Value {
    let mut value = json!({
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": manager.api_version,
        "time": manager.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": owned.write(),
    });
    if !manager.subresource.is_empty() {
        value["subresource"] = json!(manager.subresource);
    }
    value
}
