//! Dealing endpoints to slices so that few slices change (upstream: `reconcileByPortMapping`).

use std::collections::{BTreeMap, BTreeSet};

use rutter_apimachinery::name;
use rutter_controller::Plan;
use rutter_schemas::{Key, Revision};
use serde_json::{Value, json};

use super::desired::Groups;
use super::slice::{Endpoint, Family, MANAGED_BY, ME, Ports, SERVICE_NAME, Slice};
use super::view::{Service, View};
use crate::owners::{controlling, references};

/// How many endpoints a slice holds at most (upstream's `--max-endpoints-per-slice`).
const MOST: usize = 100;

/// Makes the slices of one address family tell what is wanted.
pub(super) fn family(
    plan: &mut Plan,
    view: &View,
    service: &Service,
    family: Family,
    mut groups: Groups,
    slices: Vec<&Slice>,
) {
    if groups.is_empty() {
        groups.insert(Ports::default(), BTreeMap::new());
    }
    let mut births = Vec::new();
    for (ports, wanted) in &groups {
        let here = slices.iter().copied().filter(|slice| slice.ports == *ports).collect();
        births.extend(group(plan, service, ports, wanted.clone(), here));
    }
    for slice in slices.iter().filter(|slice| !groups.contains_key(&slice.ports)) {
        plan.delete(slice.key.clone(), slice.revision, &slice.uid);
    }
    let names = names(view, service, family, &slices);
    for ((ports, endpoints), name) in births.into_iter().zip(names) {
        plan.create(object(service, family, ports, &endpoints, name));
    }
}

/// Writes the slices of one set of ports, and returns those to be made.
fn group<'a>(
    plan: &mut Plan,
    service: &Service,
    ports: &'a Ports,
    mut wanted: BTreeMap<String, Endpoint>,
    slices: Vec<&Slice>,
) -> Vec<(&'a Ports, Vec<Endpoint>)> {
    let mut kept: Vec<(&Slice, Vec<Endpoint>)> =
        slices.into_iter().map(|slice| (slice, keep(slice, &mut wanted))).collect();
    let mut rest: Vec<Endpoint> = wanted.into_values().collect();
    let labels = labels(service);
    fill(&mut kept, &mut rest, |slice, endpoints| slice.endpoints != *endpoints || slice.labels != labels);
    if rest.len() < MOST {
        fill_fullest(&mut kept, &mut rest);
    }
    let births: Vec<_> = rest.chunks(MOST).map(|chunk| (ports, chunk.to_vec())).collect();
    let mut nothing_left = births.is_empty();
    for (index, (slice, endpoints)) in kept.iter().enumerate() {
        let last_resort = nothing_left && index + 1 == kept.len();
        if endpoints.is_empty() && !last_resort {
            plan.delete(slice.key.clone(), slice.revision, &slice.uid);
            continue;
        }
        nothing_left = false;
        rewrite(plan, slice, endpoints, &labels);
    }
    if births.is_empty() && kept.is_empty() { vec![(ports, Vec::new())] } else { births }
}

/// The endpoints of the slice that are still wanted, as they are now; they are no longer looked for a place.
fn keep(slice: &Slice, wanted: &mut BTreeMap<String, Endpoint>) -> Vec<Endpoint> {
    slice.endpoints.iter().filter_map(|endpoint| wanted.remove(&endpoint.uid)).collect()
}

/// Puts what looks for a place into slices that are rewritten anyway.
fn fill(
    kept: &mut [(&Slice, Vec<Endpoint>)],
    rest: &mut Vec<Endpoint>,
    is_rewritten: impl Fn(&Slice, &Vec<Endpoint>) -> bool,
) {
    for (slice, endpoints) in kept {
        if is_rewritten(slice, endpoints) {
            let room = MOST.saturating_sub(endpoints.len()).min(rest.len());
            endpoints.extend(rest.drain(..room));
        }
    }
}

/// Puts the last few into the fullest slice that has room for them all.
fn fill_fullest(kept: &mut [(&Slice, Vec<Endpoint>)], rest: &mut Vec<Endpoint>) {
    let many = rest.len();
    if many == 0 {
        return;
    }
    let fitting = kept.iter_mut().filter(|(_, endpoints)| endpoints.len() + many <= MOST);
    if let Some((_, endpoints)) = fitting.max_by_key(|(_, endpoints)| endpoints.len()) {
        endpoints.append(rest);
    }
}

fn rewrite(plan: &mut Plan, slice: &Slice, endpoints: &[Endpoint], labels: &BTreeMap<String, String>) {
    let mut patch = json!({});
    if slice.endpoints != endpoints {
        patch["endpoints"] = endpoints.iter().map(Endpoint::json).collect();
    }
    if slice.labels != *labels {
        patch["metadata"]["labels"] = label_changes(&slice.labels, labels);
    }
    if patch != json!({}) {
        plan.merge(slice.key.clone(), slice.revision, patch);
    }
}

fn label_changes(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Value {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names.into_iter().filter(|n| old.get(*n) != new.get(*n)).map(|n| (n.clone(), json!(new.get(n)))).collect()
}

/// The Service's own labels and those by which slices are found.
fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.labels.clone();
    labels.remove("service.kubernetes.io/headless");
    if service.headless {
        labels.insert("service.kubernetes.io/headless".to_owned(), String::new());
    }
    labels.insert(SERVICE_NAME.to_owned(), service.key.name.clone());
    labels.insert(MANAGED_BY.to_owned(), ME.to_owned());
    labels
}

/// Names that no slice has; they follow from the Service and the newest of its slices.
fn names<'a>(
    view: &'a View,
    service: &'a Service,
    family: Family,
    slices: &[&Slice],
) -> impl Iterator<Item = String> + 'a {
    let newest = slices.iter().map(|slice| slice.revision).max().unwrap_or(Revision::NONE);
    let touched = newest.max(service.revision);
    let prefix = format!("{}-", service.key.name);
    let seed = format!("{}\0{}\0{touched}", service.uid, family.name());
    (0..u32::MAX).map(move |index| name::generated(&prefix, format!("{seed}\0{index}").as_bytes())).filter(
        |name| !view.has_slice(&Key::new("discovery.k8s.io", "endpointslices", &service.key.namespace, name)),
    )
}

fn object(service: &Service, family: Family, ports: &Ports, endpoints: &[Endpoint], name: String) -> Value {
    let me = controlling("v1", "Service", &service.key.name, &service.uid);
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": name, "generateName": format!("{}-", service.key.name), "namespace": service.key.namespace,
            "labels": labels(service), "ownerReferences": references([&me]),
        },
        "addressType": family.name(),
        "ports": ports.json(),
        "endpoints": endpoints.iter().map(Endpoint::json).collect::<Value>(),
    })
}
