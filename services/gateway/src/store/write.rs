//! Writing: a decision made on a snapshot becomes a commit; the executor's machine says when to send, wait, or decide
//! again; this drives it.

use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use rutter_apimachinery::status::{Status, Subject};
use rutter_apimachinery::write::Draft;
use rutter_log::executor::{Decision, End, Executor, Failure, Limits, Step};
use rutter_projection::Snapshot;
use rutter_schemas::{Actor, Commit, CommitHeader, Count, Expect, Key, Op, Outcome, Revision, Scope, Uuid};

use super::Store;
use crate::authn::User;

/// The service name that commits carry.
pub const VIA: &str = "gateway";
/// How long a write may take (upstream's request timeout is a minute; what waits longer has been given up).
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);
/// How often a write is decided anew because others were quicker.
const ATTEMPTS: u32 = 50;
/// How long one handing-over of a commit may take before it is sent again.
const RESEND: Duration = Duration::from_secs(3);

/// Who wants something written, and what it answers.
#[derive(Debug, Clone)]
pub struct Intent {
    pub user: String,
    pub groups: Vec<String>,
    pub cause: Option<Revision>,
    pub traceparent: Option<String>,
    /// The object whose resourceVersion the client named: when that is stale, it is not decided again.
    pub pinned: Option<Key>,
}

impl Intent {
    pub fn of(user: &User) -> Intent {
        Intent {
            user: user.name.clone(),
            groups: user.groups.clone(),
            cause: None,
            traceparent: rutter_runtime::telemetry::here(),
            pinned: None,
        }
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
        Plan { drafts: Vec::new(), guards: Vec::new(), counters: Vec::new(), why: String::new(), answer }
    }

    pub fn one(draft: Draft, why: impl Into<String>, answer: T) -> Plan<T> {
        Plan { drafts: vec![draft], guards: Vec::new(), counters: Vec::new(), why: why.into(), answer }
    }

    pub fn guard(mut self, scope: Scope) -> Plan<T> {
        self.guards.push(scope);
        self
    }
}

/// How a write ended well.
#[derive(Debug)]
pub struct Written<T> {
    /// The revision of the first draft, the next of the second, and so on; none if there was nothing to write.
    pub first: Option<Revision>,
    pub answer: T,
}

impl Store {
    /// Decides, commits, and decides again while others are quicker.
    ///
    /// `decide` is asked with the view as it is at each attempt. When this returns, the view has the write.
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
        let limits = Limits { attempts: ATTEMPTS, deadline: Timestamp::now() + PATIENCE };
        let mut executor = match &intent.pinned {
            Some(key) => Executor::pinned(limits, key.clone()),
            None => Executor::new(limits),
        };
        let mut answer = None;
        loop {
            match executor.step(Timestamp::now()) {
                Step::Decide { .. } => {
                    let snapshot = self.snapshot()?;
                    let plan = decide(&snapshot)?;
                    let (decision, told) = self.decided(plan, &snapshot, intent)?;
                    answer = Some(told);
                    executor.decided(decision);
                }
                Step::End(end) => return ended(end, answer, subject, name),
                step => self.take(step, &mut executor, limits.deadline).await,
            }
        }
    }

    fn decided<T>(
        &self,
        plan: Plan<T>,
        snapshot: &Snapshot,
        intent: &Intent,
    ) -> Result<(Decision, T), Status> {
        let Plan { drafts, guards, counters, why, answer } = plan;
        if drafts.is_empty() {
            return Ok((Decision::Nothing, answer));
        }
        let id = Uuid::now_v7();
        let expects = drafts.iter().map(|draft| expectation(draft.event.op, draft.event.prior)).collect();
        let header = CommitHeader {
            id,
            base: snapshot.revision(),
            incarnation: snapshot.cursor().incarnation,
            actor: Actor { user: intent.user.clone(), groups: intent.groups.clone(), via: VIA.to_owned() },
            cause: intent.cause,
            why,
            traceparent: intent.traceparent.clone(),
            writer: concat!("gateway/", env!("CARGO_PKG_VERSION")).to_owned(),
            expects,
            guards,
            counters,
        };
        let events = drafts.into_iter().map(|draft| draft.event).collect();
        let text = Commit { header, events }.encode();
        Ok((Decision::Propose { id, text }, answer))
    }

    async fn take(&self, step: Step, executor: &mut Executor, deadline: Timestamp) {
        let left = Duration::try_from(deadline.duration_since(Timestamp::now())).unwrap_or_default();
        match step {
            Step::Propose { id, text } => match self.proposed(id, text, left.min(RESEND)).await {
                Some(outcome) => executor.answered(id, outcome),
                None => executor.unanswered(id),
            },
            Step::Await { revision } => {
                if self.wait_for(revision, left).await {
                    executor.seen(*self.backend().head().borrow());
                }
            }
            Step::Learn => match self.backend().now().await {
                Ok(now) => executor.learned(now),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Step::Pause { until } => {
                let pause = Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default();
                tokio::time::sleep(pause).await;
            }
            Step::Decide { .. } | Step::End(_) => {}
        }
    }

    async fn proposed(&self, id: Uuid, text: Bytes, patience: Duration) -> Option<Outcome> {
        match tokio::time::timeout(patience, self.backend().propose(id, text)).await {
            Ok(Ok(outcome)) => Some(outcome),
            Ok(Err(silence)) => {
                tracing::debug!(%silence, %id, "a commit got no answer");
                tokio::time::sleep(Duration::from_millis(50)).await;
                None
            }
            Err(_) => None,
        }
    }
}

fn expectation(op: Op, prior: Revision) -> Expect {
    match op {
        Op::Create => Expect::Absent,
        Op::Update | Op::Delete => Expect::At(prior),
    }
}

fn ended<T>(end: End, answer: Option<T>, subject: Subject<'_>, name: &str) -> Result<Written<T>, Status> {
    let first = match end {
        End::Committed { first, seen: true, .. } => Some(first),
        End::Committed { .. } => return Err(Failure::Unknown.status(subject, name)),
        End::Unchanged => None,
        End::Failed(failure) => return Err(failure.status(subject, name)),
    };
    Ok(Written { first, answer: answer.expect("a write ends well only after a decision") })
}
