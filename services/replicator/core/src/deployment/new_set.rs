//! The set whose template is the Deployment's: found, or made; and the revision annotations that `kubectl rollout`
//! reads (upstream: `getNewReplicaSet`, `SetNewReplicaSetAnnotations`).

use jiff::Timestamp;
use rutter_apimachinery::name::template_hash;
use rutter_schemas::{Key, Revision};
use serde_json::{Value, json};

use super::stage::{Member, Stage};
use super::view::{HASH_LABEL, rollout_in};
use super::{Conditions, Set, View};
use crate::owners::{controlling, references};

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub(super) const MAX: &str = "deployment.kubernetes.io/max-replicas";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";

/// Annotations of a Deployment that its sets don't inherit.
const NOT_INHERITED: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MAX,
    "deprecated.deployment.rollback.to",
];

/// The longest that the annotation of earlier revisions may become, in bytes.
const HISTORY_MAX: usize = 2000;

/// Finds the new set among the members, the oldest if there are several, and brings its annotations up to date.
pub(super) fn find(stage: &mut Stage<'_>, conditions: &mut Conditions, now: Timestamp) {
    let template = &stage.deployment.template;
    let Some(place) = stage.members.iter().position(|member| member.set.template == *template) else {
        return;
    };
    stage.new = Some(place);
    let revision = next_rollout(stage);
    let deployment = stage.deployment;
    let member = &mut stage.members[place];
    if !deployment.paused {
        annotate(member, deployment, revision);
    }
    member.min_ready_seconds = deployment.min_ready_seconds;
    conditions.found(&member.set.key.name, now);
}

/// Makes the new set, of `replicas` pods. When another template has its name, counts a collision instead.
pub(super) fn make(
    view: &View,
    stage: &mut Stage<'_>,
    conditions: &mut Conditions,
    replicas: i64,
    now: Timestamp,
) {
    let deployment = stage.deployment;
    let collisions = u64::try_from(stage.collisions).unwrap_or_default();
    let hash = template_hash(&deployment.template.value(), collisions);
    let key = Key::new(
        "apps",
        "replicasets",
        &deployment.key.namespace,
        &format!("{}-{hash}", deployment.key.name),
    );
    if view.has_set(&key) {
        stage.collisions += 1;
        return;
    }
    conditions.made(&key.name, now);
    let revision = next_rollout(stage);
    let mut member = Member {
        birth: Some(object(stage, &key, &hash)),
        replicas,
        min_ready_seconds: deployment.min_ready_seconds,
        annotations: Default::default(),
        owners: Vec::new(),
        set: unborn(stage, key, now),
    };
    annotate(&mut member, deployment, revision);
    member.remember_sizes(deployment);
    stage.members.push(member);
    stage.new = Some(stage.members.len() - 1);
}

/// The revision annotation that the Deployment itself should carry: its newest set's.
pub(super) fn rollout(stage: &Stage<'_>) -> Option<String> {
    stage.new_member()?.annotations.get(REVISION).cloned()
}

/// One more than the newest of the old ones.
fn next_rollout(stage: &Stage<'_>) -> i64 {
    stage.old().map(|member| member.set.rollout()).max().unwrap_or(0) + 1
}

fn annotate(member: &mut Member, deployment: &super::Deployment, revision: i64) {
    for (name, value) in &deployment.annotations {
        if !NOT_INHERITED.contains(&name.as_str()) {
            member.annotations.insert(name.clone(), value.clone());
        }
    }
    let before = rollout_in(&member.annotations);
    if before >= revision {
        return;
    }
    member.annotations.insert(REVISION.to_owned(), revision.to_string());
    if before > 0 {
        remember_rollout(member, before);
    }
}

/// A set that comes back keeps the revisions it had, oldest first, in a list of bounded length.
fn remember_rollout(member: &mut Member, revision: i64) {
    let mut history: Vec<String> = member
        .annotations
        .get(HISTORY)
        .map(|text| text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect())
        .unwrap_or_default();
    history.push(revision.to_string());
    while history.len() > 1 && history.iter().map(|part| part.len() + 1).sum::<usize>() > HISTORY_MAX {
        history.remove(0);
    }
    member.annotations.insert(HISTORY.to_owned(), history.join(","));
}

fn object(stage: &Stage<'_>, key: &Key, hash: &str) -> Value {
    let deployment = stage.deployment;
    let me = controlling("apps/v1", "Deployment", &deployment.key.name, &deployment.uid);
    let mut template = deployment.template.value();
    template["metadata"]["labels"][HASH_LABEL] = json!(hash);
    let mut selector = deployment.selector_json.value();
    selector["matchLabels"][HASH_LABEL] = json!(hash);
    let mut spec = json!({ "selector": selector, "template": template });
    if deployment.min_ready_seconds != 0 {
        spec["minReadySeconds"] = json!(deployment.min_ready_seconds);
    }
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": key.name, "namespace": key.namespace,
            "labels": template["metadata"]["labels"], "ownerReferences": references([&me]),
        },
        "spec": spec,
    })
}

/// The row that the set will have.
fn unborn(stage: &Stage<'_>, key: Key, now: Timestamp) -> Set {
    Set {
        uid: String::new(),
        revision: Revision::NONE,
        created: now,
        deleting: false,
        observed: false,
        labels: Default::default(),
        annotations: Default::default(),
        owners: Vec::new(),
        replicas: 0,
        min_ready_seconds: stage.deployment.min_ready_seconds,
        template: stage.deployment.template.clone(),
        has: 0,
        ready: 0,
        available: 0,
        failure: None,
        key,
    }
}
