//! Carrying out plans: a controller's intents become events through the same rules as a person's request.
//!
//! A plan is decided on a controller's own view and committed on that view's revision; here nothing is decided
//! again. What doesn't hold any more is refused, and the controller plans anew.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rutter_apimachinery::registry::{Registry, Resource};
use rutter_apimachinery::status::Status;
use rutter_apimachinery::write::{self, DeleteOptions, Deletion, Draft, Preconditions, WriteCx};
use rutter_controller::{Intent, Plan, Propagation, Settled};
use rutter_log::executor::{Decision, End, Executor, Failure, Limits};
use rutter_projection::Snapshot;
use rutter_schemas::{Actor, Event, Key, Op, Rejection, Revision, Scope, Uuid, state};
use serde_json::Value;
use tokio::time::Instant;

use crate::executor::{Letterhead, Writer};
use crate::seal::SealKey;
use crate::view::ViewError;

/// How long one plan may take until it counts as failed; its key is held for that long.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);
/// How long to wait for the view to have what a plan was decided on.
const CATCH_UP: Duration = Duration::from_secs(10);

/// What the rules say about a new object beyond its own kind: quota, priority, webhooks.
pub trait Admission: Send + Sync {
    /// Changes and checks an object that is about to be born.
    ///
    /// # Errors
    /// The Status that a person would get.
    fn admit(&self, resource: &Resource, object: &mut Value, snapshot: &Snapshot) -> Result<(), Status>;
}

/// Turns plans into commits and carries them to the log. Cheap to clone.
#[derive(Clone)]
pub struct PlanExecutor {
    writer: Writer,
    registry: Arc<Registry>,
    seal: SealKey,
    admission: Option<Arc<dyn Admission>>,
    service: &'static str,
}

