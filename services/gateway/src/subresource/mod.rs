//! Subresources: halves of an object with writers of their own, acts upon it, and streams out of it. Which a resource
//! has, and with which verbs, is the registry's to say.

pub mod binding;
mod eviction;
mod proxy;
mod scale;
mod streams;
pub mod token;

use http::Response;
use rutter_apimachinery::status::Status;

use crate::body::Body;
use crate::chain::Call;
use crate::request::Verb;
use crate::verbs::{get, patch, update};

/// # Errors
/// 404 for what the resource doesn't have, 405 for a verb that it doesn't take.
pub async fn serve(call: Call) -> Result<Response<Body>, Status> {
    let name = call.info.subresource.clone();
    let Some(subresource) = call.resource.subresource(&name) else {
        return Ok(crate::pages::not_found(&call.gateway, &call.info));
    };
    match name.as_str() {
        "log" | "exec" | "attach" | "portforward" => return streams::serve(call).await,
        "proxy" => return proxy::serve(call).await,
        _ => {}
    }
    if !subresource.verbs.iter().any(|verb| verb == call.info.verb.as_str()) {
        return Err(call.not_allowed());
    }
    match (name.as_str(), call.info.verb) {
        ("scale", _) => scale::serve(call).await,
        ("binding", Verb::Create) => binding::serve(call).await,
        ("eviction", Verb::Create) => eviction::serve(call).await,
        ("token", Verb::Create) => token::serve(call).await,
        (_, Verb::Get) => get::serve(call).await,
        (_, Verb::Update) => update::serve(call).await,
        (_, Verb::Patch) => patch::serve(call).await,
        _ => Err(call.not_allowed()),
    }
}
