//! Old sets without pods are kept for rollbacks, as many as `revisionHistoryLimit` says (upstream:
//! `cleanupDeployment`).

use rutter_controller::Plan;

use super::stage::{Member, Stage};

/// The old sets that are too many, the oldest revisions.
pub(super) fn surplus<'s>(stage: &'s Stage<'_>) -> Vec<&'s Member> {
    let Some(limit) = stage.deployment.history_limit else { return Vec::new() };
    let mut old: Vec<&Member> =
        stage.old().filter(|member| !member.set.deleting && member.birth.is_none()).collect();
    old.sort_by_key(|member| (member.set.rollout(), member.set.created));
    let many = old.len().saturating_sub(limit);
    old.into_iter().take(many).filter(|member| is_spent(member)).collect()
}

pub(super) fn write(plan: &mut Plan, surplus: &[&Member]) {
    for member in surplus {
        plan.delete(member.set.key.clone(), member.set.revision, &member.set.uid);
    }
}

/// Whether it has no pods, is to have none, and is known to know it.
fn is_spent(member: &Member) -> bool {
    member.replicas == 0 && member.set.replicas == 0 && member.set.has == 0 && member.set.observed
}
