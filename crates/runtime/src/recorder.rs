//! Recording what controllers tell operators: notes of plans that are in the log become Events, a little later, many at
//! once. A controller never waits for it, and a note that can't be recorded is lost.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rutter_apimachinery::recorder::{Correlator, Note, Recording, Source};
use rutter_controller::{Plan, Settled};
use rutter_projection::Snapshot;
use rutter_schemas::{Key, Revision};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::plan::{Outcome, PlanExecutor};

/// Notes that wait; what comes on top is dropped (upstream's `maxQueuedEvents` is 1,000, one write each).
const WAITING: usize = 8_192;
/// How many are recorded at once.
const BATCH: usize = 500;
/// For how long notes are gathered: operators read slowly, and pods come first.
const LINGER: Duration = Duration::from_millis(250);

/// Takes notes. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    to: mpsc::Sender<Told>,
}

/// Writes notes down, as long as it is run.
pub(crate) struct Clerk {
    notes: mpsc::Receiver<Told>,
    controller: &'static str,
    executor: PlanExecutor,
    correlator: Correlator,
}

/// A note, and the revision that it tells of.
#[derive(Debug)]
struct Told {
    note: Note,
    cause: Option<Revision>,
}

/// What a controller's plans tell goes in at one end, and is written down at the other.
pub(crate) fn of(controller: &'static str, executor: PlanExecutor) -> (Recorder, Clerk) {
    let (to, notes) = mpsc::channel(WAITING);
    let source = Source { component: controller.to_owned(), host: String::new() };
    (Recorder { to }, Clerk { notes, controller, executor, correlator: Correlator::new(source) })
}

impl Recorder {
    /// Tells what a plan has to tell, now that its fate is known.
    pub(crate) fn settled(&self, plan: Plan, outcome: Outcome) {
        match (outcome.settled, outcome.refused) {
            (Settled::Committed(last), _) => {
                plan.notes.into_iter().for_each(|note| self.tell(note, Some(last)))
            }
            (_, Some(refusal)) => {
                if let Some(mut note) = plan.if_refused {
                    note.message = format!("{}{}", note.message, refusal.words);
                    self.tell(note, plan.cause);
                }
            }
            _ => {}
        }
    }

    fn tell(&self, note: Note, cause: Option<Revision>) {
        if self.to.try_send(Told { note, cause }).is_err() {
            tracing::debug!("an Event is dropped: too many wait to be recorded");
        }
    }
}

impl Clerk {
    /// Writes for ever.
    pub(crate) async fn run(mut self) {
        while let Some(first) = self.notes.recv().await {
            let mut batch = vec![first];
            let until = Instant::now() + LINGER;
            while batch.len() < BATCH {
                tokio::select! {
                    more = self.notes.recv() => match more {
                        Some(told) => batch.push(told),
                        None => break,
                    },
                    () = sleep_until(until) => break,
                }
            }
            self.record(batch).await;
        }
        // Nobody is left who could tell anything.
        std::future::pending().await
    }

    async fn record(&mut self, batch: Vec<Told>) {
        let Ok(snapshot) = self.executor.writer().view.snapshot() else { return };
        for plan in self.plans(batch, &snapshot, Timestamp::now()) {
            self.executor.execute(self.controller, &plan).await;
        }
    }

    /// A commit for each namespace: one that ends takes no new Events, and is not to stand in the way of others.
    fn plans(&mut self, batch: Vec<Told>, snapshot: &Snapshot, now: Timestamp) -> Vec<Plan> {
        let mut changes = BTreeMap::<(String, String), (Recording, Option<Revision>)>::new();
        for Told { note, cause } in batch {
            let Some(recording) = self.correlator.note(&note, now) else { continue };
            let place = place(&recording);
            let known = changes.remove(&place).map(|(known, _)| known);
            changes.insert(place, (known.map_or(recording.clone(), |known| merged(known, recording)), cause));
        }
        let mut plans = BTreeMap::<String, Plan>::new();
        for ((namespace, name), (recording, cause)) in changes {
            let plan = plans.entry(namespace.clone()).or_insert_with(|| Plan {
                base: snapshot.revision(),
                ..Plan::because("operators are told what was done")
            });
            plan.cause = plan.cause.max(cause);
            match recording {
                Recording::New(event) => plan.create(event),
                Recording::Again { fields, .. } => {
                    let key = Key::new("", "events", &namespace, &name);
                    match snapshot.get(&key) {
                        Ok(Some(record)) => plan.merge(key, record.revision, fields),
                        // It has expired, or never came to be.
                        _ => self.correlator.forget(&name),
                    }
                }
            }
        }
        plans.into_values().filter(|plan| !plan.is_idle()).collect()
    }
}

/// Namespace and name of the Event.
fn place(recording: &Recording) -> (String, String) {
    match recording {
        Recording::New(event) => {
            let text = |field: &str| event["metadata"][field].as_str().unwrap_or_default().to_owned();
            (text("namespace"), text("name"))
        }
        Recording::Again { namespace, name, .. } => (namespace.clone(), name.clone()),
    }
}

/// An Event that happens again before it is written once is written as it is then.
fn merged(known: Recording, again: Recording) -> Recording {
    match (known, again) {
        (Recording::New(mut event), Recording::Again { fields, .. }) => {
            for (field, value) in fields.as_object().into_iter().flatten() {
                event[field] = value.clone();
            }
            Recording::New(event)
        }
        (_, again) => again,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_happens_again_before_it_is_written_is_written_once() {
        let new =
            Recording::New(json!({"metadata": {"namespace": "a", "name": "b"}, "count": 1, "message": "m"}));
        let again = Recording::Again {
            namespace: "a".into(),
            name: "b".into(),
            fields: json!({"count": 2, "message": "m"}),
        };
        assert_eq!(place(&new), place(&again));
        let Recording::New(event) = merged(new, again) else { panic!("it is new still") };
        assert_eq!(event["count"], 2);
    }
}
