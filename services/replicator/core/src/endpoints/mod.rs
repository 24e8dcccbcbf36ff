//! Endpoints: the older form of what EndpointSlices tell, one object a Service (upstream: `pkg/controller/endpoint`).
//!
//! Keeps true: an Endpoints object of this controller tells at most a thousand addresses, and says so when it leaves some
//! out. What others wrote for a Service without selector is theirs.

mod subsets;
#[cfg(test)]
mod tests;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rutter_controller::{Controller, Fact, Part, Plan, Reads};
use rutter_schemas::{Key, Scope};
use serde_json::{Value, json};

use crate::endpoint_slice::view::Service;
use subsets::Subsets;
pub use view::View;
use view::{MANAGED_BY, ME, Standing};

/// Says that addresses were left out.
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
const HEADLESS: &str = "service.kubernetes.io/headless";

/// The controller of Endpoints: its keys are Services.
#[derive(Debug)]
pub struct Endpoints;

impl Controller for Endpoints {
    type View = View;
    type Key = Key;
    const NAME: &'static str = "endpoint-controller";

    fn follows(group: &str, resource: &str) -> bool {
        matches!((group, resource), ("", "pods" | "services" | "endpoints"))
    }

    fn apply(view: &mut View, fact: &Fact) {
        match fact.key.resource.as_str() {
            "pods" => view.services.apply_pod(fact),
            "services" => view.services.apply_service(fact),
            _ => view.apply_endpoints(fact),
        }
    }

    fn wakes(view: &View, fact: &Fact) -> Vec<Key> {
        match fact.key.resource.as_str() {
            "pods" => view.services.woken_by_pod(fact),
            "services" => vec![fact.key.clone()],
            _ => vec![Key::new("", "services", &fact.key.namespace, &fact.key.name)],
        }
    }

    fn reconcile(view: &View, key: &Key, _now: Timestamp) -> Vec<Plan> {
        vec![reconcile(view, key)]
    }

    fn reads(view: &View) -> &Reads {
        view.services.reads()
    }
}

fn reconcile(view: &View, key: &Key) -> Plan {
    let standing = view.standing(key);
    let Some(service) = view.services.service(key) else { return forget(standing) };
    if service.deleting {
        return Plan::idle("it is being deleted");
    }
    if service.selector.is_none() {
        return Plan::idle("it selects no pods");
    }
    let wanted = Subsets::of(&view.services, service);
    let mut plan = Plan::because("the endpoints changed");
    match standing {
        None => plan.create(object(service, &wanted)),
        Some(standing) => rewrite(&mut plan, service, &wanted, standing),
    }
    if plan.is_idle() {
        return Plan::idle("the endpoints are told already");
    }
    plan.guard(Scope::owner(&service.uid));
    plan
}

/// Endpoints go with their Service.
fn forget(standing: Option<&Standing>) -> Plan {
    let Some(standing) = standing.filter(|standing| standing.is_ours()) else {
        return Plan::idle("it is gone");
    };
    let mut plan = Plan::because("its Service is gone");
    plan.delete(standing.key.clone(), standing.revision, &standing.uid);
    plan
}

fn object(service: &Service, wanted: &Subsets) -> Value {
    let mut object = json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {
            "name": service.key.name, "namespace": service.key.namespace, "labels": labels(service),
        },
        "subsets": wanted.json,
    });
    if wanted.truncated {
        object["metadata"]["annotations"] = json!({ OVER_CAPACITY: "truncated" });
    }
    object
}

fn rewrite(plan: &mut Plan, service: &Service, wanted: &Subsets, standing: &Standing) {
    let mut patch = json!({});
    if standing.subsets != Part::of_list(&wanted.json) {
        patch["subsets"] = json!(wanted.json);
    }
    let labels = labels(service);
    if standing.labels != labels {
        let names: BTreeSet<&String> = standing.labels.keys().chain(labels.keys()).collect();
        let changed = names.into_iter().filter(|name| standing.labels.get(*name) != labels.get(*name));
        patch["metadata"]["labels"] = changed.map(|name| (name.clone(), json!(labels.get(name)))).collect();
    }
    if standing.truncated != wanted.truncated {
        let said = wanted.truncated.then_some("truncated");
        patch["metadata"]["annotations"] = json!({ OVER_CAPACITY: said });
    }
    if patch != json!({}) {
        plan.merge(standing.key.clone(), standing.revision, patch);
    }
}

/// The Service's own labels, whether it is headless, and whose the object is.
fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.labels.clone();
    labels.remove(HEADLESS);
    if service.headless {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    labels.insert(MANAGED_BY.to_owned(), ME.to_owned());
    labels
}
