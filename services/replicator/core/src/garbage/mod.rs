//! Garbage collection: what is owned by nobody who is left goes too (upstream: `pkg/controller/garbagecollector`).
//!
//! Keeps true: an object goes when every owner it names is gone or waits for it to go; one living owner keeps it.
//! An owner counts as gone only by its uid: the view is complete up to its revision, so who isn't in it isn't.
//!
//! The three ways of deleting an owner:
//!
//! ```text
//! background   the owner goes, then its dependents
//! foreground   marked, finalizer foregroundDeletion ─► dependents go ─► none left that blocks ─► finalizer off
//! orphan       marked, finalizer orphan ─► dependents name it no more ─► finalizer off
//! ```

#[cfg(test)]
mod tests;
mod view;

use jiff::Timestamp;
use rutter_controller::{Controller, Fact, Intent, Plan, Propagation, Reads};
use rutter_schemas::{Key, Owner, Scope};
use serde_json::json;

use crate::owners::references;
pub use view::View;
use view::{FOREGROUND, ORPHAN, Row, Standing};

/// How many dependents one commit lets go of.
const BATCH: usize = 500;

/// The garbage collector: its keys are all objects.
#[derive(Debug)]
pub struct Garbage;

impl Controller for Garbage {
    type View = View;
    type Key = Key;
    const NAME: &'static str = "generic-garbage-collector";

    fn follows(group: &str, resource: &str) -> bool {
        resource != "events" || !matches!(group, "" | "events.k8s.io")
    }

    fn apply(view: &mut View, fact: &Fact) {
        view.apply(fact);
    }

    fn wakes(view: &View, fact: &Fact) -> Vec<Key> {
        view.woken_by(fact)
    }

    fn reconcile(view: &View, key: &Key, _now: Timestamp) -> Vec<Plan> {
        vec![reconcile(view, key)]
    }

    fn reads(view: &View) -> &Reads {
        view.reads()
    }
}

fn reconcile(view: &View, key: &Key) -> Plan {
    let Some(row) = view.row(key) else { return Plan::idle("it is gone") };
    if row.deleting && row.has(ORPHAN) {
        return orphan(view, row);
    }
    if row.waits_for_dependents() {
        return await_dependents(view, row);
    }
    if row.deleting {
        return Plan::idle("it is being deleted");
    }
    judge(view, row)
}

/// Lets go of the dependents, then of the finalizer.
fn orphan(view: &View, owner: &Row) -> Plan {
    let mut plan = Plan::because(format!("{} leaves its dependents behind", owner.key));
    let mut dependents = view.dependents(&owner.uid);
    for row in dependents.by_ref().take(BATCH) {
        plan.merge(
            Key::clone(&row.key),
            row.revision,
            own(row.owners.iter().filter(|other| *other.uid != *owner.uid)),
        );
    }
    if dependents.next().is_none() {
        drop_finalizer(&mut plan, owner, ORPHAN);
    }
    plan
}

/// Takes the finalizer off once no dependent blocks; dependents look after themselves.
fn await_dependents(view: &View, owner: &Row) -> Plan {
    if view.dependents(&owner.uid).any(|row| row.blocks(&owner.uid)) {
        return Plan::idle("it waits for its dependents");
    }
    let mut plan = Plan::because(format!("no dependent of {} is left that blocks its deletion", owner.key));
    drop_finalizer(&mut plan, owner, FOREGROUND);
    plan
}

/// Whether the owners that an object names keep it.
fn judge(view: &View, row: &Row) -> Plan {
    if row.owners.is_empty() {
        return Plan::idle("nobody owns it");
    }
    let standing = |owner: &Owner| view.standing(owner, &row.key.namespace);
    let is_solid = |owner: &&Owner| standing(owner) == Standing::Solid;
    if row.owners.iter().all(|owner| is_solid(&owner)) {
        return Plan::idle("its owners are there");
    }
    if row.owners.iter().any(|owner| is_solid(&owner)) {
        let mut plan = Plan::because("some of its owners are gone");
        plan.merge(Key::clone(&row.key), row.revision, own(row.owners.iter().filter(is_solid)));
        return plan;
    }
    let awaited = row.owners.iter().any(|owner| standing(owner) == Standing::Waiting);
    let mut plan =
        Plan::because(if awaited { "its owner waits for it to go" } else { "its owners are gone" });
    let has_dependents = view.dependents(&row.uid).next().is_some();
    let propagation = match () {
        () if awaited && has_dependents => Propagation::Foreground,
        () if row.has(ORPHAN) => Propagation::Orphan,
        () if row.has(FOREGROUND) => Propagation::Foreground,
        () => Propagation::Background,
    };
    if awaited && view.dependents(&row.uid).any(Row::waits_for_dependents) {
        unblock(&mut plan, row);
    }
    plan.intents.push(Intent::Delete {
        key: Key::clone(&row.key),
        expect: row.revision,
        uid: Some(row.uid.to_string()),
        grace_seconds: None,
        propagation: Some(propagation),
    });
    plan
}

/// Where owners wait for each other in a ring, none may block.
fn unblock(plan: &mut Plan, row: &Row) {
    let owners: Vec<Owner> =
        row.owners.iter().cloned().map(|owner| Owner { block: false, ..owner }).collect();
    plan.merge(Key::clone(&row.key), row.revision, own(&owners));
}

fn own<'a>(owners: impl IntoIterator<Item = &'a Owner>) -> serde_json::Value {
    json!({ "metadata": { "ownerReferences": references(owners) } })
}

/// Nobody may have become a dependent meanwhile.
fn drop_finalizer(plan: &mut Plan, row: &Row, finalizer: &str) {
    let rest: Vec<&String> = row.finalizers.iter().filter(|other| *other != finalizer).collect();
    plan.merge(Key::clone(&row.key), row.revision, json!({ "metadata": { "finalizers": rest } }));
    plan.guard(Scope::owner(&row.uid));
}
