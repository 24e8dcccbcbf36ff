//! What nodes and pods use: the autoscaler hears it from them and is asked.

use std::time::Duration;

use http::Response;
use rutter_apimachinery::status::Status;
use rutter_schemas::subjects;
use serde_json::{Value, json};

use super::json_answer;
use crate::Gateway;
use crate::body::Body;
use crate::request::Query;

const PATIENCE: Duration = Duration::from_secs(2);

/// # Errors
/// 503 when no autoscaler answers.
pub(super) async fn serve(gateway: &Gateway, what: &str, query: &Query) -> Result<Response<Body>, Status> {
    let request = async_nats::Request::new().payload(Vec::new().into()).timeout(Some(PATIENCE));
    let answer = gateway.nats.send_request(subjects::TOP, request).await;
    let answer = answer.map_err(|error| Status::unavailable(format!("no autoscaler answers: {error}")))?;
    let answer: Value = serde_json::from_slice(&answer.payload)
        .map_err(|error| Status::internal(&format!("the autoscaler's answer can't be read: {error}")))?;
    let mut items = answer[what].as_array().cloned().unwrap_or_default();
    if let Some(namespace) = query.get("namespace") {
        items.retain(|item| item["namespace"] == namespace);
    }
    Ok(json_answer(&json!({ "items": items })))
}
