//! The life of a CustomResourceDefinition: its names are accepted or refused, it is established, and when it is deleted
//! its objects go first (upstream: `k8s.io/apiextensions-apiserver/pkg/controller/{status,establish,finalizer,
//! nonstructuralschema,apiapproval}`).
//!
//! Keeps true: no two definitions of a group have a name in common. Whoever accepts names guards those of the group,
//! which every acceptance touches. No object is left behind: every creation guards its definition's life, which the
//! deletion mark touched, so what the view shows after the mark is all there is.

mod ending;
mod names;
mod view;

use jiff::Timestamp;
use rutter_apimachinery::custom::conditions::{API_APPROVED, ESTABLISHED, NAMES_ACCEPTED, NON_STRUCTURAL};
use rutter_controller::read::stamp;
use rutter_controller::{Controller, Fact, Plan, Reads};
use rutter_schemas::{Key, Scope};
use serde_json::{Value, json};

use view::Definition;
pub use view::View;

/// The controller of definitions.
#[derive(Debug)]
pub struct CustomResources;

impl Controller for CustomResources {
    type View = View;
    type Key = Key;
    const NAME: &'static str = "custom-resource-controller";

    fn follows(group: &str, resource: &str) -> bool {
        view::is_definition(group, resource) || view::may_be_custom(group, resource)
    }

    fn apply(view: &mut View, fact: &Fact) {
        view.apply(fact);
    }

    fn wakes(view: &View, fact: &Fact) -> Vec<Key> {
        view.woken_by(fact)
    }

    fn reconcile(view: &View, key: &Key, now: Timestamp) -> Vec<Plan> {
        vec![reconcile(view, key, now)]
    }

    fn reads(view: &View) -> &Reads {
        view.reads()
    }
}

fn reconcile(view: &View, key: &Key, now: Timestamp) -> Plan {
    let Some(definition) = view.definition(key) else { return Plan::idle("it is gone") };
    if definition.deleting {
        return ending::reconcile(view, definition, now);
    }
    let verdict = names::judged(view, definition);
    let mut conditions = definition.conditions.clone();
    put(&mut conditions, verdict.condition(), now);
    let is_established = holds(&definition.conditions, ESTABLISHED);
    if !is_established {
        put(&mut conditions, established(definition, verdict.is_accepted()), now);
    }
    put_or_remove(&mut conditions, NON_STRUCTURAL, non_structural(definition), now);
    if let Some(approval) = &definition.approval {
        put(&mut conditions, approval.clone(), now);
    }
    if conditions == definition.conditions && verdict.accepted == definition.accepted {
        return Plan::idle("its names and conditions are as they should be");
    }
    let mut plan = Plan::because(match (verdict.is_accepted(), is_established) {
        (true, false) => format!("{} is established: nobody else has its names", definition.key.name),
        (true, true) => format!("the conditions of {} changed", definition.key.name),
        (false, _) => format!("{} asks for a name that is taken", definition.key.name),
    });
    if verdict.accepted != definition.accepted {
        plan.guard(Scope::custom_names(&definition.group));
    }
    let accepted = names::replacing(&verdict.accepted);
    let status = json!({ "acceptedNames": accepted, "conditions": conditions });
    plan.merge_status(definition.key.clone(), definition.revision, status);
    plan
}

fn established(definition: &Definition, accepted: bool) -> Value {
    if !accepted {
        let known = find(&definition.conditions, ESTABLISHED).cloned();
        return known
            .unwrap_or_else(|| condition(ESTABLISHED, "False", "NotAccepted", "not all names are accepted"));
    }
    condition(ESTABLISHED, "True", "InitialNamesAccepted", "the initial names have been accepted")
}

fn non_structural(definition: &Definition) -> Option<Value> {
    let words = definition.violations.as_ref()?;
    Some(condition(NON_STRUCTURAL, "True", "Violations", words))
}

/// A condition without its time.
fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({ "type": kind, "status": status, "reason": reason, "message": message })
}

fn find<'c>(conditions: &'c [Value], kind: &str) -> Option<&'c Value> {
    conditions.iter().find(|condition| condition["type"] == kind)
}

fn holds(conditions: &[Value], kind: &str) -> bool {
    find(conditions, kind).is_some_and(|condition| condition["status"] == "True")
}

/// Sets a condition; its time moves with its status (`SetCRDCondition`).
fn put(conditions: &mut Vec<Value>, mut new: Value, now: Timestamp) {
    let known = conditions.iter_mut().find(|condition| condition["type"] == new["type"]);
    let since = known.as_ref().filter(|known| known["status"] == new["status"]);
    new["lastTransitionTime"] =
        since.map_or_else(|| json!(stamp(now)), |known| known["lastTransitionTime"].clone());
    match known {
        Some(known) => *known = new,
        None => conditions.push(new),
    }
}

fn put_or_remove(conditions: &mut Vec<Value>, kind: &str, new: Option<Value>, now: Timestamp) {
    match new {
        Some(new) => put(conditions, new, now),
        None => conditions.retain(|condition| condition["type"] != kind),
    }
}

/// What the other modules say of acceptance.
fn names_condition(status: &str, reason: &str, message: &str) -> Value {
    condition(NAMES_ACCEPTED, status, reason, message)
}

/// What the view keeps of an approval: only the community's own groups need one.
fn approval_condition(status: &str, reason: &str, message: &str) -> Value {
    condition(API_APPROVED, status, reason, message)
}

#[cfg(test)]
mod tests;
