//! `pods/eviction`: a deletion that respects PodDisruptionBudgets (pkg/registry/core/pod/storage/eviction.go). The commit
//! guards each budget it rested on, so that two evictions never share one room.

use http::Response;
use rutter_apimachinery::registry::Resource;
use rutter_apimachinery::selector::LabelSelector;
use rutter_apimachinery::status::{Cause, Status};
use rutter_apimachinery::write::{self, DeleteOptions, Deletion, WriteCx};
use rutter_projection::{ListQuery, Record, Snapshot};
use rutter_schemas::{Key, Scope, Uuid};
use serde_json::{Value, json};

use crate::body::Body;
use crate::chain::Call;
use crate::encode::respond;
use crate::store::{Plan, failed};

const POLICY: &str = "policy";

/// # Errors
/// 404, 429 with the cause `DisruptionBudget`, 500 when several budgets choose the pod.
pub(super) async fn serve(mut call: Call) -> Result<Response<Body>, Status> {
    let eviction = call.sent().await?.value()?;
    let options = eviction.get("deleteOptions").filter(|options| !options.is_null()).cloned();
    let options = DeleteOptions::from_value(options.unwrap_or_else(|| json!({})))?;
    let dry_run = options.is_dry_run() || call.query.all("dryRun").any(|word| word == "All");
    let intent = call.intent().rehearsed(dry_run);
    let decide = |snapshot: &Snapshot| decide(&call, snapshot, &options);
    call.gateway.store.write(&intent, call.subject(), &call.info.name, decide).await?;
    Ok(respond::created())
}

fn decide(call: &Call, snapshot: &Snapshot, options: &DeleteOptions) -> Result<Plan<()>, Status> {
    let Some(pod) = call.before(snapshot)? else { return Err(call.not_found()) };
    let budget = if may_go_anyway(&pod) { None } else { budget(call, snapshot, &pod)? };
    let mut drafts = Vec::new();
    let mut guards = Vec::new();
    if let Some((record, object)) = budget {
        let spent = spent(&object, &call.info.name)?;
        guards.push(Scope::pdb(&record.uid));
        let resource = call.gateway.registry().resource(POLICY, "v1", "poddisruptionbudgets");
        drafts
            .extend(resource.map(|resource| updated(call, &resource, &object, spent)).transpose()?.flatten());
    }
    match write::delete(&call.resource, &pod, options, &call.cx(Uuid::nil()))? {
        Deletion::Removed(draft) | Deletion::Marked(draft) => drafts.insert(0, draft),
        Deletion::Pending(_) => return Ok(Plan::nothing(())),
    }
    Ok(Plan::many(drafts, format!("{} asked for its eviction", call.user.name), ()).guarding(guards))
}

/// A pod that has ended, waits for a node, or is on its way out takes no room of a budget.
fn may_go_anyway(pod: &Value) -> bool {
    let phase = pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default();
    matches!(phase, "Succeeded" | "Failed" | "Pending") || !pod["metadata"]["deletionTimestamp"].is_null()
}

/// The one budget that chooses the pod.
fn budget(call: &Call, snapshot: &Snapshot, pod: &Value) -> Result<Option<(Record, Value)>, Status> {
    let query = ListQuery::of(POLICY, "poddisruptionbudgets").namespace(&call.info.namespace);
    let mut found = Vec::new();
    for listed in snapshot.list(&query) {
        let (_, record) = listed.map_err(|error| failed(&error))?;
        let object: Value = serde_json::from_slice(&record.object).map_err(|error| failed(&error))?;
        let selector = LabelSelector::from_value(&object["spec"]["selector"])?;
        if selector.matches_value(&pod["metadata"]["labels"]) {
            found.push((record, object));
        }
    }
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => Err(Status::internal(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
        )),
    }
}

/// The budget's status after this disruption.
fn spent(budget: &Value, pod: &str) -> Result<Value, Status> {
    let name = budget["metadata"]["name"].as_str().unwrap_or_default();
    let status = &budget["status"];
    let number = |field: &str| status[field].as_i64().unwrap_or(0);
    let observed = number("observedGeneration");
    let refuse = |why: String| {
        let words = "Cannot evict pod as it would violate the pod's disruption budget.";
        let cause = Cause { reason: "DisruptionBudget".into(), message: why, field: String::new() };
        Err(Status::too_many_requests(words, 10).caused_by(cause))
    };
    if observed < budget["metadata"]["generation"].as_i64().unwrap_or(0) {
        return refuse(format!("The disruption budget {name} is still being processed by the server."));
    }
    let allowed = number("disruptionsAllowed");
    if allowed <= 0 {
        let (needed, healthy) = (number("desiredHealthy"), number("currentHealthy"));
        return refuse(format!(
            "The disruption budget {name} needs {needed} healthy pods and has {healthy} currently"
        ));
    }
    let mut after = status.clone();
    after["disruptionsAllowed"] = json!(allowed - 1);
    if !after["disruptedPods"].is_object() {
        after["disruptedPods"] = json!({});
    }
    after["disruptedPods"][pod] = json!(write::time(jiff::Timestamp::now()));
    Ok(after)
}

fn updated(
    call: &Call,
    resource: &Resource,
    budget: &Value,
    status: Value,
) -> Result<Option<write::Draft>, Status> {
    let key = Key::new(
        POLICY,
        "poddisruptionbudgets",
        &call.info.namespace,
        budget["metadata"]["name"].as_str().unwrap_or_default(),
    );
    let mut after = budget.clone();
    after["status"] = status;
    let cx = WriteCx { name: &key.name, ..call.cx(Uuid::nil()) };
    write::update(resource, "status", budget, after, &cx)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(allowed: i64, observed: i64) -> Value {
        json!({
            "metadata": {"name": "web", "generation": 2},
            "status": {"observedGeneration": observed, "disruptionsAllowed": allowed, "desiredHealthy": 2, "currentHealthy": 2},
        })
    }

    #[test]
    fn a_budget_without_room_refuses_and_says_why() {
        let status = spent(&budget(0, 2), "p").expect_err("refused");
        assert_eq!((status.code, &*status.reason), (429, "TooManyRequests"));
        let cause = &status.details.expect("has a cause").causes[0];
        assert_eq!(cause.message, "The disruption budget web needs 2 healthy pods and has 2 currently");
    }

    #[test]
    fn a_budget_with_room_has_less_of_it_afterwards() {
        let status = spent(&budget(1, 2), "p").expect("has room");
        assert_eq!(status["disruptionsAllowed"], 0);
        assert!(status["disruptedPods"]["p"].is_string());
        assert_eq!(spent(&budget(1, 1), "p").expect_err("not seen yet").code, 429);
    }
}
