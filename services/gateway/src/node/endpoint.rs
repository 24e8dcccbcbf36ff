//! The ready endpoints of a Service's port, as its EndpointSlices have them.

use std::net::IpAddr;

use rutter_apimachinery::status::Status;
use rutter_projection::{IndexKey, ListQuery, Snapshot};
use rutter_schemas::protocol::dial::PodRef;
use serde_json::Value;

use crate::store::failed;

/// Where a connection goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// Through its node.
    Pod { node: String, pod: PodRef, port: u16 },
    /// To something that is no pod of the cluster.
    Address { ip: IpAddr, port: u16 },
}

/// Every ready endpoint behind the port of this name.
///
/// # Errors
/// When the view can't be read.
pub(crate) fn ready(
    snapshot: &Snapshot,
    namespace: &str,
    service: &str,
    port_name: &str,
) -> Result<Vec<Endpoint>, Status> {
    let query = ListQuery::of("discovery.k8s.io", "endpointslices")
        .namespace(namespace)
        .index(IndexKey::label("kubernetes.io/service-name", service));
    let mut ready = Vec::new();
    for listed in snapshot.list(&query) {
        let (_, record) = listed.map_err(|error| failed(&error))?;
        let slice: Value = serde_json::from_slice(&record.object).map_err(|error| failed(&error))?;
        ready.extend(of_slice(&slice, namespace, port_name));
    }
    Ok(ready)
}

/// One of them, another each time.
pub(crate) fn any(mut endpoints: Vec<Endpoint>) -> Option<Endpoint> {
    if endpoints.is_empty() {
        return None;
    }
    let seed = usize::try_from(uuid::Uuid::new_v4().as_u128() % 1_000_000_007).unwrap_or_default();
    let chosen = seed % endpoints.len();
    Some(endpoints.swap_remove(chosen))
}

fn of_slice(slice: &Value, namespace: &str, port_name: &str) -> Vec<Endpoint> {
    let ports = slice["ports"].as_array().into_iter().flatten();
    let mut ports = ports.filter(|port| port["name"].as_str().unwrap_or_default() == port_name);
    let port = ports.next().and_then(|port| port["port"].as_u64()).and_then(|port| u16::try_from(port).ok());
    let Some(port) = port else { return Vec::new() };
    let endpoints = slice["endpoints"].as_array().into_iter().flatten();
    let ready =
        endpoints.filter(|endpoint| endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false)));
    ready.filter_map(|endpoint| one(endpoint, namespace, port)).collect()
}

fn one(endpoint: &Value, namespace: &str, port: u16) -> Option<Endpoint> {
    let told = |path| endpoint.pointer(path).and_then(Value::as_str);
    if let (Some(node), Some(name)) = (told("/nodeName"), told("/targetRef/name")) {
        let uid = told("/targetRef/uid").unwrap_or_default().to_owned();
        let pod = PodRef { namespace: namespace.to_owned(), name: name.to_owned(), uid };
        return Some(Endpoint::Pod { node: node.to_owned(), pod, port });
    }
    Some(Endpoint::Address { ip: told("/addresses/0")?.parse().ok()?, port })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_ready_endpoint_is_a_pod_on_its_node_or_an_address() {
        let slice = json!({
            "ports": [{"name": "web", "port": 8443}],
            "endpoints": [
                {"addresses": ["10.0.0.1"], "nodeName": "n1", "targetRef": {"kind": "Pod", "name": "p", "uid": "u"}},
                {"addresses": ["10.0.0.2"], "conditions": {"ready": false}, "nodeName": "n1", "targetRef": {"name": "q"}},
                {"addresses": ["192.0.2.7"], "conditions": {"ready": true}},
            ],
        });
        let pod = PodRef { namespace: "a".into(), name: "p".into(), uid: "u".into() };
        assert_eq!(
            of_slice(&slice, "a", "web"),
            [
                Endpoint::Pod { node: "n1".into(), pod, port: 8443 },
                Endpoint::Address { ip: [192, 0, 2, 7].into(), port: 8443 },
            ]
        );
        assert!(of_slice(&slice, "a", "").is_empty());
        assert_eq!(any(Vec::new()), None);
    }
}