/// Why a plan did not become a commit.
#[derive(Debug, thiserror::Error)]
enum PlanError {
    /// An object is not as the plan expects; a view that has this revision shows it.
    #[error("it was decided on what no longer holds, as revision {at} shows")]
    Stale { at: Revision },
    #[error("{}", .0.message)]
    Refused(Box<Status>),
    #[error("{0} is not a resource that is served")]
    Unserved(String),
    #[error(transparent)]
    View(#[from] ViewError),
    #[error(transparent)]
    Read(#[from] rutter_projection::Error),
    #[error("the object can't be unsealed")]
    Unseal(#[from] crate::seal::OpenError),
    #[error("the object can't be sealed")]
    Seal(#[from] crate::seal::KeyError),
    #[error("the stored object is no JSON")]
    Stored(#[from] serde_json::Error),
}

impl From<Status> for PlanError {
    fn from(status: Status) -> PlanError {
        PlanError::Refused(Box::new(status))
    }
}

impl PlanExecutor {
    /// Executes for `service`, whose name and version stand in every commit.
    #[must_use]
    pub fn new(
        writer: Writer,
        registry: Arc<Registry>,
        seal: SealKey,
        service: &'static str,
    ) -> PlanExecutor {
        PlanExecutor { writer, registry, seal, admission: None, service }
    }

    /// With rules for new objects beyond those of their kinds.
    #[must_use]
    pub fn with_admission(mut self, admission: Arc<dyn Admission>) -> PlanExecutor {
        self.admission = Some(admission);
        self
    }

    /// The registry of what is served.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// What reads and writes go through.
    #[must_use]
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Carries one plan to the log under the name of `controller`, and says what became of it.
    pub async fn execute(&self, controller: &str, plan: Plan) -> Settled {
        let deadline = Instant::now() + CATCH_UP;
        if self.writer.view.wait_for(plan.base, deadline).await.is_err() {
            return Settled::Failed;
        }
        let limits = Limits { attempts: 1, deadline: Timestamp::now() + PATIENCE };
        let end = self
            .writer
            .write(Executor::new(limits), |snapshot| {
                std::future::ready(self.decide(controller, &plan, &snapshot))
            })
            .await;
        match end {
            Ok(End::Committed { last, .. }) => Settled::Committed(last),
            Ok(End::Unchanged) => Settled::Unchanged,
            Ok(End::Failed(Failure::Contended { last, .. })) => self.refused(controller, &last).await,
            Ok(End::Failed(failure)) => failed(controller, &plan, &format!("{failure:?}")),
            Err(PlanError::Stale { at }) => Settled::Refused(at),
            Err(error) => failed(controller, &plan, &error.to_string()),
        }
    }

    fn decide(&self, controller: &str, plan: &Plan, snapshot: &Snapshot) -> Result<Decision, PlanError> {
        let mut guards = plan.guards.clone();
        let mut page = Page::default();
        for intent in &plan.intents {
            self.carry_out(controller, intent, snapshot, &mut page, &mut guards)?;
        }
        let entries = page.entries.into_iter();
        let events: Vec<Event> =
            entries.map(|entry| self.rest(&entry.resource, entry.draft)).collect::<Result<_, _>>()?;
        if events.is_empty() {
            return Ok(Decision::Nothing);
        }
        let letterhead = Letterhead {
            actor: Actor { user: controller.to_owned(), groups: Vec::new(), via: self.service.to_owned() },
            cause: plan.cause,
            why: plan.why.clone(),
            writer: format!("{}/{}", self.service, env!("CARGO_PKG_VERSION")),
            guards,
            counters: plan.counters.clone(),
        };
        let id = Uuid::now_v7();
        let commit = letterhead.commit(id, plan.base, snapshot.cursor().incarnation, events);
        Ok(Decision::Propose { id, text: commit.encode() })
    }

    fn carry_out(
        &self,
        controller: &str,
        intent: &Intent,
        snapshot: &Snapshot,
        page: &mut Page,
        guards: &mut Vec<Scope>,
    ) -> Result<(), PlanError> {
        match intent {
            Intent::Create { object } => {
                let entry = self.birth(controller, object.clone(), snapshot, guards)?;
                page.entries.push(entry);
                Ok(())
            }
            Intent::Merge { key, expect, patch, subresource } => {
                let (resource, before) = self.standing(key, *expect, snapshot, page)?;
                let mut after = before.clone();
                json_patch::merge(&mut after, patch);
                let draft = change(controller, &resource, subresource.unwrap_or(""), &before, after)?;
                page.write(resource, before, draft);
                Ok(())
            }
            Intent::Replace { key, expect, object, subresource } => {
                let (resource, before) = self.standing(key, *expect, snapshot, page)?;
                let draft =
                    change(controller, &resource, subresource.unwrap_or(""), &before, object.clone())?;
                page.write(resource, before, draft);
                Ok(())
            }
            Intent::Delete { key, expect, uid, grace_seconds, propagation } => {
                let (resource, before) = self.standing(key, *expect, snapshot, page)?;
                let options = options(uid.clone(), *grace_seconds, *propagation);
                let draft = death(controller, &resource, &before, &options)?;
                page.write(resource, before, draft);
                Ok(())
            }
        }
    }

    fn birth(
        &self,
        controller: &str,
        mut object: Value,
        snapshot: &Snapshot,
        guards: &mut Vec<Scope>,
    ) -> Result<Entry, PlanError> {
        let resource = self.resource_of(&object)?;
        let namespace = text(&object, "/metadata/namespace").to_owned();
        if resource.namespaced {
            alive(&namespace, &resource, &object, snapshot)?;
            guards.push(Scope::ns_life(&namespace));
        }
        if let Some(admission) = &self.admission {
            admission.admit(&resource, &mut object, snapshot)?;
        }
        let cx = cx(controller, &namespace, "");
        let draft = write::create(&resource, "", object, &cx)?;
        Ok(Entry { resource, before: Value::Null, draft })
    }

    /// The event as it may rest in the log: sealed where its kind is.
    fn rest(&self, resource: &Resource, draft: Draft) -> Result<Event, crate::seal::KeyError> {
        let mut event = draft.event;
        if resource.sealed {
            let object: Value = serde_json::from_str(event.state.get()).unwrap_or(draft.object);
            event.state = state::encode(&self.seal.seal(&object)?);
        }
        Ok(event)
    }

    /// The object that a plan is about, in clear and with its resourceVersion, if it is still as expected, or as
    /// this plan has already written it.
    fn standing(
        &self,
        key: &Key,
        expect: Revision,
        snapshot: &Snapshot,
        page: &Page,
    ) -> Result<(Arc<Resource>, Value), PlanError> {
        if let Some(entry) = page.entry(key) {
            return Ok((entry.resource.clone(), entry.standing()));
        }
        let Some(record) = snapshot.get(key)? else {
            return Err(PlanError::Stale { at: snapshot.revision() });
        };
        if record.revision != expect {
            return Err(PlanError::Stale { at: record.revision });
        }
        let object = self.seal.open_sealed(&serde_json::from_slice(&record.object)?)?;
        Ok((self.resource_of(&object)?, object))
    }

    fn resource_of(&self, object: &Value) -> Result<Arc<Resource>, PlanError> {
        let (api_version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource = self.registry.by_kind(group, version, kind);
        resource.ok_or_else(|| PlanError::Unserved(format!("{api_version} {kind}")))
    }

    /// From when on a view shows why the ledger refused.
    async fn refused(&self, controller: &str, rejection: &Rejection) -> Settled {
        tracing::debug!(controller, %rejection, "a plan was refused");
        match rejection {
            Rejection::Stale { actual: Some(at), .. } | Rejection::Touched { actual: at, .. } => {
                Settled::Refused(*at)
            }
            Rejection::TooOld { floor } => Settled::Refused(*floor),
            // It is gone, and nobody said since when: a view of now shows it.
            _ => match self.writer.now.ask(Instant::now() + CATCH_UP).await {
                Ok(now) => Settled::Refused(now.revision),
                Err(_) => Settled::Failed,
            },
        }
    }
}

/// What a plan has written so far: one entry per object, in the order of the intents.
#[derive(Default)]
struct Page {
    entries: Vec<Entry>,
    places: HashMap<Key, usize>,
}

struct Entry {
    resource: Arc<Resource>,
    /// The object as it stood before the plan; null when the plan makes it.
    before: Value,
    draft: Draft,
}

impl Page {
    /// Enters what an intent came to. A second intent on one object is recorded with the first, as one event.
    fn write(&mut self, resource: Arc<Resource>, before: Value, draft: Option<Draft>) {
        let Some(draft) = draft else { return };
        match self.places.entry(draft.event.object.key()) {
            Occupied(place) => self.entries[*place.get()].amend(draft),
            Vacant(place) => {
                place.insert(self.entries.len());
                self.entries.push(Entry { resource, before, draft });
            }
        }
    }

    fn entry(&self, key: &Key) -> Option<&Entry> {
        self.places.get(key).map(|place| &self.entries[*place])
    }
}

impl Entry {
    /// The object as the plan has it, with the resourceVersion that it was read at.
    fn standing(&self) -> Value {
        let mut object = self.draft.object.clone();
        object["metadata"]["resourceVersion"] = self.before["metadata"]["resourceVersion"].clone();
        object
    }

    /// The later draft from the first before; a change of status gives its name up to any other.
    fn amend(&mut self, later: Draft) {
        let first = std::mem::replace(&mut self.draft, later);
        let event = &mut self.draft.event;
        let after = Some(&self.draft.object).filter(|_| event.op != Op::Delete);
        event.touches = rutter_schemas::touches(Some(&self.before), after, &event.object);
        if event.event_type.ends_with("StatusChanged") {
            event.event_type = first.event.event_type;
        }
    }
}

fn change(
    controller: &str,
    resource: &Resource,
    subresource: &str,
    before: &Value,
    after: Value,
) -> Result<Option<Draft>, Status> {
    let cx = cx(controller, text(before, "/metadata/namespace"), text(before, "/metadata/name"));
    write::update(resource, subresource, before, after, &cx)
}

fn death(
    controller: &str,
    resource: &Resource,
    before: &Value,
    options: &DeleteOptions,
) -> Result<Option<Draft>, Status> {
    let cx = cx(controller, text(before, "/metadata/namespace"), text(before, "/metadata/name"));
    Ok(match write::delete(resource, before, options, &cx)? {
        Deletion::Removed(draft) | Deletion::Marked(draft) => Some(draft),
        Deletion::Pending(_) => None,
    })
}

fn failed(controller: &str, plan: &Plan, why: &str) -> Settled {
    tracing::warn!(controller, plan = plan.why, why, "a plan failed");
    Settled::Failed
}

fn cx<'a>(controller: &'a str, namespace: &'a str, name: &'a str) -> WriteCx<'a> {
    let (now, uid) = (Timestamp::now(), Uuid::new_v4());
    WriteCx { now, uid, namespace, name, user: controller, field_manager: controller }
}

/// A namespace takes new objects while it exists and is not being deleted (upstream's NamespaceLifecycle).
fn alive(namespace: &str, resource: &Resource, object: &Value, snapshot: &Snapshot) -> Result<(), PlanError> {
    let record = snapshot.get(&Key::new("", "namespaces", "", namespace))?;
    let name = text(object, "/metadata/name");
    match record {
        Some(record) if record.meta.deletion.is_none() => Ok(()),
        Some(_) => {
            let why = format!(
                "unable to create new content in namespace {namespace} because it is being terminated"
            );
            Err(Status::forbidden(write::resource_subject(resource), name, &why).into())
        }
        None => {
            let namespaces = rutter_apimachinery::status::Subject::new("", "namespaces");
            Err(Status::not_found(namespaces, namespace).into())
        }
    }
}

fn options(uid: Option<String>, grace: Option<i64>, propagation: Option<Propagation>) -> DeleteOptions {
    DeleteOptions {
        grace_period_seconds: grace,
        preconditions: Preconditions { uid, resource_version: None },
        propagation_policy: propagation.map(|propagation| match propagation {
            Propagation::Background => write::Propagation::Background,
            Propagation::Foreground => write::Propagation::Foreground,
            Propagation::Orphan => write::Propagation::Orphan,
        }),
        ..DeleteOptions::default()
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn two_intents_on_one_object_are_one_event() {
        let registry = Registry::builtin();
        let pods = registry.resource("", "v1", "pods").expect("pods are built in");
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "spec": { "nodeName": "n", "containers": [] },
            "metadata": { "name": "p", "namespace": "d", "uid": "u", "resourceVersion": "7" },
            "status": { "phase": "Running" },
        });
        let mut page = Page::default();
        let mut failed = pod.clone();
        failed["status"]["phase"] = json!("Failed");
        page.write(pods.clone(), pod.clone(), change("test", &pods, "status", &pod, failed).unwrap());
        let key = Key::new("", "pods", "d", "p");
        let standing = page.entry(&key).unwrap().standing();
        let gone = death("test", &pods, &standing, &options(Some("u".into()), Some(0), None)).unwrap();
        page.write(pods.clone(), standing, gone);

        let [entry] = &page.entries[..] else { panic!("one object, one entry") };
        let event = &entry.draft.event;
        assert_eq!(
            (event.op, event.prior, event.event_type.as_str()),
            (Op::Delete, Revision(7), "PodDeleted")
        );
        assert_eq!(entry.draft.object["status"]["phase"], "Failed");
    }
}
