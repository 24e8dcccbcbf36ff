//! `scale`: the number of replicas of anything that has one, as `autoscaling/v1 Scale`.

use http::{Response, StatusCode};
use rutter_apimachinery::custom::Found;
use rutter_apimachinery::decode::FieldValidation;
use rutter_apimachinery::registry::Resource;
use rutter_apimachinery::selector::LabelSelector;
use rutter_apimachinery::status::{Path, Status, Subject};
use rutter_apimachinery::write;
use rutter_projection::Snapshot;
use rutter_schemas::{Uuid, state};
use serde_json::{Value, json};

use crate::body::{self, Body};
use crate::chain::Call;
use crate::encode::object;
use crate::encode::respond;
use crate::request::accept::media_type;
use crate::request::{Accept, Shape, Verb};
use crate::store::{Plan, failed};
use crate::verbs::patch::{Patch, read};
use crate::verbs::{get, options};

/// # Errors
/// 404, 409 for another revision or uid, 422 for a number below zero.
pub(super) async fn serve(mut call: Call) -> Result<Response<Body>, Status> {
    match call.info.verb {
        Verb::Get => {
            let found: Value =
                serde_json::from_slice(&get::find(&call).await?).map_err(|error| failed(&error))?;
            answer(&call, &scale(&call.resource, &found))
        }
        Verb::Update => {
            let dry_run = options::of(&call.query, "UpdateOptions")?.dry_run;
            let wanted = call.sent().await?.value()?;
            change(&call, dry_run, |_| Ok(wanted.clone())).await
        }
        Verb::Patch => {
            let dry_run = options::of(&call.query, "PatchOptions")?.dry_run;
            let (kind, patch) = patch(&mut call).await?;
            change(&call, dry_run, |current| patched(kind, current, &patch)).await
        }
        _ => Err(call.not_allowed()),
    }
}

async fn patch(call: &mut Call) -> Result<(Patch, Value), Status> {
    let header = call
        .headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = match media_type(header).as_str() {
        "application/json-patch+json" => Patch::Json,
        // A Scale has no lists to merge.
        "application/merge-patch+json" | "application/strategic-merge-patch+json" => Patch::Merge,
        "application/apply-patch+yaml" => Patch::Apply,
        _ => {
            return Err(Status::unsupported_media_type(&[
                "application/json-patch+json",
                "application/merge-patch+json",
                "application/strategic-merge-patch+json",
                "application/apply-patch+yaml",
            ]));
        }
    };
    let text = match call.body.take() {
        Some(incoming) => body::read(incoming).await?,
        None => bytes::Bytes::new(),
    };
    Ok((kind, read(kind, &text, FieldValidation::Ignore)?))
}

fn patched(kind: Patch, current: &Value, patch: &Value) -> Result<Value, Status> {
    match kind {
        Patch::Json => rutter_apimachinery::patch::json(current, patch),
        Patch::Merge | Patch::Strategic | Patch::Apply => rutter_apimachinery::patch::merge(current, patch),
    }
}

async fn change(
    call: &Call,
    dry_run: bool,
    wanted: impl Fn(&Value) -> Result<Value, Status>,
) -> Result<Response<Body>, Status> {
    let intent = call.intent().rehearsed(dry_run);
    let decide = |snapshot: &Snapshot| decide(call, snapshot, &wanted);
    let written = call.gateway.store.write(&intent, call.subject(), &call.info.name, decide).await?;
    let object: Value = match written.first {
        Some(first) => {
            let decided = state::encode(&written.answer);
            let stands = call.interpreter.read_back(&decided).unwrap_or(decided);
            serde_json::from_slice(&state::splice(&stands, first)).map_err(|error| failed(&error))?
        }
        None => written.answer,
    };
    answer(call, &scale(&call.resource, &object))
}

