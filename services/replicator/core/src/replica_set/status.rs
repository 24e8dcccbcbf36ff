//! `ReplicaSetStatus`: what is counted, as of the commit that carries it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rutter_controller::Plan;
use rutter_controller::read::stamp;
use serde_json::{Value, json};

use super::claims::Claims;
use super::view::Status;
use super::{Pod, Set, View};

/// What the plan does to the family that the status counts.
pub(super) struct Census<'a> {
    pub claims: &'a Claims<'a>,
    pub births: usize,
    pub victims: &'a [&'a Pod],
    /// How many pods there were to be born.
    pub missing: usize,
}

/// Writes the status if it changed, and says when it will change by itself.
pub(super) fn write(plan: &mut Plan, view: &View, set: &Set, census: &Census<'_>, now: Timestamp) {
    let status = count(view, set, census, now);
    let conditions = conditions(view, set, census, now);
    if status != set.status || conditions.is_some() {
        let mut patch = json(status);
        if let Some(conditions) = conditions {
            patch["conditions"] = conditions;
        }
        plan.merge_status(set.key.clone(), set.revision, patch);
    }
    if let Some(when) = next_available(view, set, now) {
        plan.look_again_at(when);
    }
}

/// `status.conditions`, if they change: `ReplicaFailure` while pods are missing that the rules would not have (upstream:
/// `calculateStatus`). It keeps the words of the first refusal.
fn conditions(view: &View, set: &Set, census: &Census<'_>, now: Timestamp) -> Option<Value> {
    const FAILURE: &str = "ReplicaFailure";
    let is_told = set.conditions.iter().any(|condition| condition["type"] == FAILURE);
    let mut conditions = set.conditions.clone();
    match view.refusal(set, now) {
        _ if census.missing == 0 && is_told => conditions.retain(|condition| condition["type"] != FAILURE),
        Some(refusal) if census.missing > census.births && !is_told => conditions.push(json!({
            "type": FAILURE, "status": "True", "reason": "FailedCreate", "message": refusal.words,
            "lastTransitionTime": stamp(now),
        })),
        _ => return None,
    }
    Some(match conditions.is_empty() {
        true => Value::Null,
        false => json!(conditions),
    })
}

fn count(view: &View, set: &Set, census: &Census<'_>, now: Timestamp) -> Status {
    let mut status = Status { observed_generation: set.generation, ..Status::default() };
    if let Some(family) = view.family(&set.uid) {
        status.replicas = whole(family.active.len());
        let labeled = family.labels.iter().filter(|(labels, _)| is_labeled(set, labels));
        status.fully_labeled = whole(labeled.map(|(_, pods)| *pods).sum());
        status.ready = whole(family.ready.len());
        status.available = match set.min_ready_seconds {
            0 => status.ready,
            _ => whole(family.ready.iter().take_while(|(since, _)| is_available(set, *since, now)).count()),
        };
    }
    for pod in &census.claims.adopted {
        status.add(set, pod, 1, now);
    }
    for pod in census.claims.released.iter().chain(census.victims) {
        status.add(set, pod, -1, now);
    }
    status.replicas += whole(census.births);
    status.fully_labeled += whole(census.births);
    status
}

impl Status {
    fn add(&mut self, set: &Set, pod: &Pod, sign: i64, now: Timestamp) {
        let if_so = |so: bool| if so { sign } else { 0 };
        self.replicas += sign;
        self.fully_labeled += if_so(is_labeled(set, &pod.labels));
        self.ready += if_so(pod.ready_since.is_some());
        self.available += if_so(pod.ready_since.is_some_and(|since| is_available(set, since, now)));
    }
}

fn is_labeled(set: &Set, labels: &BTreeMap<String, String>) -> bool {
    set.template_labels.iter().all(|(name, value)| labels.get(name) == Some(value))
}

fn is_available(set: &Set, since: Timestamp, now: Timestamp) -> bool {
    set.min_ready_seconds == 0 || available_at(set, since) <= now
}

fn available_at(set: &Set, since: Timestamp) -> Timestamp {
    since.checked_add(SignedDuration::from_secs(set.min_ready_seconds)).unwrap_or(Timestamp::MAX)
}

/// When the next ready pod will have been so for long enough.
fn next_available(view: &View, set: &Set, now: Timestamp) -> Option<Timestamp> {
    if set.min_ready_seconds == 0 {
        return None;
    }
    let ready = &view.family(&set.uid)?.ready;
    ready.iter().map(|(since, _)| available_at(set, *since)).find(|when| *when > now)
}

/// As Go writes it: what is zero and optional is left out.
fn json(status: Status) -> Value {
    let unless_zero = |number: i64| if number == 0 { Value::Null } else { json!(number) };
    json!({
        "replicas": status.replicas,
        "fullyLabeledReplicas": unless_zero(status.fully_labeled),
        "readyReplicas": unless_zero(status.ready),
        "availableReplicas": unless_zero(status.available),
        "observedGeneration": unless_zero(status.observed_generation),
    })
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
