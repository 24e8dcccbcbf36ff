//! Carrying out plans: a controller's intents become events through the same rules as a person's request.
//!
//! A plan is decided on a controller's own view and committed on that view's revision; here nothing is decided
//! again. What doesn't hold any more is refused, and the controller plans anew.

mod unguarded;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rutter_apimachinery::registry::Resource;
use rutter_apimachinery::status::Status;
use rutter_apimachinery::write;
use rutter_controller::draft::{self, Drafted};
use rutter_controller::{Plan, Refusal, Settled};
use rutter_log::executor::{Decision, End, Executor, Failure, Limits};
use rutter_projection::Snapshot;
use rutter_schemas::{Actor, Event, Key, Rejection, Revision, Scope, Uuid, state};
use serde_json::Value;
use tokio::time::Instant;
use tracing::Instrument;

use crate::admission::{self, Charges, Shelf};
use crate::executor::{Letterhead, Writer};
use crate::seal::{SealKey, is_sealed};
use crate::served::Served;
use crate::telemetry;
use crate::view::ViewError;
use unguarded::Overwrites;

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
    registry: Served,
    seal: SealKey,
    admission: Option<Arc<dyn Admission>>,
    service: &'static str,
    guards: Guards,
}

/// Whether commits demand that what their plans took for granted still holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guards {
    #[default]
    Kept,
    /// They demand nothing: for the tests that show what guards are for. Nodes get overcommitted, pods are born twice.
    Dropped,
}

/// What became of a plan.
#[derive(Debug)]
pub struct Outcome {
    pub settled: Settled,
    /// Why the rules refused it, if they did.
    pub refused: Option<Refusal>,
}

/// Why a plan did not become a commit.
#[derive(Debug, thiserror::Error)]
enum PlanError {
    /// An object is not as the plan expects; a view that has this revision shows it.
    #[error("it was decided on what no longer holds, as revision {at} shows")]
    Stale { at: Revision },
    #[error("{}", .status.message)]
    Refused {
        status: Box<Status>,
        /// How many births came before it.
        fitting: usize,
    },
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
        PlanError::Refused { status: Box::new(status), fitting: 0 }
    }
}

impl PlanError {
    /// A refusal that came after so many births.
    fn after(self, births: usize) -> PlanError {
        match self {
            PlanError::Refused { status, .. } => PlanError::Refused { status, fitting: births },
            other => other,
        }
    }
}

impl PlanExecutor {
    /// Executes for `service`, whose name and version stand in every commit.
    #[must_use]
    pub fn new(writer: Writer, registry: Served, seal: SealKey, service: &'static str) -> PlanExecutor {
        PlanExecutor { writer, registry, seal, admission: None, service, guards: Guards::Kept }
    }

    /// With rules for new objects beyond those of their kinds.
    #[must_use]
    pub fn with_admission(mut self, admission: Arc<dyn Admission>) -> PlanExecutor {
        self.admission = Some(admission);
        self
    }

    /// With its premises, or without them for the tests that show what they are for.
    #[must_use]
    pub fn with_guards(mut self, guards: Guards) -> PlanExecutor {
        self.guards = guards;
        self
    }

    /// What is served.
    #[must_use]
    pub fn registry(&self) -> &Served {
        &self.registry
    }

    /// What reads and writes go through.
    #[must_use]
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Carries one plan to the log under the name of `controller`, and says what became of it.
    pub async fn execute(&self, controller: &str, plan: &Plan) -> Outcome {
        match self.carry_out(controller, plan).await {
            Ok(settled) => Outcome { settled, refused: None },
            Err(PlanError::Refused { status, fitting }) => {
                let settled = failed(controller, plan, &status.message);
                Outcome { settled, refused: Some(Refusal { words: status.message, fitting }) }
            }
            Err(error) => Outcome { settled: failed(controller, plan, &error.to_string()), refused: None },
        }
    }

    async fn carry_out(&self, controller: &str, plan: &Plan) -> Result<Settled, PlanError> {
        let deadline = Instant::now() + CATCH_UP;
        if self.writer.view.wait_for(plan.base, deadline).await.is_err() {
            return Ok(Settled::Failed);
        }
        let span = tracing::info_span!("plan", controller, why = plan.why);
        let trace = self.trace_of(plan.cause);
        telemetry::continues(&span, trace.as_deref());
        let mut overwrites = Overwrites::default();
        let end = loop {
            let limits = Limits { attempts: 1, deadline: Timestamp::now() + PATIENCE };
            let decide = |snapshot| {
                std::future::ready(self.decide(controller, plan, trace.clone(), &overwrites, &snapshot))
            };
            let end = self.writer.write(Executor::new(limits), decide).instrument(span.clone()).await;
            match &end {
                Ok(End::Failed(Failure::Contended { last, .. })) if overwrites.learn(self.guards, last) => {}
                _ => break end,
            }
        };
        Ok(match end {
            Ok(End::Committed { last, .. }) => Settled::Committed(last),
            Ok(End::Unchanged) => Settled::Unchanged,
            Ok(End::Failed(Failure::Contended { last, .. })) => self.refused(controller, &last).await,
            Ok(End::Failed(failure)) => failed(controller, plan, &format!("{failure:?}")),
            Err(PlanError::Stale { at }) => Settled::Refused(at),
            Err(error) => return Err(error),
        })
    }

