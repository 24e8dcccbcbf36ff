//! The slices that an Endpoints object comes to.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rutter_controller::read::list;
use serde_json::{Value, json};

use super::view::{Endpoints, ME, Mirror};
use crate::endpoint_slice::slice::{Family, MANAGED_BY, SERVICE_NAME};
use crate::owners::{controlling, references};

/// How many addresses of a subset are mirrored at most (upstream's `--mirroring-max-endpoints-per-subset`).
const MOST: usize = 1000;
/// What is said to `kubectl apply` and by the controller of Endpoints is not said of slices.
const NOT_MIRRORED: [&str; 2] =
    ["endpoints.kubernetes.io/last-change-trigger-time", "kubectl.kubernetes.io/last-applied-configuration"];

/// One slice.
#[derive(Debug, PartialEq)]
pub(super) struct Wanted {
    family: Family,
    ports: Vec<Value>,
    pub endpoints: Vec<Value>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

pub(super) fn slices(endpoints: &Endpoints) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for subset in list(&endpoints.subsets.value(), "") {
        let ports = ports(subset);
        for (family, addresses) in by_family(subset) {
            match wanted.iter_mut().find(|slice| slice.family == family && slice.ports == ports) {
                Some(slice) => slice.endpoints.extend(addresses),
                None => wanted.push(Wanted {
                    family,
                    ports: ports.clone(),
                    endpoints: addresses,
                    labels: labels(endpoints),
                    annotations: annotations(endpoints),
                }),
            }
        }
    }
    wanted
}

impl Wanted {
    /// Whether the slice is the one that stands for this.
    pub(super) fn is_of(&self, mirror: &Mirror) -> bool {
        self.family == mirror.family && self.ports == mirror.ports
    }

    pub(super) fn object(&self, endpoints: &Endpoints, name: &str) -> Value {
        let me = controlling("v1", "Endpoints", &endpoints.key.name, &endpoints.uid);
        let mut object = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "name": name, "generateName": format!("{}-", endpoints.key.name),
                "namespace": endpoints.key.namespace,
                "labels": self.labels, "ownerReferences": references([&me]),
            },
            "addressType": self.family.name(),
            "ports": self.ports,
            "endpoints": self.endpoints,
        });
        if !self.annotations.is_empty() {
            object["metadata"]["annotations"] = json!(self.annotations);
        }
        object
    }
}

fn by_family(subset: &Value) -> BTreeMap<Family, Vec<Value>> {
    let list = |field: &str| subset[field].as_array().into_iter().flatten();
    let ready = list("addresses").map(|address| (address, true));
    let all = ready.chain(list("notReadyAddresses").map(|address| (address, false)));
    let mut families = BTreeMap::<Family, Vec<Value>>::new();
    for (address, ready) in all.take(MOST) {
        let Some(ip) = address["ip"].as_str().and_then(|ip| ip.parse::<IpAddr>().ok()) else { continue };
        let family = if ip.is_ipv4() { Family::IPv4 } else { Family::IPv6 };
        families.entry(family).or_default().push(endpoint(address, ip, ready));
    }
    families
}

fn endpoint(address: &Value, ip: IpAddr, ready: bool) -> Value {
    let mut endpoint = json!({ "addresses": [ip.to_string()], "conditions": { "ready": ready } });
    for field in ["hostname", "nodeName", "targetRef"] {
        if !address[field].is_null() {
            endpoint[field] = address[field].clone();
        }
    }
    endpoint
}

/// In the order of their names, as slices are compared by them.
fn ports(subset: &Value) -> Vec<Value> {
    let list = subset["ports"].as_array().into_iter().flatten();
    let mut ports: Vec<Value> = list
        .map(|port| {
            let mut told = json!({
                "name": port["name"].as_str().unwrap_or_default(),
                "port": port["port"],
                "protocol": port["protocol"].as_str().unwrap_or("TCP"),
            });
            if let Some(protocol) = port["appProtocol"].as_str() {
                told["appProtocol"] = json!(protocol);
            }
            told
        })
        .collect();
    ports.sort_by_key(|port| (port["name"].to_string(), port["port"].as_i64(), port["protocol"].to_string()));
    ports
}

fn labels(endpoints: &Endpoints) -> BTreeMap<String, String> {
    let mut labels = endpoints.labels.clone();
    labels.insert(SERVICE_NAME.to_owned(), endpoints.key.name.clone());
    labels.insert(MANAGED_BY.to_owned(), ME.to_owned());
    labels
}

fn annotations(endpoints: &Endpoints) -> BTreeMap<String, String> {
    let mut annotations = endpoints.annotations.clone();
    annotations.retain(|name, _| !NOT_MIRRORED.contains(&name.as_str()));
    annotations
}
