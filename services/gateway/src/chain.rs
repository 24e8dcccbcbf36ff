//! A request's way, on one page. Each step is a room:
//!
//! ```text
//! listen ─► deadline ─► authn ─► authz ─► route ─► verb ─► encode
//!              │          │        │               │
//!          how long?   who asks  may they?      admission, the executor's decision, the view
//! ```
//!
//! Places kept for what comes later: audit around everything, impersonation behind `authn`, priority and fairness
//! before `route`, webhooks and policies in `admission`, aggregated servers beside `verbs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{ACCEPT, ACCEPT_ENCODING};
use http::{HeaderMap, HeaderName, Method, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use rutter_apimachinery::registry::Resource;
use rutter_apimachinery::status::Status;
use rutter_runtime::telemetry;
use tokio::time::timeout;
use tracing::Instrument;

use crate::body::Body;
use crate::convert::interpreter::Interpreter;
use crate::encode::respond;
use crate::listen::Peer;
use crate::request::info::{self, Target};
use crate::request::{Accept, Query, RequestInfo, Shape, Verb, accept, deadline};
use crate::{Gateway, authn, authz, pages, verbs};

/// A request for a resource that has passed everything before the verbs.
pub struct Call {
    pub gateway: Gateway,
    pub user: authn::User,
    pub info: RequestInfo,
    pub query: Query,
    pub accept: Accept,
    pub method: Method,
    /// Path and query as they were written.
    pub uri: Uri,
    pub headers: HeaderMap,
    pub resource: Arc<Resource>,
    /// Between the version that is asked for and the one that is stored.
    pub interpreter: Interpreter,
    /// Taken once, by who reads it.
    pub body: Option<Incoming>,
    /// What the connection may become.
    pub upgrade: Option<OnUpgrade>,
}

impl Call {
    /// The same asked about another object of the resource, as a collection's delete asks.
    pub fn within(&self, namespace: String, name: String) -> Call {
        Call {
            gateway: self.gateway.clone(),
            user: self.user.clone(),
            info: RequestInfo { namespace, name, ..self.info.clone() },
            query: self.query.clone(),
            accept: self.accept,
            method: self.method.clone(),
            uri: self.uri.clone(),
            headers: self.headers.clone(),
            resource: self.resource.clone(),
            interpreter: Interpreter::of(&self.gateway.webhooks, std::iter::once(&self.resource)),
            body: None,
            upgrade: None,
        }
    }
}

/// Answers any request, whatever becomes of it.
pub async fn answer(gateway: Gateway, peer: Arc<Peer>, request: Request<Incoming>) -> Response<Body> {
    let began = Instant::now();
    let gzip = accepts_gzip(request.headers());
    let accept = text(request.headers(), ACCEPT).map(str::to_owned);
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let target = info::read(request.method(), request.uri().path(), &query);
    let labels = labels(&gateway, &target);
    let span = tracing::info_span!("request", method = %request.method(), path = request.uri().path());
    telemetry::continues(&span, text(request.headers(), TRACEPARENT));

    let answered = async {
        let limit = limit(&target, &query)?;
        in_time(limit, admitted(&gateway, &peer, target, query, request)).await
    };
    let answered = answered.instrument(span).await;
    let response = answered.unwrap_or_else(|status| respond::status(&status, accept.as_deref()));
    gateway.metrics.answered(&labels, response.status(), began.elapsed());
    respond::finish(response, gzip)
}

/// What metrics say of a request: verb, group, resource, subresource.
pub type Labels = [String; 4];

/// W3C trace context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A header's first value, if it is text.
pub fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// How long the request may take; ours stream for as long as they like.
fn limit(target: &Target, query: &Query) -> Result<Option<Duration>, Status> {
    match target {
        Target::Resource(info) if info.group == pages::rutter::GROUP => Ok(None),
        target => deadline::of(target, query).map_err(Status::bad_request),
    }
}

/// What takes longer than the request may is given up. A write may be done all the same.
async fn in_time(
    limit: Option<Duration>,
    answered: impl Future<Output = Result<Response<Body>, Status>>,
) -> Result<Response<Body>, Status> {
    const WHY: &str = "request did not complete within requested timeout - context deadline exceeded";
    let Some(limit) = limit else { return answered.await };
    timeout(limit, answered).await.unwrap_or_else(|_| Err(Status::timeout(WHY, 0)))
}

async fn admitted(
    gateway: &Gateway,
    peer: &Peer,
    target: Target,
    query: Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Status> {
    let user = authn::identify(peer, request.headers(), &gateway.tokens, &gateway.store)?;
    authz::allow(&user, &target, request.method())?;
    match target {
        Target::Page(path) => pages::serve(gateway, &user, &path, &query, request).await,
        Target::Unreadable(why) => Err(Status::bad_request(why)),
        Target::Resource(info) if info.group == pages::rutter::GROUP => {
            pages::rutter::serve(gateway, &user, &info, &query, request).await
        }
        Target::Resource(info) => match found(gateway, &info).await {
            Some(resource) => {
                let warning = resource.custom.as_ref().and_then(|custom| custom.warning.clone());
                let call = called(gateway, user, info, query, resource, request)?;
                let mut response = match verbs::serve(call).await {
                    Ok(response) => response,
                    Err(status) if warning.is_some() => respond::status(&status, None),
                    Err(status) => return Err(status),
                };
                respond::warn(&mut response, warning.as_slice());
                Ok(response)
            }
            None => Ok(pages::not_found(gateway, &info)),
        },
    }
}

/// The resource that is asked for. What is defined in the log is looked up as the log is now, so that a client who saw a
/// definition established finds its resource.
async fn found(gateway: &Gateway, info: &RequestInfo) -> Option<Arc<Resource>> {
    if let Some(known) = resolved(gateway, info).filter(|known| known.custom.is_none()) {
        return Some(known);
    }
    let registry = gateway.latest_registry().await;
    let found = registry.resource(&info.group, &info.version, &info.resource)?;
    fits_scope(&found, info).then_some(found)
}

/// A path with a namespace leads to nothing without one, and one without to many or none (`crdHandler.ServeHTTP`).
fn fits_scope(resource: &Resource, info: &RequestInfo) -> bool {
    match (resource.namespaced, info.namespace.is_empty()) {
        (false, named) => named,
        (true, true) => matches!(info.verb, Verb::List | Verb::Watch),
        (true, false) => true,
    }
}

fn resolved(gateway: &Gateway, info: &RequestInfo) -> Option<Arc<Resource>> {
    gateway.registry().resource(&info.group, &info.version, &info.resource)
}

fn called(
    gateway: &Gateway,
    user: authn::User,
    info: RequestInfo,
    query: Query,
    resource: Arc<Resource>,
    request: Request<Incoming>,
) -> Result<Call, Status> {
    let header = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    let accept = match verbs::chooses_its_own_form(&info) {
        true => Accept::PLAIN,
        false => Accept::negotiate_where(header, query.flag("pretty"), |shape| has(&resource, shape))
            .ok_or_else(|| Status::not_acceptable(&accept::SUPPORTED))?,
    };
    let (mut parts, body) = request.into_parts();
    let upgrade = parts.extensions.remove::<OnUpgrade>();
    let (method, uri, headers) = (parts.method, parts.uri, parts.headers);
    let body = Some(body);
    let gateway = gateway.clone();
    let interpreter = Interpreter::of(&gateway.webhooks, std::iter::once(&resource));
    Ok(Call {
        gateway,
        user,
        info,
        query,
        accept,
        method,
        uri,
        headers,
        resource,
        interpreter,
        body,
        upgrade,
    })
}

/// What is asked and never stored (reviews) has no Table.
fn has(resource: &Resource, shape: Shape) -> bool {
    !matches!(shape, Shape::Table(_)) || resource.allows("get")
}

/// What clients make up must not become series without end: only what is served has labels of its own.
fn labels(gateway: &Gateway, target: &Target) -> Labels {
    match target {
        Target::Resource(info) => match resolved(gateway, info) {
            Some(resource) => {
                let subresource = resource.subresource(&info.subresource).map(|known| known.name.to_string());
                [
                    info.verb.as_str().to_owned(),
                    resource.group.to_string(),
                    resource.plural.to_string(),
                    subresource.unwrap_or_default(),
                ]
            }
            None => Labels::default(),
        },
        Target::Page(_) | Target::Unreadable(_) => Labels::default(),
    }
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = text(headers, ACCEPT_ENCODING).unwrap_or_default();
    accepted.split(',').any(|word| word.trim().eq_ignore_ascii_case("gzip"))
}
