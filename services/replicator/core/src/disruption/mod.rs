//! PodDisruptionBudgets: how many of their pods may go now (upstream: `pkg/controller/disruption`).
//!
//! Keeps true: a budget's status is written on the revision that evictions write on, so an eviction that was granted
//! meanwhile is never forgotten: it refuses the status, and the status is counted anew.

mod count;
#[cfg(test)]
mod tests;
mod view;

use jiff::Timestamp;
use rutter_controller::read::stamp;
use rutter_controller::{Controller, Fact, Plan, Reads};
use rutter_schemas::Key;
use serde_json::{Value, json};

use count::{Count, count};
pub use view::View;
use view::{Budget, SUFFICIENT, Said};

/// The controller of PodDisruptionBudgets.
#[derive(Debug)]
pub struct Disruption;

impl Controller for Disruption {
    type View = View;
    type Key = Key;
    const NAME: &'static str = "disruption-controller";

    fn follows(group: &str, resource: &str) -> bool {
        matches!(
            (group, resource),
            ("", "pods" | "replicationcontrollers")
                | ("policy", "poddisruptionbudgets")
                | ("apps", "deployments" | "replicasets" | "statefulsets")
        )
    }

    fn apply(view: &mut View, fact: &Fact) {
        match fact.key.resource.as_str() {
            "pods" => view.apply_pod(fact),
            "poddisruptionbudgets" => view.apply_budget(fact),
            _ => view.apply_scale(fact),
        }
    }

    fn wakes(view: &View, fact: &Fact) -> Vec<Key> {
        match fact.key.resource.as_str() {
            "pods" => view.woken_by_pod(fact),
            "poddisruptionbudgets" => vec![fact.key.clone()],
            _ => view.woken_by_scale(fact),
        }
    }

    fn reconcile(view: &View, key: &Key, now: Timestamp) -> Vec<Plan> {
        vec![reconcile(view, key, now)]
    }

    fn reads(view: &View) -> &Reads {
        view.reads()
    }
}

fn reconcile(view: &View, key: &Key, now: Timestamp) -> Plan {
    let Some(budget) = view.budget(key) else { return Plan::idle("it is gone") };
    if budget.deleting {
        return Plan::idle("it is being deleted");
    }
    match count(view, budget, now) {
        Ok(counted) => told(budget, &counted, now),
        Err(why) => unknown(budget, &why, now),
    }
}

fn told(budget: &Budget, counted: &Count, now: Timestamp) -> Plan {
    let said = if counted.allowed > 0 { Said::enough() } else { Said::too_few() };
    let stands = budget.counts == counted.counts()
        && budget.disrupted == counted.disrupted
        && budget.observed_generation == budget.generation
        && budget.said.as_ref().is_some_and(|old| old.status == said.status && old.reason == said.reason);
    let mut plan = Plan::because(format!("{} pods may go now", counted.allowed));
    if !stands {
        let [current, desired, expected, allowed] = counted.counts();
        let gone = budget.disrupted.keys().filter(|name| !counted.disrupted.contains_key(*name));
        let kept = counted.disrupted.iter().map(|(name, at)| (name.clone(), json!(stamp(*at))));
        let disrupted: Value = gone.map(|name| (name.clone(), Value::Null)).chain(kept).collect();
        let status = json!({
            "currentHealthy": current, "desiredHealthy": desired, "expectedPods": expected,
            "disruptionsAllowed": allowed, "observedGeneration": budget.generation,
            "disruptedPods": if disrupted == json!({}) { Value::Null } else { disrupted },
            "conditions": conditions(budget, &said, budget.generation, now),
        });
        plan.merge_status(budget.key.clone(), budget.revision, status);
    }
    if let Some(when) = counted.look_again {
        plan.look_again_at(when);
    }
    plan
}

/// What can't be counted lets nobody go (upstream's `failSafe`).
fn unknown(budget: &Budget, why: &str, now: Timestamp) -> Plan {
    let said = Said::failed(why);
    let mut plan = Plan::because(why);
    let [_, _, _, allowed] = budget.counts;
    if allowed != 0 || budget.said.as_ref() != Some(&said) {
        let conditions = conditions(budget, &said, budget.observed_generation, now);
        let status = json!({ "disruptionsAllowed": 0, "conditions": conditions });
        plan.merge_status(budget.key.clone(), budget.revision, status);
    }
    plan
}

/// The budget's conditions with what is said now; the time of a status that stays stays.
fn conditions(budget: &Budget, said: &Said, observed: i64, now: Timestamp) -> Value {
    let since = match &budget.said {
        Some(old) if old.status == said.status => budget.said_since.clone(),
        _ => stamp(now),
    };
    let ours = json!({
        "type": SUFFICIENT, "status": said.status, "reason": said.reason, "message": said.message,
        "observedGeneration": observed, "lastTransitionTime": since,
    });
    budget.others.iter().cloned().chain([ours]).collect()
}
