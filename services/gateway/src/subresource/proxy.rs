//! `pods/proxy`, `services/proxy`: a request carried to a pod's port through its node, and the answer carried back
//! (k8s.io/apimachinery/pkg/util/proxy). A node listens for nobody, so `nodes/proxy` has nowhere to go.

use http::header::{CONNECTION, HOST, HeaderName, LOCATION, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use rutter_apimachinery::status::Status;
use rutter_projection::{IndexKey, ListQuery, Snapshot};
use rutter_schemas::Key;
use rutter_schemas::protocol::dial::{DialTarget, PodRef};
use serde_json::Value;

use crate::body::{self, Body, BodyError};
use crate::chain::Call;
use crate::node::dial;
use crate::store::failed;

/// Headers that belong to one connection (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 4] =
    [CONNECTION, TRANSFER_ENCODING, UPGRADE, HeaderName::from_static("keep-alive")];

/// Where a request goes.
struct Destination {
    node: String,
    pod: PodRef,
    port: u16,
}

/// # Errors
/// 404 for what is not there, 503 for a Service without endpoints or a pod that doesn't answer.
pub(super) async fn serve(mut call: Call) -> Result<Response<Body>, Status> {
    let snapshot = call.gateway.store.current().await?;
    let destination = match (&*call.resource.group, &*call.resource.plural) {
        ("", "pods") => of_pod(&call, &snapshot)?,
        ("", "services") => of_service(&call, &snapshot)?,
        _ => {
            return Err(Status::unavailable(
                "a node listens for nobody: its logs, commands and pods are reached by their own subresources",
            ));
        }
    };
    drop(snapshot);
    let target = DialTarget::Connect { pod: destination.pod, port: destination.port };
    let stream = dial::as_io(call.gateway.dialler.dial(&destination.node, target).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unreachable(&error))?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a proxied connection ended");
        }
    });
    let prefix = prefix(&call);
    let answer = sender.send_request(forwarded(&mut call)?).await.map_err(|error| unreachable(&error))?;
    let (mut parts, body) = answer.into_parts();
    strip(&mut parts.headers);
    relocate(&mut parts.headers, &prefix);
    Ok(Response::from_parts(parts, body.map_err(BodyError::from).boxed_unsync()))
}

fn unreachable(error: &hyper::Error) -> Status {
    Status::unavailable(format!("error trying to reach service: {error}"))
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
    Ok(Destination { node: node.to_owned(), pod, port })
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
    let query = ListQuery::of("discovery.k8s.io", "endpointslices")
        .namespace(&call.info.namespace)
        .index(IndexKey::label("kubernetes.io/service-name", &name));
    let mut ready = Vec::new();
    for listed in snapshot.list(&query) {
        let (_, record) = listed.map_err(|error| failed(&error))?;
        let slice: Value = serde_json::from_slice(&record.object).map_err(|error| failed(&error))?;
        ready.extend(endpoints(&slice, &port_name));
    }
    let seed = usize::try_from(uuid::Uuid::new_v4().as_u128() % 1_000_000_007).unwrap_or_default();
    let count = ready.len().max(1);
    ready
        .into_iter()
        .nth(seed % count)
        .map(|(node, pod, port)| Destination {
            node,
            pod: PodRef { namespace: call.info.namespace.clone(), ..pod },
            port,
        })
        .ok_or_else(|| {
            Status::unavailable(format!("no endpoints available for service {:?}", call.info.name))
        })
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

fn endpoints(slice: &Value, port_name: &str) -> Vec<(String, PodRef, u16)> {
    let ports = slice["ports"].as_array().into_iter().flatten();
    let mut ports = ports.filter(|port| port["name"].as_str().unwrap_or_default() == port_name);
    let port = ports.next().and_then(|port| port["port"].as_u64()).and_then(|port| u16::try_from(port).ok());
    let Some(port) = port else { return Vec::new() };
    let endpoints = slice["endpoints"].as_array().into_iter().flatten();
    let ready =
        endpoints.filter(|endpoint| endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false)));
    ready
        .filter_map(|endpoint| {
            let node = endpoint["nodeName"].as_str()?.to_owned();
            let name = endpoint.pointer("/targetRef/name")?.as_str()?.to_owned();
            let uid =
                endpoint.pointer("/targetRef/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
            Some((node, PodRef { namespace: String::new(), name, uid }, port))
        })
        .collect()
}

fn prefix(call: &Call) -> String {
    let root = if call.info.group.is_empty() { "api" } else { "apis" };
    let Key { namespace, resource, .. } = call.key();
    format!(
        "/{root}/{}/namespaces/{namespace}/{resource}/{}/proxy",
        call.info.group_version(),
        call.info.name
    )
}

fn forwarded(call: &mut Call) -> Result<Request<Body>, Status> {
    let mut path = format!("/{}", call.info.rest);
    let query: Vec<String> =
        call.query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    if !query.is_empty() {
        path.push('?');
        path.push_str(&query.join("&"));
    }
    let uri: Uri = path.parse().map_err(|_| Status::bad_request("the path can't be forwarded"))?;
    let body = match call.body.take() {
        Some(incoming) => incoming.map_err(BodyError::from).boxed_unsync(),
        None => body::empty(),
    };
    let mut request = Request::new(body);
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    *headers = call.headers.clone();
    strip(headers);
    headers.remove(http::header::AUTHORIZATION);
    headers
        .insert(HOST, HeaderValue::from_str(&call.info.name).unwrap_or(HeaderValue::from_static("proxied")));
    Ok(request)
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn strip(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// A redirect to a path of the pod's is one to that path behind the proxy.
fn relocate(headers: &mut HeaderMap, prefix: &str) {
    let Some(location) = headers.get(LOCATION).and_then(|value| value.to_str().ok()) else { return };
    if !location.starts_with('/') {
        return;
    }
    if let Ok(value) = HeaderValue::from_str(&format!("{prefix}{location}")) {
        headers.insert(LOCATION, value);
    }
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