    /// The trace of the event that a plan answers, if the view still knows it.
    fn trace_of(&self, cause: Option<Revision>) -> Option<String> {
        self.writer.view.snapshot().ok()?.event(cause?).ok()??.traceparent
    }

    fn decide(
        &self,
        controller: &str,
        plan: &Plan,
        traceparent: Option<String>,
        overwrites: &Overwrites,
        snapshot: &Snapshot,
    ) -> Result<Decision, PlanError> {
        let mut guards = plan.guards.clone();
        let mut desk =
            Desk { executor: self, snapshot, guards: &mut guards, charges: Charges::default(), births: 0 };
        let drafted = draft::drafts(&mut desk, &plan.intents, controller, Timestamp::now());
        let drafted = drafted.map_err(|error| error.after(desk.births))?;
        let (counts, premises) = desk.charges.into_parts();
        guards.extend(premises);
        let mut events: Vec<Event> =
            drafted.into_iter().map(|drafted| self.rest(drafted)).collect::<Result<_, _>>()?;
        if events.is_empty() {
            return Ok(Decision::Nothing);
        }
        if self.guards == Guards::Dropped {
            guards.clear();
            overwrites.apply(&mut events);
        }
        let letterhead = Letterhead {
            actor: Actor { user: controller.to_owned(), groups: Vec::new(), via: self.service.to_owned() },
            cause: plan.cause,
            why: plan.why.clone(),
            writer: format!("{}/{}", self.service, env!("CARGO_PKG_VERSION")),
            guards,
            counters: plan.counters.iter().cloned().chain(counts).collect(),
            traceparent,
        };
        let id = Uuid::now_v7();
        let commit = letterhead.commit(id, plan.base, snapshot.cursor().incarnation, events);
        Ok(Decision::Propose { id, text: commit.encode() })
    }

    /// The event as it may rest in the log: sealed where its kind is.
    fn rest(&self, drafted: Drafted) -> Result<Event, crate::seal::KeyError> {
        let Drafted { resource, draft, .. } = drafted;
        let mut event = draft.event;
        if resource.sealed {
            event.state = state::encode(&self.seal.seal(&draft.object)?);
        }
        Ok(event)
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

/// Where a plan is drafted: on a snapshot, by the rules that hold for new objects.
struct Desk<'a> {
    executor: &'a PlanExecutor,
    snapshot: &'a Snapshot,
    /// The plan's own, and those that births add.
    guards: &'a mut Vec<Scope>,
    charges: Charges,
    /// How many were admitted.
    births: usize,
}

impl draft::Desk for Desk<'_> {
    type Refusal = PlanError;

    fn resource_of(&self, object: &Value) -> Result<Arc<Resource>, PlanError> {
        let (api_version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource = self.executor.registry.now().by_kind(group, version, kind);
        resource.ok_or_else(|| PlanError::Unserved(format!("{api_version} {kind}")))
    }

    fn standing(&mut self, key: &Key, expect: Revision) -> Result<Value, PlanError> {
        let Some(record) = self.snapshot.get(key)? else {
            return Err(PlanError::Stale { at: self.snapshot.revision() });
        };
        if record.revision != expect && self.executor.guards == Guards::Kept {
            return Err(PlanError::Stale { at: record.revision });
        }
        let object = serde_json::from_slice(&record.object)?;
        match is_sealed(&object) {
            true => Ok(self.executor.seal.open_sealed(&object)?),
            false => Ok(object),
        }
    }

    fn admit(&mut self, resource: &Resource, object: &mut Value) -> Result<(), PlanError> {
        if resource.namespaced {
            let namespace = text(object, "/metadata/namespace");
            alive(namespace, resource, object, self.snapshot)?;
            self.guards.push(Scope::ns_life(namespace));
        }
        if self.executor.guards == Guards::Dropped {
            unguarded::rename(object);
        }
        let namespace = text(object, "/metadata/namespace").to_owned();
        admission::birth(resource, &namespace, object, self.snapshot)?;
        if let Some(admission) = &self.executor.admission {
            admission.admit(resource, object, self.snapshot)?;
        }
        self.charges.birth(&Shelf(self.snapshot), resource, &namespace, object)?;
        self.births += 1;
        Ok(())
    }

    fn uid(&mut self) -> Uuid {
        Uuid::new_v4()
    }
}

fn failed(controller: &str, plan: &Plan, why: &str) -> Settled {
    tracing::warn!(controller, plan = plan.why, why, "a plan failed");
    Settled::Failed
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

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
