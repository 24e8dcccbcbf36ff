//! Where a proxied request goes: a pod's port, a ready endpoint of a Service's, a node's own pages or another port of it.

use rutter_apimachinery::status::Status;
use rutter_projection::Snapshot;
use rutter_schemas::protocol::dial::{DialTarget, PodRef};
use serde_json::Value;

use crate::chain::Call;
use crate::node::endpoint::{self, Endpoint};
use crate::store::failed;

/// A node, and what to dial there.
pub(super) struct Destination {
    pub(super) node: String,
    pub(super) target: DialTarget,
}

/// The port of upstream's kubelet: who names it means the node's own pages.
const KUBELET_PORT: &str = "10250";

/// # Errors
/// 404 for what is not there, 503 for a Service without endpoints.
pub(super) fn of(call: &Call, snapshot: &Snapshot) -> Result<Destination, Status> {
    match &*call.resource.plural {
        "pods" => of_pod(call, snapshot),
        "services" => of_service(call, snapshot),
        _ => of_node(call, snapshot),
    }
}

/// `[scheme:]name[:port]`.
fn name_and_port(text: &str) -> (String, String) {
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        [name] => ((*name).to_owned(), String::new()),
        [name, port] => ((*name).to_owned(), (*port).to_owned()),
        [_scheme, name, port] => ((*name).to_owned(), (*port).to_owned()),
        _ => (text.to_owned(), String::new()),
    }
}

fn of_pod(call: &Call, snapshot: &Snapshot) -> Result<Destination, Status> {
    let (name, port) = name_and_port(&call.info.name);
    let record = snapshot.get(&call.key_of(&name)).map_err(|error| failed(&error))?;
    let record = record.ok_or_else(|| Status::not_found(call.subject(), &name))?;
    let pod: Value = serde_json::from_slice(&record.object).map_err(|error| failed(&error))?;
    let port = if port.is_empty() { first_port(&pod) } else { port.parse().ok() };
    let port = port.ok_or_else(|| Status::bad_request(format!("invalid port for pod {name}")))?;
    let node = pod.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or_default();
    if node.is_empty() {
        return Err(Status::unavailable(format!("pod {name} does not have a host assigned")));
    }
    let pod = PodRef { namespace: call.info.namespace.clone(), name, uid: record.uid.to_string() };
    Ok(Destination { node: node.to_owned(), target: DialTarget::Connect { pod, port } })
}

/// The first port of a TCP container, or 80.
fn first_port(pod: &Value) -> Option<u16> {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten();
    let mut ports = containers.flat_map(|container| container["ports"].as_array().into_iter().flatten());
    let first = ports.find(|port| port["protocol"].as_str().unwrap_or("TCP") == "TCP");
    first.map_or(Some(80), |port| port["containerPort"].as_u64().and_then(|port| u16::try_from(port).ok()))
}

/// A ready endpoint of the Service's port, chosen anew for each request.
fn of_service(call: &Call, snapshot: &Snapshot) -> Result<Destination, Status> {
    let (name, port) = name_and_port(&call.info.name);
    let found = snapshot.get_object(&call.key_of(&name)).map_err(|error| failed(&error))?;
    let service = found.ok_or_else(|| Status::not_found(call.subject(), &name))?;
    let service: Value = serde_json::from_slice(&service).map_err(|error| failed(&error))?;
    let Some(port_name) = port_name(&service, &port) else {
        return Err(Status::unavailable(format!("no service port {port:?} found for service {name:?}")));
    };
    let mut ready = endpoint::ready(snapshot, &call.info.namespace, &name, &port_name)?;
    // What is no pod has no node to carry it.
    ready.retain(|endpoint| matches!(endpoint, Endpoint::Pod { .. }));
    match endpoint::any(ready) {
        Some(Endpoint::Pod { node, pod, port }) => {
            Ok(Destination { node, target: DialTarget::Connect { pod, port } })
        }
        _ => Err(Status::unavailable(format!("no endpoints available for service {:?}", call.info.name))),
    }
}

/// The name of the port that was asked for by name or number; the only one if none was.
fn port_name(service: &Value, asked: &str) -> Option<String> {
    let ports = service.pointer("/spec/ports").and_then(Value::as_array)?;
    let named = |port: &Value| port["name"].as_str().unwrap_or_default().to_owned();
    if asked.is_empty() {
        return (ports.len() == 1).then(|| named(&ports[0]));
    }
    let number = asked.parse::<u64>().ok();
    ports
        .iter()
        .find(|port| {
            named(port) == asked || number.is_some_and(|number| port["port"].as_u64() == Some(number))
        })
        .map(named)
}

/// k8s.io/kubernetes pkg/registry/core/node/strategy.go, ResourceLocation.
fn of_node(call: &Call, snapshot: &Snapshot) -> Result<Destination, Status> {
    let (node, port) = name_and_port(&call.info.name);
    let found = snapshot.get(&call.key_of(&node)).map_err(|error| failed(&error))?;
    found.ok_or_else(|| Status::not_found(call.subject(), &node))?;
    let target = match port.as_str() {
        "" | KUBELET_PORT => DialTarget::Pages,
        port => {
            let invalid = || Status::bad_request(format!("invalid node request {:?}", call.info.name));
            DialTarget::Host { port: port.parse().map_err(|_| invalid())? }
        }
    };
    Ok(Destination { node, target })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_port_is_asked_for_by_name_or_number_and_may_be_left_out_if_it_is_the_only_one() {
        let service =
            json!({"spec": {"ports": [{"name": "web", "port": 80}, {"name": "admin", "port": 81}]}});
        assert_eq!(port_name(&service, "admin").as_deref(), Some("admin"));
        assert_eq!(port_name(&service, "80").as_deref(), Some("web"));
        assert_eq!(port_name(&service, ""), None);
        assert_eq!(port_name(&json!({"spec": {"ports": [{"port": 80}]}}), "").as_deref(), Some(""));
        assert_eq!(name_and_port("https:web:443"), ("web".into(), "443".into()));
    }
}
