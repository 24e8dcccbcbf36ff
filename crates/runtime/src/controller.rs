//! Driving a controller: facts from the view into its machine, its turns to the log, their outcomes back.
//!
//! The machine keeps the promises (one plan per key under way, look again once the outcome is in the view,
//! back off after failures); this loop has only to be fed and to wait.

use std::time::Duration;

use jiff::Timestamp;
use rutter_controller::{Controller, Fact, Machine, Refusal, Settled, Ticket};
use rutter_projection::{ListQuery, Snapshot};
use rutter_schemas::{Count, Op};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::plan::PlanExecutor;
use crate::recorder::{self, Recorder};
use crate::served;
use crate::view::{Subscription, SubscriptionEnd, ViewError, fact_of};

/// Plans of one controller under way at once: enough to fill frames, few enough to stay fair.
const PLANS_UNDER_WAY: usize = 256;
/// Between two attempts to start from a snapshot.
const RETRY: Duration = Duration::from_millis(200);
/// The longest sleep when no timer is set.
const LONG: Duration = Duration::from_secs(3_600);

type Settling = JoinSet<(Ticket, Settled, Option<Refusal>)>;

/// Runs a controller until `stop`. While `active` is false it follows and proposes nothing.
///
/// `outside` brings what does not come from the log (statistics, silence) into the view.
pub async fn run<C: Controller>(
    executor: PlanExecutor,
    mut outside: impl Outside<C>,
    active: watch::Receiver<bool>,
    stop: CancellationToken,
) {
    let (recorder, recording) = recorder::of(C::NAME, executor.clone());
    let work = async {
        loop {
            match follow::<C>(&executor, &recorder, &mut outside, active.clone()).await {
                Ok(end) => tracing::warn!(controller = C::NAME, %end, "starting from a snapshot again"),
                Err(error) => tracing::debug!(controller = C::NAME, %error, "waiting for the view"),
            }
            sleep(RETRY).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = recording.run() => {}
        () = stop.cancelled() => {}
    }
}

/// What a controller learns from elsewhere than the log.
pub trait Outside<C: Controller>: Send {
    /// Waits for news; cancelled and called again at any time, so it must not lose any by that.
    fn next(&mut self) -> impl Future<Output = ()> + Send;
    /// Writes what is known now into the view, and wakes whoever should look again. Also called at a fresh start.
    fn tell(&mut self, machine: &mut Machine<C>);
}

/// For controllers that live on the log alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

impl<C: Controller> Outside<C> for Nothing {
    async fn next(&mut self) {
        std::future::pending().await
    }

    fn tell(&mut self, _machine: &mut Machine<C>) {}
}

async fn follow<C: Controller>(
    executor: &PlanExecutor,
    recorder: &Recorder,
    outside: &mut impl Outside<C>,
    mut active: watch::Receiver<bool>,
) -> Result<SubscriptionEnd, ViewError> {
    let (snapshot, mut frames): (Snapshot, Subscription) = executor.writer().view.subscribe()?;
    let mut machine = started::<C>(executor, &snapshot)?;
    drop(snapshot);
    outside.tell(&mut machine);
    let mut settling = Settling::new();
    loop {
        if *active.borrow_and_update() {
            start_turns(executor, recorder, &mut machine, &mut settling);
        }
        let pause = pause(&machine);
        tokio::select! {
            applied = frames.next() => match applied {
                Ok(applied) => {
                    machine.follow(applied.counted().iter().chain(applied.facts()), applied.revision);
                },
                Err(end) => return Ok(end),
            },
            Some(settled) = settling.join_next() => {
                let (ticket, settled, refused) =
                    settled.unwrap_or_else(|bug| std::panic::resume_unwind(bug.into_panic()));
                match refused {
                    Some(refusal) => machine.refuse(ticket, &refusal, Timestamp::now()),
                    None => machine.settle(ticket, settled, Timestamp::now()),
                }
            }
            () = outside.next() => outside.tell(&mut machine),
            () = changes(&mut active) => {}
            () = sleep(pause) => {}
        }
    }
}

/// Waits for the next change of mind about who proposes; where there is none to come, for ever.
async fn changes(active: &mut watch::Receiver<bool>) {
    if active.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn start_turns<C: Controller>(
    executor: &PlanExecutor,
    recorder: &Recorder,
    machine: &mut Machine<C>,
    settling: &mut Settling,
) {
    while settling.len() < PLANS_UNDER_WAY {
        let Some(turn) = machine.next(Timestamp::now()) else { return };
        for plan in turn.plans {
            let (executor, recorder, ticket) = (executor.clone(), recorder.clone(), turn.ticket);
            settling.spawn(async move {
                let outcome = executor.execute(C::NAME, &plan).await;
                let told = (ticket, outcome.settled, outcome.refused.clone());
                recorder.settled(plan, outcome);
                told
            });
        }
    }
}

fn pause<C: Controller>(machine: &Machine<C>) -> Duration {
    let Some(when) = machine.wake_at() else { return LONG };
    Duration::try_from(when.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
}

/// A machine that has learned every object that the controller follows, and every counter if it does those, as of the
/// snapshot: one after the other, since together and parsed they take many times what a view keeps of them.
fn started<C: Controller>(executor: &PlanExecutor, snapshot: &Snapshot) -> Result<Machine<C>, ViewError> {
    let at = snapshot.revision();
    let mut machine = Machine::default();
    if C::counts() {
        for (name, delta) in snapshot.counters()? {
            machine.follow(&[Fact::of_count(at, &Count { name, delta, max: None })], at);
        }
    }
    for (group, plural) in served::kinds(&executor.registry().now(), snapshot)? {
        if C::follows(&group, &plural) {
            for entry in snapshot.list(&ListQuery::of(&group, &plural)) {
                let (key, record) = entry?;
                machine.follow(&[fact_of(&key, Op::Create, &record)], at);
            }
        }
    }
    Ok(machine)
}
