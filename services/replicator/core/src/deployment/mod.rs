//! Deployments: from one template to the next without losing the service (upstream: `pkg/controller/deployment`).
//!
//! Keeps true: counting every set at the larger of what it is asked for and what it has, a Deployment never has more
//! pods than its replicas and the surge; and it gives up no pod that it needs to stay as available as promised.
//! Every plan guards `owner:<uid>` of each set whose numbers it relied on, so two copies may run.
//!
//! Unlike upstream, which does one step and waits to be called again, a plan holds every step that the view allows.

mod conditions;
mod history;
mod new_set;
mod rolling;
mod scaling;
mod stage;
mod status;
#[cfg(test)]
mod tests;
mod view;

use jiff::Timestamp;
use rutter_controller::{Controller, Fact, Plan, Reads};
use rutter_schemas::Key;

use conditions::Conditions;
use stage::Stage;
pub use view::View;
use view::{Deployment, Set, Strategy};

/// The controller of Deployments.
#[derive(Debug)]
pub struct Deployments;

impl Controller for Deployments {
    type View = View;
    type Key = Key;
    const NAME: &'static str = "deployment-controller";

    fn follows(group: &str, resource: &str) -> bool {
        matches!((group, resource), ("", "pods") | ("apps", "deployments" | "replicasets"))
    }

    fn apply(view: &mut View, fact: &Fact) {
        match fact.key.resource.as_str() {
            "deployments" => view.apply_deployment(fact),
            "replicasets" => view.apply_set(fact),
            _ => view.apply_pod(fact),
        }
    }

    fn wakes(view: &View, fact: &Fact) -> Vec<Key> {
        match fact.key.resource.as_str() {
            "deployments" => vec![fact.key.clone()],
            "replicasets" => view.woken_by_set(fact),
            _ => view.woken_by_pod(fact),
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
    let Some(deployment) = view.deployment(key) else { return Plan::idle("it is gone") };
    if deployment.deleting {
        return Plan::idle("it is being deleted");
    }
    if deployment.selector.is_everything() {
        return Plan::idle("its selector selects everything");
    }
    let mut stage = Stage::of(view, deployment);
    let mut conditions = Conditions::of(&stage);
    conditions.tell_pause(deployment, now);

    roll(view, &mut stage, &mut conditions, now);
    let status = status::count(&stage);
    conditions.tell(&stage, &status, now);

    let mut plan = Plan::because(why(&stage, &status));
    let complete = status::is_complete(deployment, &status);
    let cleared = if complete || deployment.paused { history::surplus(&stage) } else { Vec::new() };
    stage.write(&mut plan);
    history::write(&mut plan, &cleared);
    status::write(&mut plan, &stage, &status, &conditions, now);
    plan
}

/// Sets the sizes of the sets as far as the view allows.
fn roll(view: &View, stage: &mut Stage<'_>, conditions: &mut Conditions, now: Timestamp) {
    let deployment = stage.deployment;
    new_set::find(stage, conditions, now);
    if deployment.paused {
        return scaling::scale(stage);
    }
    if scaling::is_asked_for(stage) {
        scaling::scale(stage);
    }
    match deployment.strategy {
        Strategy::Recreate => rolling::recreate(view, stage, conditions, now),
        Strategy::RollingUpdate { .. } => rolling::roll(view, stage, conditions, now),
    }
}

fn why(stage: &Stage<'_>, status: &status::Status) -> String {
    let wanted = stage.deployment.replicas;
    let old: i64 = stage.old().map(|member| member.replicas).sum();
    let was_old: i64 = stage.old().map(|member| member.set.replicas).sum();
    match stage.is_resized() {
        true if stage.deployment.paused => format!("it is paused, and {wanted} pods are asked for"),
        true if old == 0 && was_old == 0 => format!("{wanted} pods are asked for"),
        true => format!("the rollout moves on: {} new, {old} old", stage.asked() - old),
        false if stage.deployment.paused => "it is paused".to_owned(),
        false => format!("{} of {wanted} pods are available", status.available),
    }
}
