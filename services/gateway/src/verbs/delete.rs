//! DELETE, of one and of many: grace, propagation, preconditions and finalizers are decided by `apimachinery::write`; here
//! are the options, the answer, and the walk over a collection.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use http::{Response, StatusCode};
use rutter_apimachinery::status::Status;
use rutter_apimachinery::write::{self, DeleteOptions, Deletion};
use rutter_projection::Snapshot;
use rutter_schemas::{Revision, Uuid};
use serde_json::{Value, json};

use super::list::{self, Selection};
use super::{Told, get};
use crate::admission;
use crate::body::Body;
use crate::chain::Call;
use crate::convert::webhook;
use crate::encode::{object, respond};
use crate::request::Query;
use crate::request::options::ListOptions;
use crate::store::{Plan, Written, failed};

/// Objects of a collection that are deleted at once (upstream: `deleteCollectionWorkers`).
const WORKERS: usize = 16;

/// Resources whose finished deletion answers with the object, not a Status (upstream: `ReturnDeletedObject`).
const ANSWERED_WITH_THE_OBJECT: [&str; 7] = [
    "pods",
    "services",
    "serviceaccounts",
    "persistentvolumes",
    "persistentvolumeclaims",
    "podtemplates",
    "resourcequotas",
];

/// What a deletion came to, for its answer.
#[derive(Debug)]
pub struct Deleted {
    told: Told,
    name: String,
    uid: String,
    gone: bool,
}

/// # Errors
/// 404, 409 for a precondition that does not hold, 403 for what may not go.
pub async fn one(mut call: Call) -> Result<Response<Body>, Status> {
    let options = asked(&mut call).await?;
    let (deleted, revision) = delete(&call, &call.info.name, &options).await?;
    let with_object = !deleted.gone
        || (call.resource.group.is_empty() && ANSWERED_WITH_THE_OBJECT.contains(&&*call.resource.plural));
    if with_object {
        let waits = !deleted.gone && options.orphan_dependents == Some(false);
        let code = if waits { StatusCode::ACCEPTED } else { StatusCode::OK };
        return get::answer(&call, code, deleted.told.object(revision));
    }
    let status = Status::deleted(call.subject(), &deleted.name, &deleted.uid);
    let value = serde_json::to_value(&status).map_err(|error| failed(&error))?;
    let accept = crate::request::Accept { shape: crate::request::Shape::Object, ..call.accept };
    Ok(respond::bytes(StatusCode::OK, accept.format.media_type(), object::write(accept, &value)?))
}

/// # Errors
/// As for one, of the first that fails.
pub async fn collection(mut call: Call) -> Result<Response<Body>, Status> {
    let mut selected = ListOptions::of_list(&call.query)?;
    selected.fields.convert(&call.resource)?;
    let options = asked(&mut call).await?;
    let snapshot = call.gateway.store.read(selected.at).await?;
    let names = names(&call, &snapshot, &selected).await?;
    let call = &call;
    let options = &options;
    let deleted = futures::stream::iter(names).map(|(namespace, name)| async move {
        let call = call.within(namespace, name);
        match delete(&call, &call.info.name, options).await {
            Ok((deleted, revision)) => Ok(Some(deleted.told.object(revision))),
            // Somebody else was quicker.
            Err(status) if status.is_not_found() => Ok(None),
            Err(status) => Err(status),
        }
    });
    let objects: Vec<Option<Bytes>> = deleted.buffered(WORKERS).try_collect().await?;
    answered(call, snapshot.revision(), objects.into_iter().flatten())
}

async fn names(
    call: &Call,
    snapshot: &Snapshot,
    options: &ListOptions,
) -> Result<Vec<(String, String)>, Status> {
    let selection = Selection::of(call, options);
    if webhook::asked(&call.resource).is_some() {
        let all = list::gathered(call, snapshot, snapshot.revision(), &selection, options.limit).await?;
        return Ok(all.found.into_iter().map(|(key, _)| (key.namespace, key.name)).collect());
    }
    let walk = selection.walk(snapshot, snapshot.revision()).map_err(|error| failed(&error))?;
    let named =
        walk.map(|found| found.map(|(key, _)| (key.namespace, key.name)).map_err(|error| failed(&error)));
    let limit = if options.limit == 0 { usize::MAX } else { options.limit };
    named.take(limit).collect()
}

