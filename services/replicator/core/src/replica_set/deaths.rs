//! Who goes first when there are too many (upstream: `controller_utils.go`, `ActivePodsWithRanks`).

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use jiff::Timestamp;
use rutter_apimachinery::recorder::Note;
use rutter_controller::Plan;

use super::births::BURST;
use super::claims::Claims;
use super::{Pod, Set, View, regarding};

/// The `excess` pods that are missed least, or as many as one commit takes.
pub(super) fn victims<'a>(
    view: &'a View,
    set: &Set,
    claims: &Claims<'a>,
    excess: usize,
    now: Timestamp,
) -> Vec<&'a Pod> {
    if excess == 0 {
        return Vec::new();
    }
    let released = |pod: &Pod| claims.released.iter().any(|other| other.key == pod.key);
    let mut pods: Vec<&Pod> = view
        .active_pods_of(&set.uid)
        .filter(|pod| !released(pod))
        .chain(claims.adopted.iter().copied())
        .collect();
    let crowds = crowds(view, set);
    let crowd = |pod: &Pod| crowds.get(pod.node.as_str()).copied().unwrap_or_default();
    pods.sort_by(|a, b| losable(a, b, now, crowd));
    pods.truncate(excess.min(BURST));
    pods
}

pub(super) fn write(plan: &mut Plan, set: &Set, victims: &[&Pod]) {
    for pod in victims {
        plan.delete(pod.key.clone(), pod.revision, &pod.uid);
        let told = format!("Deleted pod: {}", pod.key.name);
        plan.note(Note::normal(regarding(set), "SuccessfulDelete", told));
    }
}

/// How many related pods each node has: who shares a node goes before who stands alone.
fn crowds<'a>(view: &'a View, set: &Set) -> BTreeMap<&'a str, usize> {
    let mut crowds = BTreeMap::new();
    for pod in view.related_pods(set) {
        if !pod.node.is_empty() {
            *crowds.entry(pod.node.as_str()).or_default() += 1;
        }
    }
    crowds
}

/// Less is lost first: not assigned, pending, not ready, cheap, crowded, newly ready, often restarted, new.
fn losable(a: &Pod, b: &Pod, now: Timestamp, crowd: impl Fn(&Pod) -> usize) -> Ordering {
    let standing = |pod: &Pod| {
        let assigned = !pod.node.is_empty();
        (assigned, pod.phase, pod.ready_since.is_some(), pod.deletion_cost, Reverse(crowd(pod)))
    };
    let age = |when: Timestamp| magnitude(now, when);
    standing(a)
        .cmp(&standing(b))
        .then_with(|| a.ready_since.map(age).cmp(&b.ready_since.map(age)))
        .then_with(|| b.restarts.cmp(&a.restarts))
        .then_with(|| age(a.created).cmp(&age(b.created)))
        .then_with(|| a.uid.cmp(&b.uid))
}

/// Ages are compared by their order of magnitude only, so that the newest pods, which often share a zone, are not
/// always the ones to go (upstream's `LogarithmicScaleDown`).
fn magnitude(now: Timestamp, since: Timestamp) -> u32 {
    let seconds = now.duration_since(since).as_secs().max(0).unsigned_abs();
    64 - seconds.leading_zeros()
}
