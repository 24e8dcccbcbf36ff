//! POST of a new object: decoded, admitted, made by the kind's rules, and recorded if its name is free. A generated name
//! that is taken is generated again, as upstream does.

use http::Response;
use rutter_apimachinery::name;
use rutter_apimachinery::status::Status;
use rutter_apimachinery::write;
use rutter_projection::Snapshot;
use rutter_schemas::Uuid;
use serde_json::Value;

use super::{Told, options};
use crate::admission;
use crate::body::Body;
use crate::chain::Call;
use crate::store::{Plan, failed};

/// How many names are tried (upstream: `maxNameGenerationCreateAttempts`).
const NAMES: usize = 8;

/// # Errors
/// What decoding, admission and the kind's rules refuse; 409 for a name that is taken.
pub async fn serve(mut call: Call) -> Result<Response<Body>, Status> {
    let options = options::of(&call.query, "CreateOptions")?;
    let sent = call.sent().await?;
    let decoded = sent.object(&call.resource, options.validation)?;
    let intent = call.intent().rehearsed(options.dry_run);
    let object = write::managed(&call.resource, decoded.object, &call.cx(Uuid::nil()))?;
    call.write(intent, decoded.warnings, |snapshot| decide(&call, snapshot, &object)).await
}

/// What creating this object comes to.
pub fn decide(call: &Call, snapshot: &Snapshot, object: &Value) -> Result<Plan<Told>, Status> {
    let admitted = admission::create(call, snapshot, &named(call, snapshot, object)?)?;
    let draft = write::create(&call.resource, "", admitted.object, &call.cx(Uuid::new_v4()))?;
    let name = &draft.event.object.name;
    if !is_free(call, snapshot, name)? {
        return Err(Status::already_exists(call.subject(), name));
    }
    let plan = call.plan(draft, call.why())?;
    Ok(admitted.companions.join(plan).guarding(admitted.guards).charged(admitted.charges))
}

/// The object under a name: where it has only the beginning of one, under one that is free in this snapshot. It has it
/// before admission, which makes what belongs to it.
fn named(call: &Call, snapshot: &Snapshot, object: &Value) -> Result<Value, Status> {
    let mut object = object.clone();
    if !is_generated(&object) {
        return Ok(object);
    }
    let prefix = object["metadata"]["generateName"].as_str().unwrap_or_default().to_owned();
    let mut taken = String::new();
    for _ in 0..NAMES {
        let name = name::generated(&prefix, Uuid::new_v4().as_bytes());
        if is_free(call, snapshot, &name)? {
            object["metadata"]["name"] = name.into();
            return Ok(object);
        }
        taken = name;
    }
    Err(Status::generated_name_taken(call.subject(), &taken))
}

fn is_free(call: &Call, snapshot: &Snapshot, name: &str) -> Result<bool, Status> {
    Ok(snapshot.get(&call.key_of(name)).map_err(|error| failed(&error))?.is_none())
}

fn is_generated(object: &Value) -> bool {
    let text = |path| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
    text("/metadata/name").is_empty() && !text("/metadata/generateName").is_empty()
}
