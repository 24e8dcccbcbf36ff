//! Writing: a decision made on a snapshot becomes a commit; the executor sends it, waits, or has it decided again.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use rutter_apimachinery::status::{Status, Subject};
use rutter_apimachinery::write::Draft;
use rutter_log::executor::{Decision, End, Executor, Limits};
use rutter_projection::Snapshot;
use rutter_runtime::admission::Charges;
use rutter_runtime::executor::Letterhead;
use rutter_runtime::view::ViewError;
use rutter_schemas::{Actor, Count, Key, Revision, Scope, Uuid};

use super::{Store, unready};
use crate::authn::User;
use crate::convert::interpreter::Interpreter;

/// The service name that commits carry.
pub const VIA: &str = "gateway";
/// Service and version, for readers of old events.
const WRITER: &str = concat!("gateway/", env!("CARGO_PKG_VERSION"));
/// How long a write may take; who waits longer has given up.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);
/// How often a write is decided anew because others were quicker.
const ATTEMPTS: u32 = 50;

/// Who wants something written, and in answer to what.
#[derive(Debug, Clone)]
pub struct Intent {
    pub actor: Actor,
    pub cause: Option<Revision>,
    /// The trace that the request came with, for where nothing is traced here.
    pub traceparent: Option<String>,
    /// The object whose resourceVersion the client named: when that is stale, it is not decided again.
    pub pinned: Option<Key>,
    /// `dryRun`: everything is decided, nothing is recorded.
    pub rehearsal: bool,
    /// Between the version that is written in and the one that is stored.
    pub interpreter: Interpreter,
}

impl Intent {
    pub fn of(user: &User) -> Intent {
        let actor = Actor { user: user.name.clone(), groups: user.groups.clone(), via: VIA.to_owned() };
        let interpreter = Interpreter::default();
        Intent { actor, cause: None, traceparent: None, pinned: None, rehearsal: false, interpreter }
    }

    /// Pinned to an object, if there is one whose revision the client named.
    pub fn pinned(self, pinned: Option<Key>) -> Intent {
        Intent { pinned, ..self }
    }

    pub fn rehearsed(self, rehearsal: bool) -> Intent {
        Intent { rehearsal, ..self }
    }
}

/// What is to be written, all or nothing, and what the request will answer with.
#[derive(Debug)]
pub struct Plan<T> {
    pub drafts: Vec<Draft>,
    pub guards: Vec<Scope>,
    pub counters: Vec<Count>,
    pub why: String,
    pub answer: T,
}

impl<T> Plan<T> {
    /// Nothing is to be written.
    pub fn nothing(answer: T) -> Plan<T> {
        Plan::many(Vec::new(), "", answer)
    }

    pub fn one(draft: Draft, why: impl Into<String>, answer: T) -> Plan<T> {
        Plan::many(vec![draft], why, answer)
    }

    pub fn many(drafts: Vec<Draft>, why: impl Into<String>, answer: T) -> Plan<T> {
        Plan { drafts, guards: Vec::new(), counters: Vec::new(), why: why.into(), answer }
    }

    pub fn guarding(mut self, scopes: impl IntoIterator<Item = Scope>) -> Plan<T> {
        self.guards.extend(scopes);
        self
    }

    /// Counted against the quotas of its namespaces.
    pub fn charged(mut self, charges: Charges) -> Plan<T> {
        let (counts, guards) = charges.into_parts();
        self.counters.extend(counts);
        self.guarding(guards)
    }
}

/// How a write ended well.
#[derive(Debug)]
pub struct Written<T> {
    /// The revision of the first draft, the next of the second, and so on; none if there was nothing to write.
    pub first: Option<Revision>,
    pub answer: T,
}

/// What a decision may end in, as the executor carries it.
struct Refused(Status);

impl From<ViewError> for Refused {
    fn from(error: ViewError) -> Refused {
        Refused(unready(error))
    }
}

impl Store {
    /// Decides, commits, and decides again while others are quicker.
    ///
    /// `decide` is asked with the view as it is at each attempt; what it refuses, it refuses on a view that is current.
    /// When this returns, the write is recorded, and every read that asks for what is current has it.
    ///
    /// # Errors
    /// What `decide` refuses; 409 for a pinned object that is stale or a write that is always overtaken; 504 when no
    /// outcome is known in time.
    pub async fn write<T>(
        &self,
        intent: &Intent,
        subject: Subject<'_>,
        name: &str,
        mut decide: impl FnMut(&Snapshot) -> Result<Plan<T>, Status>,
    ) -> Result<Written<T>, Status> {
        if intent.rehearsal {
            return self.rehearse(intent, decide).await;
        }
        let limits = Limits { attempts: ATTEMPTS, deadline: Timestamp::now() + PATIENCE };
        let machine = match &intent.pinned {
            Some(key) => Executor::pinned(limits, key.clone()),
            None => Executor::new(limits),
        };
        let answer = Mutex::new(None);
        let told = &answer;
        let end = self.writer.write_current(machine, |snapshot| {
            let planned = decide(&snapshot);
            async move {
                let Some(plan) = settled(intent, planned).await.map_err(Refused)? else { return Ok(None) };
                let (decision, answer) = committed(plan, &snapshot, intent);
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
                Ok::<_, Refused>(Some(decision))
            }
        });
        let end = end.await.map_err(|Refused(status)| status)?;
        let first = ended(end, subject, name)?;
        let answer = answer.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Written { first, answer: answer.expect("a write ends well only after a decision") })
    }

    async fn rehearse<T>(
        &self,
        intent: &Intent,
        mut decide: impl FnMut(&Snapshot) -> Result<Plan<T>, Status>,
    ) -> Result<Written<T>, Status> {
        for _ in 0..ATTEMPTS {
            let planned = decide(&self.current().await?);
            if let Some(plan) = settled(intent, planned).await? {
                return Ok(Written { first: None, answer: plan.answer });
            }
        }
        Err(Status::unavailable("others were quicker each time; please try again"))
    }
}

/// A plan whose drafts may rest in the log; none when the decision has to be made again, with what was learned meanwhile.
async fn settled<T>(intent: &Intent, planned: Result<Plan<T>, Status>) -> Result<Option<Plan<T>>, Status> {
    match planned {
        Ok(mut plan) => {
            intent.interpreter.settle(&mut plan.drafts).await?;
            Ok(Some(plan))
        }
        Err(_) if intent.interpreter.learn().await? => Ok(None),
        Err(status) => Err(status),
    }
}

fn committed<T>(plan: Plan<T>, snapshot: &Snapshot, intent: &Intent) -> (Decision, T) {
    let Plan { drafts, guards, counters, why, answer } = plan;
    if drafts.is_empty() {
        return (Decision::Nothing, answer);
    }
    let letterhead = Letterhead {
        actor: intent.actor.clone(),
        cause: intent.cause,
        why,
        writer: WRITER.to_owned(),
        guards,
        counters,
        traceparent: intent.traceparent.clone(),
    };
    let id = Uuid::now_v7();
    let events = drafts.into_iter().map(|draft| draft.event).collect();
    let commit = letterhead.commit(id, snapshot.revision(), snapshot.cursor().incarnation, events);
    (Decision::Propose { id, text: commit.encode() }, answer)
}

fn ended(end: End, subject: Subject<'_>, name: &str) -> Result<Option<Revision>, Status> {
    match end {
        End::Committed { first, .. } => Ok(Some(first)),
        End::Unchanged => Ok(None),
        End::Failed(failure) => Err(failure.status(subject, name)),
    }
}
