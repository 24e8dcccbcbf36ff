//! `/api`, `/apis` and below: what is served. Plain documents for everybody; the aggregated ones for who asks for them,
//! never unasked, with an ETag.

use http::header::{ACCEPT, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use rutter_apimachinery::discovery::{self, Root, Version};
use rutter_apimachinery::protobuf;
use rutter_apimachinery::status::Status;
use serde_json::{Value, json};

use super::rutter;
use crate::Gateway;
use crate::body::{self, Body};
use crate::encode::{object, respond};
use crate::request::accept::{self, SUPPORTED};
use crate::request::{Accept, Format};

/// # Errors
/// 406.
pub(super) async fn page(
    gateway: &Gateway,
    path: &str,
    headers: &HeaderMap,
) -> Result<Option<Response<Body>>, Status> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let registry = gateway.latest_registry().await;
    let root = match parts.as_slice() {
        ["api"] => Some(Root::Core),
        ["apis"] => Some(Root::Groups),
        _ => None,
    };
    if let Some((version, format)) = root.and_then(|_| aggregated(headers)) {
        let root = root.expect("only the roots are aggregated");
        return Ok(Some(tagged(&discovery::aggregated(&registry, root, version), version, format, headers)));
    }
    let document = match parts.as_slice() {
        ["api"] => Some(discovery::api_versions(&format!("{}:{}", gateway.address, gateway.port))),
        ["apis"] => Some(with_ours(discovery::group_list(&registry))),
        ["apis", rutter::GROUP] => Some(rutter::group()),
        ["apis", rutter::GROUP, rutter::VERSION] => Some(rutter::resource_list()),
        ["apis", group] => discovery::group(&registry, group),
        ["api", version] => discovery::resource_list(&registry, "", version),
        ["apis", group, version] => discovery::resource_list(&registry, group, version),
        _ => None,
    };
    document.map(|document| plain(&document, headers)).transpose()
}

fn with_ours(mut list: Value) -> Value {
    if let Some(groups) = list["groups"].as_array_mut() {
        let mut group = rutter::group();
        if let Some(group) = group.as_object_mut() {
            group.remove("kind");
            group.remove("apiVersion");
        }
        groups.push(group);
    }
    list
}

fn plain(document: &Value, headers: &HeaderMap) -> Result<Response<Body>, Status> {
    let header = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let accept = Accept::negotiate(header, false).ok_or_else(|| Status::not_acceptable(&SUPPORTED))?;
    let mut document = document.clone();
    // Older documents leave the version out; the envelope of protobuf needs it.
    if accept.format == Format::Protobuf && document.get("apiVersion").is_none() {
        document["apiVersion"] = json!("v1");
    }
    let text = object::write(accept, &document)?;
    Ok(respond::bytes(StatusCode::OK, accept.format.media_type(), text))
}

/// The first clause decides: an aggregated document if it names one.
fn aggregated(headers: &HeaderMap) -> Option<(Version, Format)> {
    let header = headers.get(ACCEPT)?.to_str().ok()?;
    let clause = accept::clauses(header).into_iter().find(|clause| clause.format().is_some())?;
    if clause.parameter("g")? != "apidiscovery.k8s.io" || clause.parameter("as")? != "APIGroupDiscoveryList" {
        return None;
    }
    let version = match clause.parameter("v")? {
        "v2" => Version::V2,
        "v2beta1" => Version::V2Beta1,
        _ => return None,
    };
    Some((version, clause.format()?))
}

fn tagged(document: &Value, version: Version, format: Format, headers: &HeaderMap) -> Response<Body> {
    let encoded = match format {
        Format::Protobuf => protobuf::encode(document).ok(),
        Format::Json | Format::Yaml => None,
    };
    let (text, format) = match encoded {
        Some(bytes) => (bytes, Format::Protobuf),
        None => (document.to_string().into_bytes(), Format::Json),
    };
    let etag = discovery::etag(&text);
    let name = match version {
        Version::V2 => "v2",
        Version::V2Beta1 => "v2beta1",
    };
    let media_type =
        format!("{};g=apidiscovery.k8s.io;v={name};as=APIGroupDiscoveryList", format.media_type());
    let mut response = match is_known(headers, &etag) {
        true => respond::with_body(StatusCode::NOT_MODIFIED, &media_type, body::empty()),
        false => respond::bytes(StatusCode::OK, &media_type, text),
    };
    if let Ok(value) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(ETAG, value);
    }
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    response
}

/// Whether the client has this document already.
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    known
        .split(',')
        .map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'))
        .any(|tag| tag == etag.trim_matches('"'))
}
