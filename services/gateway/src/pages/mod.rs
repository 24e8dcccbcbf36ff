//! Everything that is no resource: discovery, OpenAPI, version, health, metrics, and what is ours under `rutter.dev`.

mod discovery;
pub mod health;
mod openapi;
pub mod rutter;

pub use openapi::Cache as OpenApi;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use rutter_apimachinery::status::Status;
use serde_json::json;

use crate::Gateway;
use crate::authn::User;
use crate::authn::token::ISSUER;
use crate::body::Body;
use crate::encode::respond;
use crate::request::{Query, RequestInfo};

/// The version of Kubernetes whose API this is.
pub const MINOR: &str = "36";

/// # Errors
/// What a page may refuse.
pub async fn serve(
    gateway: &Gateway,
    _user: &User,
    path: &str,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Status> {
    let path = path.trim_end_matches('/');
    let headers = request.headers();
    let page = match path {
        "" => Some(respond::json(&json!({ "paths": paths(gateway) }))),
        "/version" => Some(respond::json(&version())),
        "/metrics" => Some(metrics(gateway)),
        "/.well-known/openid-configuration" => Some(issuer(gateway)),
        "/openid/v1/jwks" => Some(keys(gateway)),
        _ if path.starts_with("/openapi/") => openapi::page(gateway, path, query, headers).await,
        _ if path == "/api" || path.starts_with("/api/") || path == "/apis" || path.starts_with("/apis/") => {
            discovery::page(gateway, path, headers).await?
        }
        _ => health::page(gateway, path, query),
    };
    Ok(page.unwrap_or_else(no_page))
}

fn version() -> serde_json::Value {
    json!({
        "major": "1",
        "minor": MINOR,
        "gitVersion": format!("v1.{MINOR}.0+rutter-{}", env!("CARGO_PKG_VERSION")),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, go_arch()),
    })
}

/// As Go names it, which clients compare with.
fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn metrics(gateway: &Gateway) -> Response<Body> {
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    respond::bytes(StatusCode::OK, media_type, gateway.readiness.text())
}

/// Who signs the tokens of ServiceAccounts, for those who verify them on their own
/// (`pkg/serviceaccount/openidmetadata.go`).
fn issuer(gateway: &Gateway) -> Response<Body> {
    respond::json(&json!({
        "issuer": ISSUER,
        "jwks_uri": format!("https://{}:{}/openid/v1/jwks", gateway.address, gateway.port),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }))
}

fn keys(gateway: &Gateway) -> Response<Body> {
    let keys = gateway.tokens.key_set().to_string();
    respond::bytes(StatusCode::OK, "application/jwk-set+json", keys)
}

fn paths(gateway: &Gateway) -> Vec<String> {
    let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned()];
    for resource in gateway.registry().resources().iter().filter(|resource| !resource.group.is_empty()) {
        paths.push(format!("/apis/{}", resource.group));
        paths.push(format!("/apis/{}/{}", resource.group, resource.version));
    }
    let ours = [
        "/.well-known/openid-configuration",
        "/healthz",
        "/livez",
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
        "/openid/v1/jwks",
        "/readyz",
        "/version",
    ];
    paths.extend(ours.map(str::to_owned));
    paths.sort();
    paths.dedup();
    paths
}

/// What upstream says of a path that leads nowhere.
pub fn no_page() -> Response<Body> {
    respond::text(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// A resource that is not served: in a served group and version its router says so, else it is a path like any other.
pub fn not_found(gateway: &Gateway, info: &RequestInfo) -> Response<Body> {
    let registry = gateway.registry();
    let served =
        registry.resources().iter().any(|known| known.group == info.group && known.version == info.version);
    match served {
        true => respond::status(
            &routed(404, "NotFound", "the server could not find the requested resource"),
            None,
        ),
        false => no_page(),
    }
}

/// 405 of upstream's router.
pub fn method_not_allowed() -> Status {
    routed(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
}

/// What upstream's router answers on its own (`NewGenericServerResponse`): a Status with empty details.
fn routed(code: u16, reason: &'static str, message: &str) -> Status {
    let mut status = Status::bad_request(message);
    status.code = code;
    status.reason = reason.into();
    status.details = Some(Box::default());
    status
}
