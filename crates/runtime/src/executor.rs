//! Writing: drives the pure machine of [`rutter_log::executor`] with a clock, a view and a way to the ledger.
//!
//! Used for people's requests and for controllers' plans alike. The machine decides when to send, to send
//! again, to wait and to decide anew; what is here only does it.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use rutter_log::executor::{Decision, End, Executor, Step};
use rutter_projection::Snapshot;
use rutter_schemas::{Actor, Commit, CommitHeader, Count, Event, Expect, Op, Revision, Scope, Uuid};
use tokio::time::{Instant, sleep};

use crate::now::Now;
use crate::proposer::Proposer;
use crate::telemetry;
use crate::view::{View, ViewError};

/// How long to wait before asking the machine again, so that its deadline is noticed.
const LOOK: Duration = Duration::from_secs(1);

/// All that writing takes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Writer {
    pub view: View,
    pub proposer: Proposer,
    pub now: Now,
}

/// Everything of a commit but its events.
#[derive(Debug, Clone, Default)]
pub struct Letterhead {
    pub actor: Actor,
    pub cause: Option<Revision>,
    pub why: String,
    /// Service and version, such as `replicator/0.1.0`.
    pub writer: String,
    pub guards: Vec<Scope>,
    pub counters: Vec<Count>,
    /// The trace of what this answers; it goes on even where nothing is traced.
    pub traceparent: Option<String>,
}

impl Writer {
    /// Carries one write through: `decide` is asked on a fresh snapshot, as often as `machine` says.
    ///
    /// # Errors
    /// What `decide` says, or that the view can't be read. Everything else is an [`End`].
    pub async fn write<E, F, D>(&self, mut machine: Executor, mut decide: F) -> Result<End, E>
    where
        E: From<ViewError>,
        F: FnMut(Snapshot) -> D,
        D: Future<Output = Result<Decision, E>>,
    {
        loop {
            match machine.step(Timestamp::now()) {
                Step::Decide { .. } => machine.decided(decide(self.view.snapshot()?).await?),
                Step::End(end) => return Ok(end),
                step => self.carry_out(&mut machine, step).await,
            }
        }
    }

    /// The same for requests: ends with the outcome, and refuses nothing by a view that lags. What `decide` refuses,
    /// or finds to be so already, holds on a view that has all that was acknowledged when it is asked; so whoever
    /// wrote before, here or elsewhere, is known. What it wants written the ledger checks anyway. Without a decision,
    /// because it had to learn something first, it is asked again.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub async fn write_current<E, F, D>(&self, machine: Executor, mut decide: F) -> Result<End, E>
    where
        E: From<ViewError>,
        F: FnMut(Snapshot) -> D,
        D: Future<Output = Result<Option<Decision>, E>>,
    {
        let mut machine = machine.unseen();
        loop {
            match machine.step(Timestamp::now()) {
                Step::Decide { .. } => {
                    // When nobody says what is current, the machine knows for how long to go on.
                    if let Some(decided) = self.decide_current(&mut decide).await? {
                        machine.decided(decided);
                    }
                }
                Step::End(end) => return Ok(end),
                step => self.carry_out(&mut machine, step).await,
            }
        }
    }

    async fn decide_current<E, F, D>(&self, decide: &mut F) -> Result<Option<Decision>, E>
    where
        E: From<ViewError>,
        F: FnMut(Snapshot) -> D,
        D: Future<Output = Result<Option<Decision>, E>>,
    {
        let snapshot = self.view.snapshot()?;
        let base = snapshot.revision();
        let decided = decide(snapshot).await;
        if matches!(decided, Ok(None | Some(Decision::Propose { .. }))) {
            return decided;
        }
        match self.now.read(&self.view, Instant::now() + LOOK).await {
            Ok(current) if current.revision() == base => decided,
            Ok(current) => decide(current).await,
            Err(_) => Ok(None),
        }
    }

    /// One step that is neither a decision nor the end.
    async fn carry_out(&self, machine: &mut Executor, step: Step) {
        match step {
            Step::Decide { .. } | Step::End(_) => {}
            Step::Propose { id, text } => match self.proposer.attempt(text).await {
                Some(outcome) => machine.answered(id, outcome),
                None => machine.unanswered(id),
            },
            Step::Await { revision } => {
                // Late or not, the machine is told where the view stands.
                let _ = self.view.wait_for(revision, Instant::now() + LOOK).await;
                machine.seen(self.view.revision());
            }
            Step::Learn => {
                if let Ok(now) = self.now.ask(Instant::now() + LOOK).await {
                    machine.learned(now);
                }
            }
            Step::Pause { until } => sleep(until_from_now(until)).await,
        }
    }
}

impl Letterhead {
    /// A commit of these events, decided on `base` of `incarnation`. What each expects follows from its event.
    #[must_use]
    pub fn commit(self, id: Uuid, base: Revision, incarnation: u32, events: Vec<Event>) -> Commit {
        let header = CommitHeader {
            id,
            base,
            incarnation,
            actor: self.actor,
            cause: self.cause,
            why: self.why,
            traceparent: telemetry::here().or(self.traceparent),
            writer: self.writer,
            expects: events.iter().map(expect).collect(),
            guards: self.guards,
            counters: self.counters,
        };
        Commit { header, events }
    }
}

fn expect(event: &Event) -> Expect {
    match event.op {
        Op::Create => Expect::Absent,
        Op::Update | Op::Delete => Expect::At(event.prior),
    }
}

fn until_from_now(until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
}
