//! What every new object has to pass beyond the rules of its own kind, whoever makes it: people through a gateway, or
//! controllers through the executor of plans. What is here needs no configuration.

use rutter_apimachinery::admission::service_account;
use rutter_apimachinery::registry::Resource;
use rutter_apimachinery::status::Status;
use rutter_apimachinery::write::resource_subject;
use rutter_projection::Snapshot;
use rutter_schemas::{Key, Uuid};
use serde_json::Value;

/// Completes and checks an object that is about to be born in `namespace`.
///
/// # Errors
/// 403 for a pod whose ServiceAccount isn't there.
pub fn birth(
    resource: &Resource,
    namespace: &str,
    object: &mut Value,
    snapshot: &Snapshot,
) -> Result<(), Status> {
    if resource.group.is_empty() && resource.plural == "pods" {
        return pod(resource, namespace, object, snapshot);
    }
    Ok(())
}

fn pod(resource: &Resource, namespace: &str, pod: &mut Value, snapshot: &Snapshot) -> Result<(), Status> {
    let Some(account) = service_account::account_of(pod) else { return Ok(()) };
    let broken = |error: &dyn std::fmt::Display| Status::internal(&error.to_string());
    let found = snapshot.get(&Key::new("", "serviceaccounts", namespace, account));
    let Some(record) = found.map_err(|error| broken(&error))? else {
        let why = format!(
            "error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found"
        );
        let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        return Err(Status::forbidden(resource_subject(resource), name, &why));
    };
    let account: Value = serde_json::from_slice(&record.object).map_err(|error| broken(&error))?;
    service_account::complete(pod, &account, Uuid::new_v4().as_bytes());
    Ok(())
}