fn decide(
    call: &Call,
    snapshot: &Snapshot,
    wanted: &impl Fn(&Value) -> Result<Value, Status>,
) -> Result<Plan<Value>, Status> {
    let Some(before) = call.before(snapshot)? else { return Err(call.not_found()) };
    let wanted = wanted(&scale(&call.resource, &before))?;
    let replicas = wanted.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0);
    if replicas < 0 {
        let error = Path::of("spec.replicas").invalid(replicas, "must be greater than or equal to 0");
        return Err(Status::invalid(Subject::new("autoscaling", "Scale"), &call.info.name, vec![error]));
    }
    let mut after = before.clone();
    match call.resource.custom.as_ref().and_then(|custom| custom.scale.as_ref()) {
        Some(paths) => paths.write(&mut after, replicas),
        None => after["spec"]["replicas"] = json!(replicas),
    }
    // What the client named of the object has to hold of it.
    for field in ["resourceVersion", "uid"] {
        if let Some(named) =
            wanted["metadata"].get(field).filter(|value| value.as_str().is_some_and(|text| !text.is_empty()))
        {
            after["metadata"][field] = named.clone();
        }
    }
    match write::update(&call.resource, "", &before, after, &call.cx(Uuid::nil()))? {
        Some(draft) => {
            let why = format!("{} asked for {replicas} replicas", call.user.name);
            let object = draft.object.clone();
            Ok(Plan::one(call.sealed(draft)?, why, object))
        }
        None => Ok(Plan::nothing(before)),
    }
}

/// An object's numbers and selector: where every kind has them, or where a definition says.
fn found(resource: &Resource, object: &Value) -> Found {
    match resource.custom.as_ref().and_then(|custom| custom.scale.as_ref()) {
        Some(paths) => paths.read(object),
        None => Found {
            wanted: object.pointer("/spec/replicas").and_then(Value::as_i64),
            has: object.pointer("/status/replicas").and_then(Value::as_i64).unwrap_or(0),
            selector: selector(object),
        },
    }
}

/// An object's Scale.
fn scale(resource: &Resource, object: &Value) -> Value {
    let metadata = &object["metadata"];
    let mut kept = serde_json::Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = metadata.get(field) {
            kept.insert(field.to_owned(), value.clone());
        }
    }
    let mut scale = json!({ "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": kept, "spec": {}, "status": {} });
    let found = found(resource, object);
    if let Some(wanted) = found.wanted.filter(|wanted| *wanted != 0) {
        scale["spec"]["replicas"] = json!(wanted);
    }
    scale["status"]["replicas"] = json!(found.has);
    if let Some(selector) = found.selector {
        scale["status"]["selector"] = json!(selector);
    }
    scale
}

/// The selector as text: a ReplicationController's is a map of labels.
fn selector(object: &Value) -> Option<String> {
    let selector = object.pointer("/spec/selector")?;
    let parsed = match selector.get("matchLabels").or(selector.get("matchExpressions")) {
        Some(_) => LabelSelector::from_value(selector).ok()?,
        None => LabelSelector::from_labels(selector),
    };
    Some(parsed.to_string())
}

fn answer(call: &Call, scale: &Value) -> Result<Response<Body>, Status> {
    let accept = Accept { shape: Shape::Object, ..call.accept };
    Ok(respond::bytes(StatusCode::OK, accept.format.media_type(), object::write(accept, scale)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_says_what_is_wanted_and_what_there_is() {
        let registry = rutter_apimachinery::registry::Registry::builtin();
        let deployments = registry.resource("apps", "v1", "deployments").expect("is served");
        let deployment = json!({
            "metadata": {"name": "web", "namespace": "a", "uid": "u", "resourceVersion": "7", "labels": {"x": "y"}},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}},
            "status": {"replicas": 2},
        });
        assert_eq!(
            scale(&deployments, &deployment),
            json!({
                "kind": "Scale", "apiVersion": "autoscaling/v1",
                "metadata": {"name": "web", "namespace": "a", "uid": "u", "resourceVersion": "7"},
                "spec": {"replicas": 3}, "status": {"replicas": 2, "selector": "app=web"},
            })
        );
    }
}
