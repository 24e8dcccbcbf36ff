//! `DeploymentStatus`, counted from what the sets say of themselves (upstream: `calculateStatus`).

use jiff::Timestamp;
use rutter_controller::{Intent, Plan};
use serde_json::{Map, Value, json};

use super::conditions::Conditions;
use super::stage::{Member, Stage};
use super::{Deployment, new_set};

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Status {
    pub replicas: i64,
    pub updated: i64,
    pub ready: i64,
    pub available: i64,
    pub unavailable: i64,
    pub observed_generation: i64,
    pub collisions: i64,
}

impl Status {
    /// As it stands in the Deployment.
    pub(super) fn read(stage: &Stage<'_>) -> Status {
        let number = |name: &str| stage.status[name].as_i64().unwrap_or_default();
        Status {
            replicas: number("replicas"),
            updated: number("updatedReplicas"),
            ready: number("readyReplicas"),
            available: number("availableReplicas"),
            unavailable: number("unavailableReplicas"),
            observed_generation: number("observedGeneration"),
            collisions: number("collisionCount"),
        }
    }

    /// Whether something moved towards the goal.
    pub(super) fn is_progress_since(&self, old: &Status) -> bool {
        self.updated > old.updated
            || self.replicas - self.updated < old.replicas - old.updated
            || self.ready > old.ready
            || self.available > old.available
    }
}

pub(super) fn count(stage: &Stage<'_>) -> Status {
    let sum = |field: fn(&Member) -> i64| stage.members.iter().map(field).sum::<i64>();
    let available = sum(|member| member.set.available);
    Status {
        replicas: sum(|member| member.set.has),
        updated: stage.new_member().map_or(0, |new| new.set.has),
        ready: sum(|member| member.set.ready),
        available,
        unavailable: (stage.asked() - available).max(0),
        observed_generation: stage.deployment.generation,
        collisions: stage.collisions,
    }
}

/// Whether every pod asked for is of the new template and available, and none is left of an old one.
pub(super) fn is_complete(deployment: &Deployment, status: &Status) -> bool {
    let wanted = deployment.replicas;
    status.updated == wanted
        && status.replicas == wanted
        && status.available == wanted
        && status.observed_generation >= deployment.generation
}

/// Writes what changed of the status, and of the Deployment's own revision annotation; says when to look again.
pub(super) fn write(
    plan: &mut Plan,
    stage: &Stage<'_>,
    status: &Status,
    conditions: &Conditions,
    now: Timestamp,
) {
    let deployment = stage.deployment;
    let mut patch = Map::new();
    let changed = changes(&stage.status, &json(status, conditions));
    if !changed.is_empty() {
        patch.insert("status".to_owned(), Value::Object(changed));
    }
    let known = deployment.annotations.get(new_set::REVISION);
    if let Some(rollout) = new_set::rollout(stage).filter(|rollout| known != Some(rollout)) {
        patch.insert("metadata".to_owned(), json!({ "annotations": { new_set::REVISION: rollout } }));
    }
    if !patch.is_empty() {
        let (key, expect, patch) = (deployment.key.clone(), deployment.revision, Value::Object(patch));
        plan.intents.push(Intent::Merge { key, expect, patch, subresource: Some("status") });
    }
    if let Some(when) = conditions.deadline(deployment).filter(|when| *when >= now) {
        plan.look_again_at(when + jiff::SignedDuration::from_secs(1));
    }
}

/// As Go writes it: what is zero and optional is left out.
fn json(status: &Status, conditions: &Conditions) -> Value {
    let unless_zero = |number: i64| if number == 0 { Value::Null } else { json!(number) };
    json!({
        "observedGeneration": unless_zero(status.observed_generation),
        "replicas": unless_zero(status.replicas),
        "updatedReplicas": unless_zero(status.updated),
        "readyReplicas": unless_zero(status.ready),
        "availableReplicas": unless_zero(status.available),
        "unavailableReplicas": unless_zero(status.unavailable),
        "collisionCount": unless_zero(status.collisions),
        "conditions": conditions.json(),
    })
}

fn changes(old: &Value, new: &Value) -> Map<String, Value> {
    let fields = new.as_object().into_iter().flatten();
    fields
        .filter(|(name, value)| old[name.as_str()] != **value)
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect()
}
