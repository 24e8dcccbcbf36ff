//! PUT: the object replaced by what was sent, by the kind's rules; a name that is not there is created where upstream
//! creates on update. A resourceVersion that was sent has to be the one that stands.

use http::Response;
use rutter_apimachinery::status::Status;
use rutter_apimachinery::write::{self, WriteCx};
use rutter_projection::Snapshot;
use rutter_schemas::Uuid;
use serde_json::Value;

use super::{Told, create, options};
use crate::admission;
use crate::body::Body;
use crate::chain::Call;
use crate::store::{Plan, failed};

/// Updates the object, or the half of it that the subresource names (`status`, `finalize` …).
///
/// # Errors
/// 404, 409 for another revision or uid, and what decoding and the kind's rules refuse.
pub async fn serve(mut call: Call) -> Result<Response<Body>, Status> {
    let options = options::of(&call.query, "UpdateOptions")?;
    let sent = call.sent().await?;
    let decoded = sent.object(&call.resource, options.validation)?;
    let pinned = revision_of(&decoded.object).map(|_| call.key());
    let intent = call.intent().pinned(pinned).rehearsed(options.dry_run);
    call.write(intent, decoded.warnings, |snapshot| decide(&call, snapshot, &decoded.object)).await
}

fn decide(call: &Call, snapshot: &Snapshot, object: &Value) -> Result<Plan<Told>, Status> {
    match call.before(snapshot)? {
        Some(before) => change(call, snapshot, &before, object.clone()),
        None if call.info.subresource.is_empty() && call.resource.strategy.creates_on_update() => {
            create::decide(
                call,
                snapshot,
                &write::managed(&call.resource, object.clone(), &call.cx(Uuid::nil()))?,
            )
        }
        None => Err(call.not_found()),
    }
}

/// What changing an object to another comes to.
pub fn change(call: &Call, snapshot: &Snapshot, before: &Value, after: Value) -> Result<Plan<Told>, Status> {
    changed_by(call, snapshot, before, after, call.cx(Uuid::nil()))
}

/// What changing an object comes to when whose its fields are is settled already, as server-side apply does.
pub fn settle(call: &Call, snapshot: &Snapshot, before: &Value, after: Value) -> Result<Plan<Told>, Status> {
    let cx = WriteCx { field_manager: "", ..call.cx(Uuid::nil()) };
    changed_by(call, snapshot, before, after, cx)
}

fn changed_by(
    call: &Call,
    snapshot: &Snapshot,
    before: &Value,
    after: Value,
    cx: WriteCx<'_>,
) -> Result<Plan<Told>, Status> {
    let admitted = admission::update(call, snapshot, before, after)?;
    match write::update(&call.resource, &call.info.subresource, before, admitted.object, &cx)? {
        Some(draft) => {
            let companions = admitted.companions.after(call, snapshot, &draft)?;
            let plan = companions.join(call.plan(draft, call.why())?);
            Ok(plan.guarding(admitted.guards).charged(admitted.charges))
        }
        None => unchanged(call, snapshot, before),
    }
}

/// Nothing is written; but a custom object that rests in an older version is brought into the storage version, which is
/// how clients migrate storage.
fn unchanged(call: &Call, snapshot: &Snapshot, before: &Value) -> Result<Plan<Told>, Status> {
    if let Some(custom) = &call.resource.custom
        && let Some(stored) = snapshot.get_object(&call.key()).map_err(|error| failed(&error))?
    {
        let stored: Value = serde_json::from_slice(&stored).map_err(|error| failed(&error))?;
        if custom.is_outdated(&stored) {
            let draft = write::restated(&call.resource, before);
            return call.plan(draft, format!("stored as {}", custom.definition.storage));
        }
    }
    Ok(Plan::nothing(Told::same(before)))
}

/// The revision that a client names; an empty one or 0 names none.
pub fn revision_of(object: &Value) -> Option<&str> {
    let revision = object.pointer("/metadata/resourceVersion").and_then(Value::as_str);
    revision.filter(|revision| !revision.is_empty() && *revision != "0")
}

impl Call {
    /// The object as it stands, in clear.
    pub fn before(&self, snapshot: &Snapshot) -> Result<Option<Value>, Status> {
        let found = snapshot.get_object(&self.key()).map_err(|error| failed(&error))?;
        let Some(stored) = found else { return Ok(None) };
        let object = self.interpreter.spoken(&self.resource, stored)?;
        self.gateway.store.parsed(&self.resource, &object).map(Some)
    }
}