fn answered(
    call: &Call,
    revision: Revision,
    objects: impl Iterator<Item = Bytes>,
) -> Result<Response<Body>, Status> {
    let items: Vec<Value> = objects
        .map(|object| serde_json::from_slice(&object).map_err(|error| failed(&error)))
        .collect::<Result<_, _>>()?;
    let list = json!({
        "kind": call.resource.list_kind,
        "apiVersion": call.resource.api_version(),
        "metadata": { "resourceVersion": revision.to_string() },
        "items": items,
    });
    Ok(respond::bytes(StatusCode::OK, call.accept.format.media_type(), object::write(call.accept, &list)?))
}

/// Deletes one object: at once, or by marking it.
pub async fn delete(
    call: &Call,
    name: &str,
    options: &DeleteOptions,
) -> Result<(Deleted, Option<Revision>), Status> {
    let key = call.key_of(name);
    let pinned = options.preconditions.resource_version.as_ref().map(|_| key);
    let intent = call.intent().pinned(pinned).rehearsed(options.is_dry_run());
    let written = call
        .gateway
        .store
        .write(&intent, call.subject(), name, |snapshot| decide(call, snapshot, options))
        .await?;
    let Written { first, answer } = written;
    let told = answer.told.read_back(&call.interpreter);
    Ok((Deleted { told, ..answer }, first))
}

fn decide(call: &Call, snapshot: &Snapshot, options: &DeleteOptions) -> Result<Plan<Deleted>, Status> {
    let Some(before) = call.before(snapshot)? else { return Err(call.not_found()) };
    admission::delete(call, &before)?;
    let deleted = |told, gone| Deleted {
        told,
        name: call.info.name.clone(),
        uid: before["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
        gone,
    };
    match write::delete(&call.resource, &before, options, &call.cx(Uuid::nil()))? {
        Deletion::Pending(object) => Ok(Plan::nothing(deleted(Told::same(&object), false))),
        Deletion::Marked(draft) => {
            let answer = deleted(Told::of(&draft), false);
            Ok(Plan::one(call.sealed(draft)?, call.why(), answer))
        }
        Deletion::Removed(draft) => {
            let companions = admission::Companions::default().after(call, snapshot, &draft)?;
            let answer = deleted(Told::of(&draft), true);
            Ok(companions.join(Plan::one(call.sealed(draft)?, call.why(), answer)))
        }
    }
}

/// Options of the body, or of the query where there is no body.
async fn asked(call: &mut Call) -> Result<DeleteOptions, Status> {
    let sent = call.sent().await?;
    let value = if sent.bytes.is_empty() { in_query(&call.query)? } else { sent.value()? };
    DeleteOptions::from_value(value)
}

fn in_query(query: &Query) -> Result<Value, Status> {
    let mut options = json!({});
    if let Some(seconds) = query.get("gracePeriodSeconds") {
        let seconds: i64 = seconds.parse().map_err(|_| {
            Status::bad_request(format!("strconv.ParseInt: parsing \"{seconds}\": invalid syntax"))
        })?;
        options["gracePeriodSeconds"] = json!(seconds);
    }
    if let Some(policy) = query.get("propagationPolicy") {
        options["propagationPolicy"] = json!(policy);
    }
    if let Some(orphan) = query.tri("orphanDependents") {
        options["orphanDependents"] = json!(orphan);
    }
    let dry_run: Vec<&str> = query.all("dryRun").filter(|word| !word.is_empty()).collect();
    if !dry_run.is_empty() {
        options["dryRun"] = json!(dry_run);
    }
    Ok(options)
}
