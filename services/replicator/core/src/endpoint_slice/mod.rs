//! EndpointSlices: where a Service's pods can be reached (upstream: `pkg/controller/endpointslice`,
//! `k8s.io/endpointslice`).
//!
//! Keeps true: a slice holds at most a hundred endpoints, all with the same ports, and a change rewrites as few
//! slices as it can, since every node follows them all. A Service without endpoints has one empty slice.

mod arrange;
pub(crate) mod desired;
pub(crate) mod slice;
#[cfg(test)]
mod tests;
pub(crate) mod view;

use jiff::Timestamp;
use rutter_controller::{Controller, Fact, Plan, Reads};
use rutter_schemas::{Key, Scope};

pub use view::View;

/// The controller of EndpointSlices: its keys are Services.
#[derive(Debug)]
pub struct EndpointSlices;

impl Controller for EndpointSlices {
    type View = View;
    type Key = Key;
    const NAME: &'static str = "endpointslice-controller";

    fn follows(group: &str, resource: &str) -> bool {
        matches!(
            (group, resource),
            ("", "pods" | "services" | "nodes") | ("discovery.k8s.io", "endpointslices")
        )
    }

    fn apply(view: &mut View, fact: &Fact) {
        match fact.key.resource.as_str() {
            "pods" => view.apply_pod(fact),
            "services" => view.apply_service(fact),
            "nodes" => view.apply_node(fact),
            _ => view.apply_slice(fact),
        }
    }

    fn wakes(view: &View, fact: &Fact) -> Vec<Key> {
        match fact.key.resource.as_str() {
            "pods" => view.woken_by_pod(fact),
            "services" => vec![fact.key.clone()],
            "nodes" => Vec::new(),
            _ => view.woken_by_slice(fact),
        }
    }

    fn reconcile(view: &View, key: &Key, _now: Timestamp) -> Vec<Plan> {
        vec![reconcile(view, key)]
    }

    fn reads(view: &View) -> &Reads {
        view.reads()
    }
}

fn reconcile(view: &View, key: &Key) -> Plan {
    let Some(service) = view.service(key) else { return Plan::idle("it is gone") };
    if service.deleting {
        return Plan::idle("it is being deleted");
    }
    let Some(wanted) = desired::groups(view, service) else { return Plan::idle("it selects no pods") };

    let mut plan = Plan::because("the endpoints changed");
    let existing = view.slices_of(key);
    for (family, groups) in wanted {
        let slices = existing.iter().copied().filter(|slice| slice.family == family).collect();
        arrange::family(&mut plan, view, service, family, groups, slices);
    }
    for slice in existing.iter().filter(|slice| !service.families.contains(&slice.family)) {
        plan.delete(slice.key.clone(), slice.revision, &slice.uid);
    }
    if plan.is_idle() {
        return Plan::idle("the slices tell it already");
    }
    plan.guard(Scope::owner(&service.uid));
    plan
}
