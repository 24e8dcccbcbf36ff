//! `/openapi/v3` and `/openapi/v2`: rendered once per registry, since they are large and change only with it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::header::{ACCEPT, CACHE_CONTROL, ETAG, EXPIRES};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use rutter_apimachinery::discovery;
use rutter_apimachinery::openapi::{self, Documents};
use rutter_apimachinery::registry::Registry;

use super::discovery::is_known;
use crate::Gateway;
use crate::body::{self, Body};
use crate::encode::respond;
use crate::request::Query;

/// The documents of the registry they were made from.
#[derive(Default)]
pub struct Cache(Mutex<Option<(Arc<Registry>, Arc<Rendered>)>>);

pub(super) struct Rendered {
    v3: Documents,
    /// Made when somebody asks: it is the whole API in one, and few do.
    v2: OnceLock<Whole>,
}

impl Cache {
    fn of(&self, registry: &Arc<Registry>) -> Arc<Rendered> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let v3 = match held.as_ref() {
            Some((of, rendered)) if Arc::ptr_eq(of, registry) => return rendered.clone(),
            Some((_, before)) => Documents::after(registry, &before.v3),
            None => Documents::of(registry),
        };
        let rendered = Arc::new(Rendered { v3, v2: OnceLock::new() });
        *held = Some((registry.clone(), rendered.clone()));
        rendered
    }
}

/// The whole API in one document.
struct Whole {
    json: Vec<u8>,
    protobuf: Vec<u8>,
    etag: String,
}

impl Rendered {
    fn v2(&self, registry: &Registry) -> &Whole {
        self.v2.get_or_init(|| {
            let document = openapi::v2(registry);
            let json = document.to_string().into_bytes();
            Whole { protobuf: openapi::v2_protobuf(&document), etag: discovery::etag(&json), json }
        })
    }
}

/// None for what is no document.
pub(super) async fn page(
    gateway: &Gateway,
    path: &str,
    query: &Query,
    headers: &HeaderMap,
) -> Option<Response<Body>> {
    let registry = gateway.latest_registry().await;
    let rendered = gateway.openapi.of(&registry);
    match path {
        "/openapi/v3" => Some(respond::json(&rendered.v3.index())),
        "/openapi/v2" => {
            let whole = rendered.v2(&registry);
            let (media_type, document) = match wants_protobuf(headers) {
                true => (openapi::V2_PROTOBUF, &whole.protobuf),
                false => ("application/json", &whole.json),
            };
            Some(tagged(media_type, document, &whole.etag, headers))
        }
        _ => {
            let document = rendered.v3.get(path.strip_prefix("/openapi/v3/")?)?;
            let etag = format!("\"{}\"", document.hash);
            let mut response = tagged("application/json", &document.json, &etag, headers);
            if query.get("hash") == Some(document.hash.as_str()) {
                let headers = response.headers_mut();
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
                headers.insert(EXPIRES, HeaderValue::from_static("Thu, 31 Dec 2099 23:59:59 GMT"));
            }
            Some(response)
        }
    }
}

/// Whether the first thing that the client reads is protobuf.
fn wants_protobuf(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept
        .split([',', ';'])
        .next()
        .is_some_and(|first| first.trim().replacen('@', ".", 1) == openapi::V2_PROTOBUF)
}

fn tagged(media_type: &str, document: &[u8], etag: &str, headers: &HeaderMap) -> Response<Body> {
    let mut response = match is_known(headers, etag) {
        true => respond::with_body(StatusCode::NOT_MODIFIED, media_type, body::empty()),
        false => respond::bytes(StatusCode::OK, media_type, document.to_vec()),
    };
    if let Ok(value) = HeaderValue::from_str(etag) {
        response.headers_mut().insert(ETAG, value);
    }
    response
}
