//! Counting a budget's pods.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::view::{Bound, Budget, Pod, View};

/// How long a pod that was let go may take until it counts as staying (upstream's `DeletionTimeout`).
const LEAVING: SignedDuration = SignedDuration::from_mins(2);

/// What a budget's pods come to.
pub(super) struct Count {
    pub healthy: i64,
    pub desired: i64,
    pub expected: i64,
    pub allowed: i64,
    /// Pods that were let go and are not marked yet.
    pub disrupted: BTreeMap<String, Timestamp>,
    pub look_again: Option<Timestamp>,
}

impl Count {
    /// As the status has them: current, desired, expected, allowed.
    pub(super) fn counts(&self) -> [i64; 4] {
        [self.healthy, self.desired, self.expected, self.allowed]
    }
}

/// # Errors
/// When a pod's controller isn't one whose size is known.
pub(super) fn count(view: &View, budget: &Budget, now: Timestamp) -> Result<Count, String> {
    let pods: Vec<&Pod> = view.pods_of(budget).collect();
    let (expected, desired) = expected(view, budget, &pods)?;
    let leaving = |pod: &&&Pod| !pod.deleting && budget.disrupted.contains_key(&pod.key.name);
    let disrupted: BTreeMap<String, Timestamp> = pods
        .iter()
        .filter(leaving)
        .map(|pod| (pod.key.name.clone(), budget.disrupted[&pod.key.name]))
        .filter(|(_, at)| *at + LEAVING >= now)
        .collect();
    let is_healthy = |pod: &&&Pod| {
        let leaves = disrupted.get(&pod.key.name).is_some_and(|at| *at + LEAVING > now);
        pod.ready && !pod.deleting && !leaves
    };
    let healthy = whole(pods.iter().filter(is_healthy).count());
    let spare = healthy - desired;
    let allowed = if expected <= 0 { 0 } else { spare.max(0) };
    let look_again = disrupted.values().min().map(|at| *at + LEAVING + SignedDuration::from_secs(1));
    Ok(Count { healthy, desired, expected, allowed, disrupted, look_again })
}

/// How many pods there should be, and how many of them healthy.
fn expected(view: &View, budget: &Budget, pods: &[&Pod]) -> Result<(i64, i64), String> {
    match (&budget.max_unavailable, &budget.min_available) {
        (Some(bound), _) => {
            let expected = scale(view, pods)?;
            Ok((expected, (expected - of(bound, expected)).max(0)))
        }
        (None, Some(Bound::Number(number))) => Ok((whole(pods.len()), *number)),
        (None, Some(bound)) => {
            let expected = scale(view, pods)?;
            Ok((expected, of(bound, expected)))
        }
        (None, None) => Ok((0, 0)),
    }
}

/// What the controllers of these pods want, together. Pods that nobody controls count for nothing.
fn scale(view: &View, pods: &[&Pod]) -> Result<i64, String> {
    let mut scales = BTreeMap::new();
    for pod in pods {
        let Some(owner) = &pod.controller else { continue };
        let Some((uid, replicas)) = view.scale_of(owner) else {
            return Err(format!("found no controllers for pod \"{}\"", pod.key.name));
        };
        scales.insert(uid, replicas);
    }
    Ok(scales.values().sum())
}

/// A number, or a percentage rounded up.
fn of(bound: &Bound, total: i64) -> i64 {
    match bound {
        Bound::Number(number) => *number,
        Bound::Percent(percent) => (percent * total + 99).div_euclid(100),
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
