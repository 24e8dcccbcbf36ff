//! `pods/proxy`, `services/proxy`, `nodes/proxy`: a request carried to a pod's port through its node, or to the node's
//! own pages, and the answer carried back (k8s.io/apimachinery/pkg/util/proxy). What the other side upgrades to flows on
//! both ways.

mod destination;

use http::header::{CONNECTION, HOST, HeaderName, LOCATION, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use rutter_apimachinery::status::Status;

use crate::body::{self, Body, BodyError};
use crate::chain::Call;
use crate::node::dial;
use crate::stream::upgrade;

/// Headers that belong to one connection (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 4] =
    [CONNECTION, TRANSFER_ENCODING, UPGRADE, HeaderName::from_static("keep-alive")];

/// # Errors
/// 404 for what is not there, 503 for a Service without endpoints or a pod that doesn't answer.
pub(super) async fn serve(mut call: Call) -> Result<Response<Body>, Status> {
    let snapshot = call.gateway.store.current().await?;
    let destination = destination::of(&call, &snapshot)?;
    drop(snapshot);
    let (prefix, below) = split(&call);
    if below.is_empty() {
        return moved(&call);
    }
    let stream = dial::as_io(call.gateway.dialler.dial(&destination.node, destination.target).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unreachable(&error))?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a proxied connection ended");
        }
    });
    let request = forwarded(&mut call, &below)?;
    let mut answer = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let theirs = hyper::upgrade::on(&mut answer);
        let ours =
            call.upgrade.take().ok_or_else(|| Status::bad_request("the connection cannot be upgraded"))?;
        tokio::spawn(carry(ours, theirs));
        return Ok(Response::from_parts(answer.into_parts().0, body::empty()));
    }
    let (mut parts, body) = answer.into_parts();
    strip(&mut parts.headers);
    relocate(&mut parts.headers, &prefix);
    Ok(Response::from_parts(parts, body.map_err(BodyError::from).boxed_unsync()))
}

/// What both sides upgraded to.
async fn carry(ours: OnUpgrade, theirs: OnUpgrade) {
    let (Ok(ours), Ok(theirs)) = tokio::join!(ours, theirs) else { return };
    let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(ours), &mut TokioIo::new(theirs)).await;
}

/// A relative link on a page counts from its directory, so the root of what is proxied ends with a slash.
fn moved(call: &Call) -> Result<Response<Body>, Status> {
    let query = call.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let to = HeaderValue::from_str(&format!("{}/{query}", call.uri.path()));
    let to = to.map_err(|_| Status::bad_request("the path can't be forwarded"))?;
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().insert(LOCATION, to);
    Ok(response)
}

fn unreachable(error: &hyper::Error) -> Status {
    Status::unavailable(format!("error trying to reach service: {error}"))
}

/// The path as it was written, to the subresource and from there on.
fn split(call: &Call) -> (String, String) {
    let root = if call.info.group.is_empty() { 2 } else { 3 };
    let namespace = if call.info.namespace.is_empty() { 0 } else { 2 };
    // Its resource, its name and the subresource follow.
    let parts = root + namespace + 3;
    let path = call.uri.path();
    let end = path.match_indices('/').nth(parts).map_or(path.len(), |(at, _)| at);
    (path[..end].to_owned(), path[end..].to_owned())
}

fn forwarded(call: &mut Call, below: &str) -> Result<Request<Body>, Status> {
    let query = call.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let uri: Uri =
        format!("{below}{query}").parse().map_err(|_| Status::bad_request("the path can't be forwarded"))?;
    let body = match call.body.take() {
        Some(incoming) => incoming.map_err(BodyError::from).boxed_unsync(),
        None => body::empty(),
    };
    let mut request = Request::new(body);
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    *headers = call.headers.clone();
    if upgrade::wanted(headers).is_none() {
        strip(headers);
    }
    headers.remove(http::header::AUTHORIZATION);
    headers
        .insert(HOST, HeaderValue::from_str(&call.info.name).unwrap_or(HeaderValue::from_static("proxied")));
    Ok(request)
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
