//! PATCH: what stands is patched and then updated by the kind's rules. A patch that names no revision is applied to
//! whatever stands, as often as it takes.

use std::sync::Arc;

use http::Response;
use http::header::CONTENT_TYPE;
use rutter_apimachinery::decode::{self, FieldValidation};
use rutter_apimachinery::patch::{self, Applying, Versions};
use rutter_apimachinery::registry::Resource;
use rutter_apimachinery::status::Status;
use rutter_projection::Snapshot;
use serde_json::Value;

use super::{Told, create, options, update};
use crate::body::{self, Body};
use crate::chain::Call;
use crate::request::accept::media_type;
use crate::store::Plan;

/// What is sent under which name, in the order that upstream lists them.
const KINDS: [(&str, Patch); 4] = [
    ("application/json-patch+json", Patch::Json),
    ("application/merge-patch+json", Patch::Merge),
    ("application/strategic-merge-patch+json", Patch::Strategic),
    ("application/apply-patch+yaml", Patch::Apply),
];

/// How a body changes an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patch {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Lists merged by their keys, and directives.
    Strategic,
    /// Server-side apply.
    Apply,
}

/// # Errors
/// 415 for another kind of patch, 404, 409, and what the patch and the kind's rules refuse.
pub async fn serve(mut call: Call) -> Result<Response<Body>, Status> {
    let options = options::of(&call.query, "PatchOptions")?;
    let header = call.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let sent = media_type(header);
    // Nothing says by which keys a strategic patch would merge a custom object.
    let is_known = |kind: Patch| kind != Patch::Strategic || call.resource.custom.is_none();
    let known: Vec<_> = KINDS.into_iter().filter(|(_, kind)| is_known(*kind)).collect();
    let Some((_, kind)) = known.iter().copied().find(|(name, _)| *name == sent) else {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        return Err(Status::unsupported_media_type(&names));
    };
    let text = match call.body.take() {
        Some(incoming) => body::read(incoming).await?,
        None => bytes::Bytes::new(),
    };
    let patch = read(kind, &text, options.validation)?;
    let pinned = update::revision_of(&patch).map(|_| call.key()).filter(|_| kind != Patch::Json);
    let intent = call.intent().pinned(pinned).rehearsed(options.dry_run);
    call.write(intent, Vec::new(), |snapshot| decide(&call, snapshot, kind, &patch, options.validation)).await
}

/// The body as a value; what it means is the patch's to say.
pub fn read(kind: Patch, text: &[u8], validation: FieldValidation) -> Result<Value, Status> {
    let unreadable =
        |error: &dyn std::fmt::Display| Status::bad_request(format!("error decoding patch: {error}"));
    match kind {
        Patch::Apply => decode::apply_body(text, validation),
        Patch::Json | Patch::Merge | Patch::Strategic => {
            serde_json::from_slice(text).map_err(|error| unreadable(&error))
        }
    }
}

fn decide(
    call: &Call,
    snapshot: &Snapshot,
    kind: Patch,
    patch: &Value,
    validation: FieldValidation,
) -> Result<Plan<Told>, Status> {
    let Some(before) = call.before(snapshot)? else {
        // Server-side apply makes what is not there.
        return match kind {
            Patch::Apply if call.info.subresource.is_empty() => {
                create::decide(call, snapshot, &applied(call, None, patch)?)
            }
            _ => Err(call.not_found()),
        };
    };
    if kind == Patch::Apply {
        return update::settle(call, snapshot, &before, applied(call, Some(&before), patch)?);
    }
    let after = decode::patched(patched(call, kind, &before, patch)?, &call.resource, validation)?.object;
    update::change(call, snapshot, &before, after)
}

/// The object after server-side apply, which is told apart by who applies.
fn applied(call: &Call, before: Option<&Value>, wanted: &Value) -> Result<Value, Status> {
    let wanted = decode::applied(wanted.clone(), &call.resource)?;
    let applying = Applying {
        manager: call.query.get("fieldManager").unwrap_or_default(),
        force: call.query.flag("force"),
        subresource: &call.info.subresource,
        now: call.cx(rutter_schemas::Uuid::nil()).now,
    };
    patch::apply_over(&call.resource, before, &wanted, &applying, call)
}

/// What others own under other names is compared by those.
impl Versions for Call {
    fn told(&self, object: &Value, api_version: &str) -> Result<Option<(Arc<Resource>, Value)>, Status> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let there = self.gateway.registry().by_kind(group, version, &self.resource.kind);
        let Some(there) = there else { return Ok(None) };
        let told = self.interpreter.told(&self.resource, object, &there)?;
        Ok(told.map(|told| (there, told)))
    }
}

/// The object after the patch.
///
/// # Errors
/// 400 or 422 for a patch that doesn't fit.
pub fn patched(call: &Call, kind: Patch, before: &Value, patch: &Value) -> Result<Value, Status> {
    match kind {
        Patch::Json => patch::json(before, patch),
        Patch::Merge => patch::merge(before, patch),
        Patch::Strategic => patch::strategic(&call.resource, before, patch),
        // Without the ownership of fields: merged by the schema's keys.
        Patch::Apply => patch::strategic(&call.resource, before, patch),
    }
}
