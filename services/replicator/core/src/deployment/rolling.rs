//! From the old sets to the new one (upstream: `rolling.go`, `recreate.go`).

use jiff::Timestamp;

use super::stage::Stage;
use super::{Conditions, View, new_set};

/// What shrinks may make room at once for what grows, if its pods were never made; two or three rounds settle it.
const ROUNDS: usize = 8;

/// Gives the new set what the surge allows, and takes from the old ones what availability allows.
pub(super) fn roll(view: &View, stage: &mut Stage<'_>, conditions: &mut Conditions, now: Timestamp) {
    if stage.new.is_none() {
        new_set::make(view, stage, conditions, room(stage, 0), now);
    }
    for _ in 0..ROUNDS {
        let sizes = sizes(stage);
        resize_new(stage);
        shrink_old(stage);
        if sizes == self::sizes(stage) {
            return;
        }
    }
}

/// Ends the old pods before the first new one begins.
pub(super) fn recreate(view: &View, stage: &mut Stage<'_>, conditions: &mut Conditions, now: Timestamp) {
    for place in 0..stage.members.len() {
        if Some(place) != stage.new && stage.members[place].replicas > 0 {
            stage.resize(place, 0);
        }
    }
    if old_pods_live(view, stage) {
        return;
    }
    let wanted = stage.deployment.replicas;
    match stage.new {
        None => new_set::make(view, stage, conditions, wanted, now),
        Some(place) if stage.members[place].replicas != wanted => stage.resize(place, wanted),
        Some(_) => {}
    }
}

fn old_pods_live(view: &View, stage: &Stage<'_>) -> bool {
    stage.old().any(|member| member.set.replicas > 0 || member.set.has > 0 || view.lives(&member.set))
}

/// How many pods the new set may have, which now asks for `current`.
fn room(stage: &Stage<'_>, current: i64) -> i64 {
    let deployment = stage.deployment;
    let left = deployment.replicas + deployment.surge() - stage.room_taken();
    current + left.clamp(0, (deployment.replicas - current).max(0))
}

fn sizes(stage: &Stage<'_>) -> Vec<i64> {
    stage.members.iter().map(|member| member.replicas).collect()
}

fn resize_new(stage: &mut Stage<'_>) {
    let Some(place) = stage.new else { return };
    let current = stage.members[place].replicas;
    let wanted = stage.deployment.replicas;
    let size = if current > wanted { wanted } else { room(stage, current) };
    if size != current {
        stage.resize(place, size);
    }
}

/// First the pods that are of no use anyway, then as many as availability can spare; the oldest sets first.
fn shrink_old(stage: &mut Stage<'_>) {
    let deployment = stage.deployment;
    let needed = deployment.replicas - deployment.unavailable();
    let growing = stage.new_member().map_or(0, |new| (new.replicas - new.set.available).max(0));
    let mut spare = stage.asked() - needed - growing;
    if spare <= 0 {
        return;
    }
    for member in stage.old_mut() {
        let useless = (member.replicas - member.set.available).clamp(0, spare);
        member.replicas -= useless;
        spare -= useless;
    }
    let mut spare = stage.available() - needed;
    for member in stage.old_mut() {
        let goes = member.replicas.min(spare).max(0);
        member.replicas -= goes;
        spare -= goes;
    }
    for place in 0..stage.members.len() {
        let member = &stage.members[place];
        if member.replicas != member.set.replicas {
            stage.resize(place, member.replicas);
        }
    }
}
