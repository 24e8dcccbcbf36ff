//! EndpointSlices for what others write into Endpoints of Services that select no pods, so that whoever reads slices
//! alone misses nothing (upstream: `pkg/controller/endpointslicemirroring`).
//!
//! Keeps true: a subset has one slice for each address family, which follows it; a slice of ours whose Endpoints are
//! gone, or are no longer to be mirrored, goes.

#[cfg(test)]
mod tests;
mod view;
mod wanted;

use jiff::Timestamp;
use rutter_apimachinery::name;
use rutter_controller::{Controller, Fact, Plan, Reads};
use rutter_schemas::{Key, Revision};
use serde_json::{Value, json};

pub use view::View;
use view::{Endpoints, Mirror};
use wanted::Wanted;

/// The controller of mirrored EndpointSlices: its keys are Endpoints.
#[derive(Debug)]
pub struct EndpointSliceMirroring;

impl Controller for EndpointSliceMirroring {
    type View = View;
    type Key = Key;
    const NAME: &'static str = "endpointslicemirroring-controller";

    fn follows(group: &str, resource: &str) -> bool {
        matches!((group, resource), ("", "services" | "endpoints") | ("discovery.k8s.io", "endpointslices"))
    }

    fn apply(view: &mut View, fact: &Fact) {
        match fact.key.resource.as_str() {
            "services" => view.apply_service(fact),
            "endpoints" => view.apply_endpoints(fact),
            _ => view.apply_slice(fact),
        }
    }

    fn wakes(view: &View, fact: &Fact) -> Vec<Key> {
        let of_name = |name: &str| Key::new("", "endpoints", &fact.key.namespace, name);
        match fact.key.resource.as_str() {
            "services" | "endpoints" => vec![of_name(&fact.key.name)],
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
    let mirrors = view.mirrors_of(key);
    let endpoints =
        view.endpoints(key).filter(|endpoints| !endpoints.deleting && endpoints.is_to_be_mirrored);
    let Some(endpoints) = endpoints.filter(|_| view.selects_nothing(key)) else {
        return forget(&mirrors);
    };
    let wanted = wanted::slices(endpoints);
    let mut plan = Plan::because("the Endpoints changed");
    let mut births = Vec::new();
    for slice in &wanted {
        match mirrors.iter().find(|mirror| slice.is_of(mirror)) {
            Some(mirror) => rewrite(&mut plan, slice, mirror),
            None => births.push(slice),
        }
    }
    for mirror in mirrors.iter().filter(|mirror| !wanted.iter().any(|slice| slice.is_of(mirror))) {
        plan.delete(mirror.key.clone(), mirror.revision, &mirror.uid);
    }
    for (slice, name) in births.into_iter().zip(names(view, endpoints, &mirrors)) {
        plan.create(slice.object(endpoints, &name));
    }
    if plan.is_idle() { Plan::idle("the slices tell it already") } else { plan }
}

fn forget(mirrors: &[&Mirror]) -> Plan {
    if mirrors.is_empty() {
        return Plan::idle("there is nothing to mirror");
    }
    let mut plan = Plan::because("there is nothing to mirror any more");
    for mirror in mirrors {
        plan.delete(mirror.key.clone(), mirror.revision, &mirror.uid);
    }
    plan
}

fn rewrite(plan: &mut Plan, wanted: &Wanted, mirror: &Mirror) {
    let mut patch = json!({});
    if mirror.endpoints != wanted.endpoints {
        patch["endpoints"] = json!(wanted.endpoints);
    }
    for (field, old, new) in [
        ("labels", &mirror.labels, &wanted.labels),
        ("annotations", &mirror.annotations, &wanted.annotations),
    ] {
        let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
        let changed: Value = names
            .filter(|name| old.get(*name) != new.get(*name))
            .map(|name| (name.clone(), json!(new.get(name))))
            .collect();
        if changed != json!({}) {
            patch["metadata"][field] = changed;
        }
    }
    if patch != json!({}) {
        plan.merge(mirror.key.clone(), mirror.revision, patch);
    }
}

/// Names that no slice has; they follow from the Endpoints and the newest of their slices.
fn names<'a>(
    view: &'a View,
    endpoints: &'a Endpoints,
    mirrors: &[&Mirror],
) -> impl Iterator<Item = String> + 'a {
    let newest = mirrors.iter().map(|mirror| mirror.revision).max().unwrap_or(Revision::NONE);
    let seed = format!("{}\0{}", endpoints.uid, newest.max(endpoints.revision));
    let prefix = format!("{}-", endpoints.key.name);
    (0..u32::MAX)
        .map(move |index| name::generated(&prefix, format!("{seed}\0{index}").as_bytes()))
        .filter(|name| !view.has_slice(&endpoints.key.namespace, name))
}
