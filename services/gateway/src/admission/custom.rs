//! A custom object is written by the rules of its definition as it stands: the write guards it, so that nothing comes in
//! by rules that no longer hold, and nothing comes in any more once the definition is being deleted.

use rutter_apimachinery::custom::{DEFINITIONS, GROUP};
use rutter_apimachinery::status::Status;
use rutter_projection::Snapshot;
use rutter_schemas::{Key, Scope};
use serde_json::Value;

use crate::chain::Call;
use crate::store::failed;

/// What a new object takes for granted.
///
/// # Errors
/// 403 while the definition ends (`forbidCreateAdmission`).
pub(super) fn admit_create(
    call: &Call,
    snapshot: &Snapshot,
    object: &Value,
) -> Result<Option<Scope>, Status> {
    let Some(custom) = &call.resource.custom else { return Ok(None) };
    if custom.definition.terminating {
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let why = "create not allowed while custom resource definition is terminating";
        return Err(Status::forbidden(call.subject(), name, why));
    }
    premise(call, snapshot)
}

/// The definition that the rules come from, as a premise of the write.
///
/// # Errors
/// 503 when it changed since the request was read; the client asks again.
pub(super) fn premise(call: &Call, snapshot: &Snapshot) -> Result<Option<Scope>, Status> {
    let Some(custom) = &call.resource.custom else { return Ok(None) };
    let definition = &custom.definition;
    let key = Key::new(GROUP, DEFINITIONS, "", &definition.name);
    let found = snapshot.get(&key).map_err(|error| failed(&error))?;
    let stands = found.is_some_and(|record| {
        record.uid.to_string() == definition.uid && record.meta.generation == definition.generation
    });
    match stands {
        true => Ok(Some(Scope::owner(&definition.uid))),
        false => Err(Status::unavailable("the definition of this resource is changing; please try again")),
    }
}
