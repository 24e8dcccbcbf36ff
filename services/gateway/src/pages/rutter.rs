//! `/apis/rutter.dev/v1`: what only a log can answer.
//!
//! | path | answer |
//! | --- | --- |
//! | `revision`, `revision?at=<time>` | the revision that stands, or stood |
//! | `history?group=&resource=&namespace=&name=&after=&limit=` | every event of an object, oldest first |
//! | `why?revision=` or `why?<object>` | the event and what caused it, nearest first |
//! | `log?from=&follow=` | facts as JSON lines, from a revision on |
//! | `top/nodes`, `top/pods` | what nodes and pods use, as the autoscaler last heard |
//! | `transactions` (POST) | a list of writes, all or none |
//! | `tokens` (POST) | a one-time token, for who may do everything |
//! | `join` (POST) | what a node needs to reach NATS, for a token; open to everybody |

mod log;
mod past;
pub mod tokens;
mod top;
pub mod transactions;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use rutter_apimachinery::status::Status;
use serde_json::{Value, json};

use crate::Gateway;
use crate::authn::User;
use crate::body::Body;
use crate::encode::respond;
use crate::request::{Query, RequestInfo};

pub const GROUP: &str = "rutter.dev";
pub const VERSION: &str = "v1";

/// # Errors
/// What a question may be refused for.
pub async fn serve(
    gateway: &Gateway,
    user: &User,
    info: &RequestInfo,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Status> {
    if info.version != VERSION {
        return Ok(super::no_page());
    }
    match (request.method(), info.resource.as_str(), info.name.as_str()) {
        (&Method::GET, "revision", "") => past::revision(gateway, query).await,
        (&Method::GET, "history", "") => past::history(gateway, query).await,
        (&Method::GET, "why", "") => past::why(gateway, query).await,
        (&Method::GET, "log", "") => log::serve(gateway, query).await,
        (&Method::GET, "top", what @ ("nodes" | "pods")) => top::serve(gateway, what, query).await,
        (&Method::POST, "transactions", "") => transactions::serve(gateway, user, query, request).await,
        (&Method::POST, "tokens", "") => tokens::create(gateway, user).await,
        (&Method::POST, "join", "") => tokens::join(gateway, request).await,
        (_, "revision" | "history" | "why" | "log" | "top" | "transactions" | "tokens" | "join", _) => {
            Err(super::method_not_allowed())
        }
        _ => Ok(super::no_page()),
    }
}

/// `/apis/rutter.dev`.
pub fn group() -> Value {
    let version = json!({ "groupVersion": "rutter.dev/v1", "version": VERSION });
    json!({ "kind": "APIGroup", "apiVersion": "v1", "name": GROUP, "versions": [version], "preferredVersion": version })
}

/// `/apis/rutter.dev/v1`: pages, and nothing that a generic client could list.
pub fn resource_list() -> Value {
    json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "rutter.dev/v1", "resources": [] })
}

fn json_answer(value: &impl serde::Serialize) -> Response<Body> {
    respond::json(value)
}
