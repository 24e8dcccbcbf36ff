//! The end of a definition: its objects are deleted, then it is let go (`pkg/controller/finalizer/crd_finalizer.go`).

use jiff::Timestamp;
use rutter_apimachinery::custom::conditions::{CLEANUP, ESTABLISHED, TERMINATING};
use rutter_controller::Plan;
use serde_json::{Value, json};

use super::view::{Definition, View};
use super::{condition, holds, put};

/// How many objects one commit deletes.
const BATCH: usize = 500;

pub(super) fn reconcile(view: &View, definition: &Definition, now: Timestamp) -> Plan {
    if !definition.finalizers.iter().any(|name| name == CLEANUP) {
        return Plan::idle("it waits for other finalizers");
    }
    let name = &definition.key.name;
    if !holds(&definition.conditions, ESTABLISHED) {
        let ended = condition(TERMINATING, "False", "NeverEstablished", "resource was never established");
        return let_go(definition, ended, format!("{name} was never established"), now);
    }
    let objects = view.objects_of(definition);
    if objects.len() == 0 {
        let ended = condition(TERMINATING, "False", "InstanceDeletionCompleted", "removed all instances");
        return let_go(definition, ended, format!("nothing of {name} is left"), now);
    }
    let mut plan = Plan::because(format!("{name} is being deleted and still has {} objects", objects.len()));
    let words = "CustomResource deletion is in progress";
    let conditions =
        with(definition, condition(TERMINATING, "True", "InstanceDeletionInProgress", words), now);
    if conditions != definition.conditions {
        plan.merge_status(definition.key.clone(), definition.revision, json!({ "conditions": conditions }));
    }
    for (key, object) in objects.filter(|(_, object)| !object.deleting).take(BATCH) {
        plan.delete(key.clone(), object.revision, &object.uid);
    }
    plan
}

fn let_go(definition: &Definition, ended: Value, why: String, now: Timestamp) -> Plan {
    let mut plan = Plan::because(why);
    let (key, revision) = (&definition.key, definition.revision);
    plan.merge_status(key.clone(), revision, json!({ "conditions": with(definition, ended, now) }));
    let rest: Vec<&String> = definition.finalizers.iter().filter(|name| *name != CLEANUP).collect();
    plan.merge(key.clone(), revision, json!({ "metadata": { "finalizers": rest } }));
    plan
}

fn with(definition: &Definition, new: Value, now: Timestamp) -> Vec<Value> {
    let mut conditions = definition.conditions.clone();
    put(&mut conditions, new, now);
    conditions
}
