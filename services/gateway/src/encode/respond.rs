//! The response around an answer: status, headers, and compression where the client takes it.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER, WARNING, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use rutter_apimachinery::status::Status;

use super::{gzip, object};
use crate::body::{self, Body};
use crate::request::{Accept, Format, Shape};

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// An answer of one piece.
pub fn bytes(code: StatusCode, media_type: &str, bytes: impl Into<Bytes>) -> Response<Body> {
    with_body(code, media_type, body::full(bytes))
}

/// An answer with any body.
pub fn with_body(code: StatusCode, media_type: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    if let Ok(value) = HeaderValue::from_str(media_type) {
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    response
}

/// JSON that is no object of the API.
pub fn json(value: &impl serde::Serialize) -> Response<Body> {
    let text = serde_json::to_vec(value).expect("answers of ours can be written");
    bytes(StatusCode::OK, "application/json", text)
}

/// Plain text, as upstream's health checks and unknown paths answer.
pub fn text(code: StatusCode, words: impl Into<String>) -> Response<Body> {
    bytes(code, "text/plain; charset=utf-8", words.into())
}

/// A Status, in what the client reads, or JSON.
pub fn status(status: &Status, accept: Option<&str>) -> Response<Body> {
    let accept = Accept::negotiate(accept, false)
        .map_or(Accept::PLAIN, |accept| Accept { shape: Shape::Object, ..accept });
    let value = serde_json::to_value(status).expect("a Status can be written");
    let (accept, text) = match object::write(accept, &value) {
        Ok(text) => (accept, text),
        Err(_) => (Accept::PLAIN, serde_json::to_vec(status).expect("a Status can be written").into()),
    };
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = bytes(code, accept.format.media_type(), text);
    let retry = status.details.as_ref().and_then(|details| details.retry_after_seconds);
    if let Some(seconds) = retry {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if code == StatusCode::UNAUTHORIZED {
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"kubernetes-master\""));
    }
    response
}

/// 201 for an act upon an object, which has nothing to show (binding, eviction).
pub fn created() -> Response<Body> {
    let mut success = Status::success();
    success.code = StatusCode::CREATED.as_u16();
    status(&success, None)
}

/// Adds one `Warning` header each (RFC 7234, code 299, as upstream's warning package writes them).
pub fn warn(response: &mut Response<Body>, warnings: &[String]) {
    for warning in warnings {
        let text = warning.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " ");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            response.headers_mut().append(WARNING, value);
        }
    }
}

/// What every answer carries.
pub fn finish(mut response: Response<Body>, accepts_gzip: bool) -> Response<Body> {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
        headers.insert(AUDIT_ID, id);
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache, private"));
    if accepts_gzip { gzip::compress(response) } else { response }
}

/// The media type of a watch in this format.
pub fn watch_media_type(format: Format) -> &'static str {
    match format {
        Format::Json => "application/json",
        Format::Yaml => "application/yaml;stream=watch",
        Format::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
    }
}
