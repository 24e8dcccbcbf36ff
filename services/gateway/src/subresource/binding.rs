//! `pods/binding`: puts a pod on a node, once (pkg/registry/core/pod/storage/storage.go, BindingREST).

use http::Response;
use rutter_apimachinery::status::{Status, Subject};
use rutter_apimachinery::write;
use rutter_projection::Snapshot;
use rutter_schemas::Uuid;
use serde_json::{Value, json};

use crate::body::Body;
use crate::chain::Call;
use crate::encode::respond;
use crate::request::Verb;
use crate::store::Plan;
use crate::verbs::options;

/// Whether the older way is asked for: a Binding posted to `bindings`, which names its pod itself.
pub fn is_asked(call: &Call) -> bool {
    call.resource.group.is_empty() && call.resource.plural == "bindings" && call.info.verb == Verb::Create
}

/// # Errors
/// As for [`serve`].
pub async fn of_named(mut call: Call) -> Result<Response<Body>, Status> {
    let binding = call.sent().await?.value()?;
    let pods = call.gateway.registry().resource("", "v1", "pods");
    call.resource = pods.ok_or_else(|| Status::internal("the registry has no pods"))?;
    call.info.name = binding.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    bind(&call, &binding).await
}

/// # Errors
/// 404, 409 for a pod that is bound or being deleted, 422 for a target that is no node.
pub async fn serve(mut call: Call) -> Result<Response<Body>, Status> {
    let binding = call.sent().await?.value()?;
    bind(&call, &binding).await
}

async fn bind(call: &Call, binding: &Value) -> Result<Response<Body>, Status> {
    let dry_run = options::of(&call.query, "CreateOptions")?.dry_run;
    let target = target(binding)?;
    let intent = call.intent().rehearsed(dry_run);
    let decide = |snapshot: &Snapshot| decide(call, snapshot, binding, &target);
    call.gateway.store.write(&intent, call.subject(), &call.info.name, decide).await?;
    Ok(respond::created())
}

fn target(binding: &Value) -> Result<String, Status> {
    let kind = binding.pointer("/target/kind").and_then(Value::as_str).unwrap_or_default();
    let name = binding.pointer("/target/name").and_then(Value::as_str).unwrap_or_default();
    let path = rutter_apimachinery::status::Path::of("target");
    let error = match (kind, name) {
        ("" | "Node", "") => path.child("name").required(""),
        ("" | "Node", _) => return Ok(name.to_owned()),
        _ => path.child("kind").not_supported(kind, &["Node", "<empty>"]),
    };
    Err(Status::invalid(Subject::new("", "Binding"), "", vec![error]))
}

fn decide(call: &Call, snapshot: &Snapshot, binding: &Value, node: &str) -> Result<Plan<()>, Status> {
    let Some(before) = call.before(snapshot)? else { return Err(call.not_found()) };
    let name = &call.info.name;
    let conflict = |why: String| Err(Status::conflict(Subject::new("", "pods/binding"), name, &why));
    if !before["metadata"]["deletionTimestamp"].is_null() {
        return conflict(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    if let Some(bound) =
        before.pointer("/spec/nodeName").and_then(Value::as_str).filter(|bound| !bound.is_empty())
    {
        return conflict(format!("pod {name} is already assigned to node {bound:?}"));
    }
    let gates = before.pointer("/spec/schedulingGates").and_then(Value::as_array);
    if gates.is_some_and(|gates| !gates.is_empty()) {
        return conflict(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    let mut after = before.clone();
    after["spec"]["nodeName"] = json!(node);
    for field in ["resourceVersion", "uid"] {
        if let Some(named) =
            binding["metadata"].get(field).filter(|value| value.as_str().is_some_and(|text| !text.is_empty()))
        {
            after["metadata"][field] = named.clone();
        }
    }
    scheduled(&mut after);
    match write::update(&call.resource, "binding", &before, after, &call.cx(Uuid::nil()))? {
        Some(draft) => Ok(Plan::one(draft, format!("{} bound it to {node}", call.user.name), ())),
        None => Ok(Plan::nothing(())),
    }
}

/// The condition `PodScheduled` becomes true with the binding.
fn scheduled(pod: &mut Value) {
    let now = write::time(jiff::Timestamp::now());
    let condition =
        json!({ "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now });
    if !pod["status"].is_object() {
        pod["status"] = json!({});
    }
    let conditions = &mut pod["status"]["conditions"];
    let mut list: Vec<Value> = conditions.as_array().cloned().unwrap_or_default();
    list.retain(|known| known["type"] != "PodScheduled");
    list.push(condition);
    *conditions = Value::Array(list);
}
