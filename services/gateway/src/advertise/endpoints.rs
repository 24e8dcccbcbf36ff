//! The endpoints of the Service `kubernetes`, as upstream's reconcilers write them (`pkg/controlplane/reconcilers`): an
//! Endpoints object that is not to be mirrored, and an EndpointSlice of the same addresses.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rutter_apimachinery::status::Status;
use rutter_apimachinery::write::{self, Draft, WriteCx};
use rutter_projection::Snapshot;
use rutter_schemas::Key;
use serde_json::{Value, json};

use crate::Gateway;
use crate::bootstrap::{born, cx};
use crate::store::failed;

const NAME: &str = "kubernetes";
const NAMESPACE: &str = "default";
const SLICE_GROUP: &str = "discovery.k8s.io";

/// What becomes of the ports that stand there: all gateways of a cluster are to serve on one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ports {
    /// A gateway that starts says its own.
    Own,
    Kept,
}

/// What it takes that both objects list those whom `living` picks, given who is listed now.
///
/// # Errors
/// When the view can't be read.
pub(crate) fn drafts(
    gateway: &Gateway,
    snapshot: &Snapshot,
    ports: Ports,
    living: impl Fn(&BTreeSet<IpAddr>) -> BTreeSet<IpAddr>,
) -> Result<Vec<Draft>, Status> {
    let kept = |port: &Value| (ports == Ports::Kept && port.is_array()).then(|| port.clone());
    let own = json!([{ "name": "https", "port": gateway.port, "protocol": "TCP" }]);
    let slice = |before: &Value| {
        let mut after = labelled(before, "kubernetes.io/service-name", NAME);
        let known = before["endpoints"].as_array().into_iter().flatten().map(|one| &one["addresses"][0]);
        let endpoints = living(&addresses(known)).into_iter();
        after["endpoints"] = endpoints
            .map(|address| json!({ "addresses": [address], "conditions": { "ready": true } }))
            .collect();
        after["addressType"] = json!(if gateway.address.is_ipv4() { "IPv4" } else { "IPv6" });
        after["ports"] = kept(&before["ports"]).unwrap_or_else(|| own.clone());
        after
    };
    let endpoints = |before: &Value| {
        let mut after = labelled(before, "endpointslice.kubernetes.io/skip-mirror", "true");
        let subset = &before["subsets"][0];
        let known = subset["addresses"].as_array().into_iter().flatten().map(|one| &one["ip"]);
        let living: Value =
            living(&addresses(known)).into_iter().map(|address| json!({ "ip": address })).collect();
        let ports = kept(&subset["ports"]).unwrap_or_else(|| own.clone());
        after["subsets"] = json!([{ "addresses": living, "ports": ports }]);
        after
    };
    let drafts = [
        settled(gateway, snapshot, ("", "endpoints"), endpoints)?,
        settled(gateway, snapshot, (SLICE_GROUP, "endpointslices"), slice)?,
    ];
    Ok(drafts.into_iter().flatten().collect())
}

fn addresses<'a>(known: impl Iterator<Item = &'a Value>) -> BTreeSet<IpAddr> {
    known.filter_map(|address| address.as_str()?.parse().ok()).collect()
}

/// The object that stands, or the beginning of one, with a label.
fn labelled(before: &Value, label: &str, value: &str) -> Value {
    let mut after = if before.is_null() { json!({ "metadata": { "name": NAME } }) } else { before.clone() };
    after["metadata"]["labels"][label] = json!(value);
    after
}

/// The object as `made` of what stands; none when that stays as it is.
fn settled(
    gateway: &Gateway,
    snapshot: &Snapshot,
    (group, plural): (&str, &str),
    made: impl Fn(&Value) -> Value,
) -> Result<Option<Draft>, Status> {
    let registry = gateway.registry();
    let found =
        snapshot.get_object(&Key::new(group, plural, NAMESPACE, NAME)).map_err(|error| failed(&error))?;
    let Some(object) = found else {
        return born(&registry, group, plural, NAMESPACE, made(&Value::Null)).map(Some);
    };
    let Some(resource) = registry.resource(group, "v1", plural) else { return Ok(None) };
    let before: Value = serde_json::from_slice(&object).map_err(|error| failed(&error))?;
    let after = made(&before);
    write::update(&resource, "", &before, after, &WriteCx { name: NAME, ..cx(NAMESPACE) })
}
