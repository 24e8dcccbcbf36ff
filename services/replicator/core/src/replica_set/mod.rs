//! ReplicaSets, and ReplicationControllers, which are the same in older words: as many pods as asked for, never one too
//! many (upstream: `pkg/controller/replicaset`, to which `pkg/controller/replication` is an adapter).
//!
//! Keeps true: whatever is decided about the number of pods holds only while nobody else changed the family, since
//! every plan that bears, kills, adopts or releases guards `owner:<uid>`. So two copies of this controller may run.

mod births;
mod claims;
mod deaths;
mod refusals;
mod status;
#[cfg(test)]
mod tests;
mod view;

use jiff::Timestamp;
use rutter_apimachinery::recorder::Regarding;
use rutter_controller::{Controller, Fact, Plan, Reads, Refusal};
use rutter_schemas::{Key, Scope};

use claims::Claims;
pub use view::View;
use view::{Pod, Set};

/// The controller of ReplicaSets and ReplicationControllers.
#[derive(Debug)]
pub struct ReplicaSets;

impl Controller for ReplicaSets {
    type View = View;
    type Key = Key;
    const NAME: &'static str = "replicaset-controller";

    fn follows(group: &str, resource: &str) -> bool {
        matches!((group, resource), ("", "pods" | "replicationcontrollers") | ("apps", "replicasets"))
    }

    fn apply(view: &mut View, fact: &Fact) {
        match fact.key.resource.as_str() {
            "pods" => view.apply_pod(fact),
            _ => view.apply_set(fact),
        }
    }

    fn wakes(view: &View, fact: &Fact) -> Vec<Key> {
        match fact.key.resource.as_str() {
            "pods" => view.woken_by_pod(fact),
            _ => vec![fact.key.clone()],
        }
    }

    fn reconcile(view: &View, key: &Key, now: Timestamp) -> Vec<Plan> {
        vec![reconcile(view, key, now)]
    }

    fn refused(view: &mut View, key: &Key, refusal: &Refusal, now: Timestamp) -> bool {
        view.refused(key, refusal, now);
        true
    }

    fn reads(view: &View) -> &Reads {
        view.reads()
    }
}

fn reconcile(view: &View, key: &Key, now: Timestamp) -> Plan {
    let Some(set) = view.set(key) else { return Plan::idle("it is gone") };
    if set.deleting {
        return Plan::idle("it is being deleted");
    }
    let claims = Claims::of(view, set);
    let count = claims.count(view, set);
    let missing = set.replicas.saturating_sub(count);
    let refusal = view.refusal(set, now).filter(|_| missing > 0);
    let births = births::births(view, set, refusal.map_or(missing, |refusal| missing.min(refusal.fitting)));
    let victims = deaths::victims(view, set, &claims, count.saturating_sub(set.replicas), now);

    let mut plan = Plan::because(why(set, count));
    claims.write(&mut plan, set, &victims);
    births::write(&mut plan, set, &births);
    deaths::write(&mut plan, set, &victims);
    if !plan.is_idle() {
        plan.guard(Scope::owner(&set.uid));
    }
    status::write(
        &mut plan,
        view,
        set,
        &status::Census { claims: &claims, births: births.len(), victims: &victims, missing },
        now,
    );
    if let Some(refusal) = refusal {
        plan.look_again_at(refusal.until);
    }
    plan
}

/// The set as Events name it.
fn regarding(set: &Set) -> Regarding {
    Regarding::of(set.kind.api_version(), set.kind.name(), &set.key, &set.uid, set.revision)
}

fn why(set: &Set, count: usize) -> String {
    match set.replicas {
        wanted if count < wanted => format!("{} of {wanted} are missing", wanted - count),
        wanted if count > wanted => format!("{} are too many for {wanted}", count - wanted),
        wanted => format!("there are as many as asked for, {wanted}"),
    }
}
