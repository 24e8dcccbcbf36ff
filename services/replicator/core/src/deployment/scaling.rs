//! Scaling while a rollout is under way: every set gets its share (upstream: `scale` in `sync.go`).

use super::new_set::{DESIRED, MAX};
use super::stage::{Member, Stage};

/// Whether the Deployment's size is another than the one its sets were sized for.
pub(super) fn is_asked_for(stage: &Stage<'_>) -> bool {
    let wanted = stage.deployment.replicas.to_string();
    stage
        .members
        .iter()
        .filter(|member| member.replicas > 0)
        .any(|member| member.annotations.get(DESIRED).is_some_and(|desired| *desired != wanted))
}

pub(super) fn scale(stage: &mut Stage<'_>) {
    if let Some(place) = only_active_or_latest(stage) {
        return stage.resize(place, stage.deployment.replicas);
    }
    if is_saturated(stage) {
        let new = stage.new;
        for place in active(stage).into_iter().filter(|place| Some(*place) != new) {
            stage.resize(place, 0);
        }
        return;
    }
    if stage.deployment.strategy != super::Strategy::Recreate {
        share(stage);
    }
}

fn active(stage: &Stage<'_>) -> Vec<usize> {
    (0..stage.members.len()).filter(|place| stage.members[*place].replicas > 0).collect()
}

/// The one set with pods; with no such set, the new one or else the latest; none with several.
fn only_active_or_latest(stage: &Stage<'_>) -> Option<usize> {
    match active(stage).as_slice() {
        [] => stage.new.or(stage.members.len().checked_sub(1)),
        [place] => Some(*place),
        _ => None,
    }
}

/// Whether the new set is all that the Deployment asks for already.
fn is_saturated(stage: &Stage<'_>) -> bool {
    let wanted = stage.deployment.replicas;
    stage.new_member().is_some_and(|new| {
        new.replicas == wanted
            && new.set.available == wanted
            && new.annotations.get(DESIRED).is_some_and(|desired| *desired == wanted.to_string())
    })
}

/// Deals what is to be added or taken away to the active sets, in proportion to their sizes; the rest goes to the
/// largest. Among equals the newer grows first and the older shrinks first.
fn share(stage: &mut Stage<'_>) {
    let deployment = stage.deployment;
    let allowed = if deployment.replicas > 0 { deployment.replicas + deployment.surge() } else { 0 };
    let mut places = active(stage);
    let to_add = allowed - places.iter().map(|place| stage.members[*place].replicas).sum::<i64>();
    places.sort_by(|a, b| {
        let (one, other) = (&stage.members[*a], &stage.members[*b]);
        let by_age = if to_add > 0 { b.cmp(a) } else { a.cmp(b) };
        other.replicas.cmp(&one.replicas).then(by_age)
    });
    let mut added = 0;
    let mut sizes = Vec::new();
    for place in &places {
        let part = proportion(stage, &stage.members[*place], to_add, added);
        added += part;
        sizes.push(stage.members[*place].replicas + part);
    }
    if let Some(first) = sizes.first_mut() {
        *first = (*first + to_add - added).max(0);
    }
    for (place, size) in places.into_iter().zip(sizes) {
        stage.resize(place, size);
    }
}

fn proportion(stage: &Stage<'_>, member: &Member, to_add: i64, added: i64) -> i64 {
    let left = to_add - added;
    if to_add == 0 || left == 0 {
        return 0;
    }
    let part = fraction(stage, member);
    if to_add > 0 { part.min(left) } else { part.max(left) }
}

/// How much the set would grow or shrink if it kept its share of the whole.
fn fraction(stage: &Stage<'_>, member: &Member) -> i64 {
    let deployment = stage.deployment;
    if deployment.replicas == 0 {
        return -member.replicas;
    }
    let noted = member.annotations.get(MAX).and_then(|text| text.parse::<i64>().ok()).filter(|max| *max > 0);
    let before = noted.or_else(|| stage.status["replicas"].as_i64()).unwrap_or_default();
    if before == 0 {
        return 0;
    }
    let after = deployment.replicas + deployment.surge();
    rounded(member.replicas * after, before) - member.replicas
}

/// Half goes away from zero.
fn rounded(numerator: i64, denominator: i64) -> i64 {
    (2 * numerator + denominator) / (2 * denominator)
}
