//! What pods use (`pkg/quota/v1/evaluator/core/pods.go`).

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::amount::{Amounts, DECIMAL};
use super::names::is_extended;
use crate::admission::pod_sum::{self, add, amounts, raise};
use crate::json::{items, text};
use crate::quantity::Quantity;

/// What every container has to ask for where a quota counts it; no others, as upstream regrets these.
const DEMANDED: [&str; 6] =
    ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

/// What is used until the pod has ended.
pub(super) fn usage(pod: &Value) -> Amounts {
    if matches!(text(&pod["status"], "phase"), "Succeeded" | "Failed") {
        return Amounts::new();
    }
    named(&whole(pod, "requests"), &whole(pod, "limits"))
}

/// From when on a pod that is being deleted counts as ended though its node says nothing: so that a lost node doesn't
/// keep others from taking its place.
#[must_use]
pub fn expires(pod: &Value) -> Option<Timestamp> {
    let metadata = &pod["metadata"];
    let marked: Timestamp = text(metadata, "deletionTimestamp").parse().ok()?;
    let grace_seconds = metadata["deletionGracePeriodSeconds"].as_i64()?;
    marked.checked_add(SignedDuration::from_secs(grace_seconds)).ok()
}

/// Which of the demanded names that the quota counts the containers leave out; `must specify cpu for: a,b; memory for: a`.
pub(super) fn unsaid(pod: &Value, hard: &Amounts) -> Option<String> {
    let spec = &pod["spec"];
    let demanded: Vec<&str> = DEMANDED.into_iter().filter(|name| hard.contains_key(*name)).collect();
    if demanded.is_empty() || says_for_all(spec) {
        return None;
    }
    let mut unsaid: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for list in ["containers", "initContainers"] {
        for container in items(&spec[list]) {
            let said = named(&asked(container, "requests"), &asked(container, "limits"));
            for name in demanded.iter().filter(|name| !said.contains_key(**name)) {
                unsaid.entry(name).or_default().insert(text(container, "name"));
            }
        }
    }
    let told = unsaid.iter().map(|(name, containers)| {
        format!("{name} for: {}", containers.iter().copied().collect::<Vec<_>>().join(","))
    });
    let told = told.collect::<Vec<_>>().join("; ");
    (!told.is_empty()).then(|| format!("must specify {told}"))
}

/// Whether the pod says for itself what its containers need not.
fn says_for_all(spec: &Value) -> bool {
    let own = &spec["resources"];
    ["requests", "limits"].iter().any(|list| amounts(&own[*list]).keys().any(|name| is_pod_level(name)))
}

/// What may be said for a pod as a whole (KEP 2837).
fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

/// All that the pod asks for: its containers, or what it says for itself, and what it costs to run it.
fn whole<'a>(pod: &'a Value, list: &'static str) -> pod_sum::Amounts<'a> {
    let spec = &pod["spec"];
    let mut sum = pod_sum::of_containers(spec, |container| {
        let mut asked = asked(container, list);
        raise(&mut asked, standing(pod, container, list));
        asked
    });
    sum.extend(asked(spec, list).into_iter().filter(|(name, _)| is_pod_level(name)));
    let mut overhead = amounts(&spec["overhead"]);
    if list == "limits" {
        overhead.retain(|name, _| sum.get(name).is_some_and(|limit| !limit.is_zero()));
    }
    add(&mut sum, &overhead);
    sum
}

/// What is limited is requested.
fn asked<'a>(container: &'a Value, list: &str) -> pod_sum::Amounts<'a> {
    let resources = &container["resources"];
    let mut asked = amounts(&resources[list]);
    if list == "requests" {
        for (name, limit) in amounts(&resources["limits"]) {
            asked.entry(name).or_insert(limit);
        }
    }
    asked
}

/// What a container has by now: while a pod is resized it counts for the larger of both.
fn standing<'a>(pod: &'a Value, container: &Value, list: &str) -> pod_sum::Amounts<'a> {
    let lists = ["containerStatuses", "initContainerStatuses"];
    let all = lists.iter().flat_map(|list| items(&pod["status"][*list]));
    let Some(status) = all.into_iter().find(|status| status["name"] == container["name"]) else {
        return pod_sum::Amounts::new();
    };
    let mut standing = amounts(&status["resources"][list]);
    if list == "requests" {
        raise(&mut standing, amounts(&status["allocatedResources"]));
    }
    standing
}

/// Under the names that quotas use (`podComputeUsageHelper`).
fn named(requests: &pod_sum::Amounts<'_>, limits: &pod_sum::Amounts<'_>) -> Amounts {
    let mut named = Amounts::from([("pods".to_owned(), Quantity::from_units(1, DECIMAL))]);
    for (name, amount) in requests {
        let is_plain =
            matches!(*name, "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
        if is_plain {
            named.insert((*name).to_owned(), *amount);
        }
        if is_plain || is_extended(name) {
            named.insert(format!("requests.{name}"), *amount);
        }
    }
    for (name, amount) in
        limits.iter().filter(|(name, _)| matches!(**name, "cpu" | "memory" | "ephemeral-storage"))
    {
        named.insert(format!("limits.{name}"), *amount);
    }
    named
}
