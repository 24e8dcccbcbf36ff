//! Who belongs: pods that the selector chooses and nobody controls are adopted, pods that it no longer chooses are
//! released (upstream: `controller_ref_manager.go`).

use rutter_controller::Plan;
use rutter_schemas::Owner;
use serde_json::json;

use super::{Pod, Set, View};
use crate::owners::{controlling, references};

/// What changes about who belongs to a set.
pub(super) struct Claims<'a> {
    pub adopted: Vec<&'a Pod>,
    pub released: Vec<&'a Pod>,
}

impl<'a> Claims<'a> {
    pub(super) fn of(view: &'a View, set: &Set) -> Claims<'a> {
        let adopted = view.orphans_for(set).collect();
        let strays = view
            .family(&set.uid)
            .is_some_and(|family| family.labels.keys().any(|labels| !set.selector.matches(labels)));
        let released = if strays {
            view.active_pods_of(&set.uid).filter(|pod| !set.selector.matches(&pod.labels)).collect()
        } else {
            Vec::new()
        };
        Claims { adopted, released }
    }

    /// How many active pods the set has, once the claims are met.
    pub(super) fn count(&self, view: &View, set: &Set) -> usize {
        let own = view.family(&set.uid).map_or(0, |family| family.active.len());
        own + self.adopted.len() - self.released.len()
    }

    /// Adopts and releases. Who is adopted only to die is not adopted.
    pub(super) fn write(&self, plan: &mut Plan, set: &Set, victims: &[&Pod]) {
        let me = controlling(set.kind.api_version(), set.kind.name(), &set.key.name, &set.uid);
        for pod in &self.adopted {
            if !victims.iter().any(|victim| victim.key == pod.key) {
                own(plan, pod, pod.owners.iter().chain([&me]));
            }
        }
        for pod in &self.released {
            own(plan, pod, pod.owners.iter().filter(|owner| owner.uid != set.uid));
        }
    }
}

fn own<'a>(plan: &mut Plan, pod: &Pod, owners: impl Iterator<Item = &'a Owner>) {
    let patch = json!({ "metadata": { "ownerReferences": references(owners) } });
    plan.merge(pod.key.clone(), pod.revision, patch);
}
