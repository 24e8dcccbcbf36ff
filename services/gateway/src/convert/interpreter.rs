//! A request's interpreter: between the version that it speaks and the one that is stored, where somebody has to be asked.
//!
//! A decision is made without waiting, so it can't ask. It says what it would have to know, and is made again once
//! that was asked:
//!
//! ```text
//!   decide ──► refused: "this object, in my version" ──► asked, remembered ──► decide
//!     └──► a plan in the request's version ──► asked for the stored one, and how that reads back ──► proposed
//! ```
//! What was told once is not asked again; one failure fails the request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rutter_apimachinery::custom::Custom;
use rutter_apimachinery::registry::Resource;
use rutter_apimachinery::status::Status;
use rutter_apimachinery::write::Draft;
use rutter_schemas::{Op, state};
use serde_json::Value;
use serde_json::value::RawValue;

use super::custom::revision_in;
use super::webhook;
use crate::store::failed;
use crate::webhook::Webhooks;

/// What a request knows of other versions; nothing, where nobody is asked. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Interpreter(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    webhooks: Webhooks,
    /// Those of the request that somebody is asked for.
    resources: Vec<Arc<Resource>>,
    memory: Mutex<Memory>,
}

/// An object's text, and the version that it is to be said in.
type Saying = (String, String);

#[derive(Debug, Default)]
struct Memory {
    /// Stored bytes, and what they are in the request's version.
    spoken: HashMap<Bytes, Bytes>,
    wanted: Vec<(Arc<Resource>, Bytes)>,
    /// Objects of the request, and what they are in other versions.
    told: HashMap<Saying, Value>,
    unsaid: Vec<(Saying, Arc<Resource>, Value)>,
    /// A state as it was decided, and as it reads back from storage.
    read_back: HashMap<String, Box<RawValue>>,
    failed: Option<Status>,
}

impl Interpreter {
    pub fn of<'r>(webhooks: &Webhooks, resources: impl Iterator<Item = &'r Arc<Resource>>) -> Interpreter {
        let resources: Vec<_> =
            resources.filter(|resource| webhook::asked(resource).is_some()).cloned().collect();
        if resources.is_empty() {
            return Interpreter(None);
        }
        let webhooks = webhooks.clone();
        Interpreter(Some(Arc::new(Inner { webhooks, resources, memory: Mutex::default() })))
    }

    /// Whether somebody may have to be asked.
    pub fn is_needed(&self) -> bool {
        self.0.is_some()
    }

    /// Stored bytes in the version of `resource`.
    ///
    /// # Errors
    /// When they are not known yet: [`Interpreter::learn`] asks.
    pub fn spoken(&self, resource: &Arc<Resource>, stored: Bytes) -> Result<Bytes, Status> {
        let Some(inner) = self.0.as_ref().filter(|_| webhook::is_foreign(&stored, resource)) else {
            return Ok(stored);
        };
        let mut memory = inner.memory();
        if let Some(known) = memory.spoken.get(&stored) {
            return Ok(known.clone());
        }
        memory.wanted.push((resource.clone(), stored));
        Err(Status::unclassified("the object is being converted".to_owned()))
    }

    /// An object of the request in the version of `there`; none where nobody is asked for that, since nothing but its
    /// version would change.
    ///
    /// # Errors
    /// When it is not known yet, as for [`Interpreter::spoken`].
    pub fn told(
        &self,
        here: &Resource,
        object: &Value,
        there: &Arc<Resource>,
    ) -> Result<Option<Value>, Status> {
        let Some(inner) = self.0.as_ref().filter(|_| webhook::asked(here).is_some()) else { return Ok(None) };
        let saying = (object.to_string(), there.api_version());
        let mut memory = inner.memory();
        if let Some(known) = memory.told.get(&saying) {
            return Ok(Some(known.clone()));
        }
        memory.unsaid.push((saying, there.clone(), object.clone()));
        Err(Status::unclassified("the object is being converted".to_owned()))
    }

    /// Asks for what a decision wanted to know; whether there was any, so that it has to be made again.
    ///
    /// # Errors
    /// 500 when it can't be learned.
    pub async fn learn(&self) -> Result<bool, Status> {
        let Some(inner) = &self.0 else { return Ok(false) };
        let wanted = std::mem::take(&mut inner.memory().wanted);
        for together in wanted.chunk_by(|(one, _), (other, _)| Arc::ptr_eq(one, other)) {
            let stored: Vec<Bytes> = together.iter().map(|(_, stored)| stored.clone()).collect();
            let asking = webhook::spoken(&inner.webhooks, &together[0].0, stored.clone());
            let told = inner.ask(asking).await?;
            inner.memory().spoken.extend(stored.into_iter().zip(told));
        }
        let unsaid = std::mem::take(&mut inner.memory().unsaid);
        let learns = !wanted.is_empty() || !unsaid.is_empty();
        for (saying, there, object) in unsaid {
            let asking = webhook::review(&inner.webhooks, &there, saying.1.clone(), vec![object]);
            let mut told = inner.ask(asking).await?.into_iter().next().unwrap_or_default();
            if let Some((custom, _)) = webhook::asked(&there) {
                custom.fitted(&mut told);
            }
            inner.memory().told.insert(saying, told);
        }
        Ok(learns)
    }

    /// Makes drafts fit to rest: in the storage version.
    ///
    /// # Errors
    /// 500 when they can't be converted to it, or can't be read back from it.
    pub async fn settle(&self, drafts: &mut [Draft]) -> Result<(), Status> {
        let Some(inner) = &self.0 else { return Ok(()) };
        for resource in &inner.resources {
            let Some((custom, _)) = webhook::asked(resource) else { continue };
            let storage = &custom.definition.storage;
            if storage.is_empty() || *storage == resource.version {
                continue;
            }
            let mine: Vec<&mut Draft> = drafts.iter_mut().filter(|draft| is_of(draft, resource)).collect();
            inner.settle(custom, resource, mine).await?;
        }
        Ok(())
    }

    /// A state that was decided, as it reads back from storage.
    pub fn read_back(&self, decided: &RawValue) -> Option<Box<RawValue>> {
        self.0.as_ref()?.memory().read_back.get(decided.get()).cloned()
    }
}

