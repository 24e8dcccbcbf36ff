//! Live subjects: each acknowledged event on core NATS, while somebody has asked for them.
//!
//! For subscribing by wildcard, where missing some is no harm; who must miss nothing follows the log.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use futures::StreamExt;
use rutter_ledger_core::Role;
use rutter_runtime::shutdown::Stage;
use rutter_runtime::view::{Applied, Frames, SubscriptionEnd, View};
use rutter_schemas::protocol::ledger::Fact;
use rutter_schemas::{Event, Recorded, Revision, subjects};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::{LedgerError, LedgerState};

use rutter_runtime::roles::ASK_FOR_EVENTS;
/// How long one question on [`ASK_FOR_EVENTS`] counts.
const LASTS: Duration = Duration::from_secs(60);

/// Publishes while asked and active, until the stage ends.
pub(crate) async fn serve(
    client: Client,
    view: View,
    state: watch::Receiver<LedgerState>,
    stage: &Stage,
) -> Result<(), LedgerError> {
    let mut questions = client.subscribe(ASK_FOR_EVENTS).await?;
    let stop = stage.token();
    stage.spawn(async move {
        let mut events = None;
        let mut until = Instant::now();
        loop {
            tokio::select! {
                Some(_) = questions.next() => {
                    until = Instant::now() + LASTS;
                    events.get_or_insert_with(|| view.applied());
                }
                applied = next(&mut events) => match applied {
                    Ok(applied) if state.borrow().role == Role::Active => publish(&client, &applied).await,
                    Ok(_) | Err(SubscriptionEnd::Lagged) => {}
                    Err(SubscriptionEnd::Closed) => return,
                },
                () = sleep_until(until), if events.is_some() => events = None,
                () = stop.cancelled() => return,
            }
        }
    });
    Ok(())
}

async fn next(events: &mut Option<Frames>) -> Result<Arc<Applied>, SubscriptionEnd> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

async fn publish(client: &Client, applied: &Applied) {
    for (revision, commit, event) in applied.frame.events() {
        let fact = fact(&applied.frame.header.at, revision, commit, event);
        let text = serde_json::to_vec(&fact).expect("a fact is plain data");
        // Live events may be missed, so a lost connection is no matter.
        let _ = client.publish(subjects::event(&event.object), text.into()).await;
    }
}

fn fact(at: &str, revision: Revision, commit: &Recorded, event: &Event) -> Fact {
    let header = &commit.header;
    let object = String::from_utf8(event.splice(revision).to_vec()).ok();
    Fact {
        revision,
        event_type: event.event_type.clone(),
        op: event.op,
        key: event.object.key(),
        at: at.to_owned(),
        actor: header.actor.clone(),
        cause: header.cause,
        why: header.why.clone(),
        traceparent: header.traceparent.clone(),
        prior: event.prior,
        object: object.and_then(|object| serde_json::value::RawValue::from_string(object).ok()),
    }
}
