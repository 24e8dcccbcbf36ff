//! Custom objects whose definition has somebody asked for their conversion. An object is asked about only when it rests in
//! another version than the wanted one; objects that are wanted together are asked about together.

use std::sync::Arc;

use bytes::Bytes;
use rutter_apimachinery::custom::review::Review;
use rutter_apimachinery::custom::{Conversion, Custom};
use rutter_apimachinery::registry::Resource;
use rutter_apimachinery::status::Status;
use rutter_projection::Record;
use rutter_schemas::{Meta, state};
use serde_json::{Value, json};

use super::custom::revision_in;
use super::speaks;
use crate::store::failed;
use crate::webhook::{Hook, Webhooks};

/// Objects of one question (design: every batch has a bound). They come from a list, whose pages have the same.
pub(crate) const TOGETHER_BYTES: usize = 8 << 20;

/// What a resource is converted by, if somebody is asked.
pub(crate) fn asked(resource: &Resource) -> Option<(&Arc<Custom>, &Value)> {
    let custom = resource.custom.as_ref()?;
    match &custom.definition.conversion {
        Conversion::Webhook(webhook) => Some((custom, webhook)),
        Conversion::None => None,
    }
}

/// Whether stored bytes have to be asked about before they can be told as `resource`.
pub(crate) fn is_foreign(object: &[u8], resource: &Resource) -> bool {
    asked(resource).is_some() && !speaks(object, resource)
}

/// A stored object in the version of `resource`.
///
/// # Errors
/// As [`spoken`].
pub(crate) async fn spoken_one(
    webhooks: &Webhooks,
    resource: &Arc<Resource>,
    object: Bytes,
) -> Result<Bytes, Status> {
    if !is_foreign(&object, resource) {
        return Ok(object);
    }
    let told = spoken(webhooks, resource, vec![object]).await?;
    told.into_iter().next().ok_or_else(|| Status::internal("one object was converted to none"))
}

/// Stored objects in the version of `resource`, in their places. Nobody is asked about what rests in it, and nothing
/// happens to what nobody is asked about.
///
/// # Errors
/// 500 in upstream's words: one that can't be converted fails them all.
pub(crate) async fn spoken(
    webhooks: &Webhooks,
    resource: &Arc<Resource>,
    mut objects: Vec<Bytes>,
) -> Result<Vec<Bytes>, Status> {
    let foreign: Vec<usize> =
        (0..objects.len()).filter(|place| is_foreign(&objects[*place], resource)).collect();
    if foreign.is_empty() {
        return Ok(objects);
    }
    let (of, stored) = (resource.clone(), foreign.iter().map(|place| objects[*place].clone()).collect());
    let sent = aside(move || read(&of, stored)).await?;
    let wanted = resource.api_version();
    let told = review(webhooks, resource, wanted, sent).await?;
    let of = resource.clone();
    let told = aside(move || told.into_iter().map(|object| fitted(&of, object)).collect::<Vec<_>>()).await;
    for (place, text) in foreign.into_iter().zip(told) {
        objects[place] = state::splice(&text, revision_in(&objects[place]));
    }
    Ok(objects)
}

/// Records as if their objects rested in the version of `resource`: what selectors look at is of that version too.
///
/// # Errors
/// As [`spoken`].
pub(crate) async fn seen(
    webhooks: &Webhooks,
    resource: &Arc<Resource>,
    mut records: Vec<Record>,
) -> Result<Vec<Record>, Status> {
    let objects = records.iter().map(|record| record.object.clone()).collect();
    let objects = spoken(webhooks, resource, objects).await?;
    let resource = resource.clone();
    aside(move || {
        for (record, object) in records.iter_mut().zip(objects) {
            see(record, object, &resource)?;
        }
        Ok(records)
    })
    .await
}

/// What was recorded of an object's fields is of the definition as it was, and of the version that it rests in.
fn see(record: &mut Record, object: Bytes, resource: &Resource) -> Result<(), Status> {
    let Some((custom, _)) = asked(resource) else { return Ok(()) };
    if object == record.object && record.revision > custom.definition.revision {
        return Ok(());
    }
    let mut value: Value = serde_json::from_slice(&object).map_err(|error| failed(&error))?;
    custom.restored(&mut value);
    let mut meta = Meta::clone(&record.meta);
    note(&mut meta, &value, resource);
    (record.meta, record.object) = (Arc::new(meta), object);
    Ok(())
}

/// What selectors look at, as an object has it.
pub(super) fn note(meta: &mut Meta, object: &Value, resource: &Resource) {
    let labels = object["metadata"]["labels"].as_object().into_iter().flatten();
    meta.labels = labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
    meta.fields = resource.strategy.selectable(object);
}

/// Asks for objects in another version. They are sent as they are given, and answered as the webhook has them.
///
/// # Errors
/// 500 in upstream's words, without a reason: what upstream makes of a conversion that failed.
pub(super) async fn review(
    webhooks: &Webhooks,
    resource: &Resource,
    wanted: String,
    objects: Vec<Value>,
) -> Result<Vec<Value>, Status> {
    let Some((custom, webhook)) = asked(resource) else { return Ok(objects) };
    let refused = |why: String| {
        tracing::warn!(definition = %custom.definition.name, %why, "objects could not be converted");
        Status::unclassified(why)
    };
    let hook = Hook::read(&webhook["clientConfig"]).map_err(refused)?;
    let id = uuid::Uuid::new_v4().to_string();
    let review = Review::of(webhook, id, wanted, objects).map_err(refused)?;
    let answer = webhooks.post(&hook, review.body()).await.map_err(|why| refused(review.failed(&why)))?;
    aside(move || review.answered(&answer)).await.map_err(refused)
}

/// Stored objects as they are now in the versions that they rest in.
fn read(resource: &Resource, objects: Vec<Bytes>) -> Result<Vec<Value>, Status> {
    let Some((custom, _)) = asked(resource) else { return Ok(Vec::new()) };
    objects
        .into_iter()
        .map(|object| {
            let mut object: Value = serde_json::from_slice(&object).map_err(|error| failed(&error))?;
            if !custom.knows(&object) {
                let version = object["apiVersion"].as_str().unwrap_or_default();
                let why = format!("request to convert CR from an invalid group/version: {version}");
                return Err(Status::unclassified(why));
            }
            custom.restored(&mut object);
            Ok(object)
        })
        .collect()
}

fn fitted(resource: &Resource, mut object: Value) -> Box<serde_json::value::RawValue> {
    if let Some(custom) = &resource.custom {
        custom.fitted(&mut object);
    }
    object["kind"] = json!(resource.kind);
    state::encode(&object)
}

/// Work on many objects, where it delays nobody.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The process ends, and with it who waits.
            Err(_) => std::future::pending().await,
        },
    }
}