fn is_of(draft: &Draft, resource: &Resource) -> bool {
    let object = &draft.event.object;
    object.group == resource.group && object.resource == resource.plural && object.version == resource.version
}

impl Inner {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask<T>(&self, asking: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        if let Some(before) = self.memory().failed.clone() {
            return Err(before);
        }
        let told = asking.await;
        if let Err(status) = &told {
            self.memory().failed = Some(status.clone());
        }
        told
    }

    async fn settle(
        &self,
        custom: &Custom,
        resource: &Resource,
        drafts: Vec<&mut Draft>,
    ) -> Result<(), Status> {
        let (gone, kept): (Vec<_>, Vec<_>) =
            drafts.into_iter().partition(|draft| draft.event.op == Op::Delete);
        for draft in gone {
            self.bury(draft, resource)?;
        }
        if kept.is_empty() {
            return Ok(());
        }
        let storage = format!("{}/{}", resource.group, custom.definition.storage);
        let decided = kept.iter().map(|draft| draft.object.clone()).collect();
        let mut stored = self.ask(webhook::review(&self.webhooks, resource, storage, decided)).await?;
        stored.iter_mut().for_each(|object| custom.stowed(object));

        let mut read = stored.clone();
        read.iter_mut().for_each(|object| custom.restored(object));
        let back = webhook::review(&self.webhooks, resource, resource.api_version(), read);
        let back = self.ask(back).await?;
        for ((draft, object), mut back) in kept.into_iter().zip(stored).zip(back) {
            custom.fitted(&mut back);
            let decided = draft.event.state.get().to_owned();
            self.memory().read_back.insert(decided, state::encode(&back));
            rest(draft, object, &custom.definition.storage, resource);
        }
        Ok(())
    }

    /// What goes is told as it rested, with the marks of its end: nobody has to be asked for that.
    fn bury(&self, draft: &mut Draft, resource: &Resource) -> Result<(), Status> {
        let stood = |stored: &&Bytes| revision_in(stored) == draft.event.prior;
        let Some(stored) = self.memory().spoken.keys().find(stood).cloned() else { return Ok(()) };
        let mut object: Value = serde_json::from_slice(&stored).map_err(|error| failed(&error))?;
        let mut metadata = draft.object["metadata"].clone();
        for field in ["labels", "annotations"] {
            metadata[field] = object["metadata"][field].take();
            if metadata[field].is_null() {
                metadata.as_object_mut().map(|metadata| metadata.remove(field));
            }
        }
        object["metadata"] = metadata;
        let version =
            object["apiVersion"].as_str().and_then(|text| text.rsplit('/').next()).unwrap_or_default();
        let version = version.to_owned();
        rest(draft, object, &version, resource);
        Ok(())
    }
}

/// Puts an object into a draft as it will be stored.
fn rest(draft: &mut Draft, object: Value, version: &str, resource: &Resource) {
    draft.event.object.version = version.to_owned();
    webhook::note(&mut draft.event.meta, &object, resource);
    draft.event.state = state::encode(&object);
    draft.object = object;
}
