//! Who asked: from a ticket back to the proposer or reader, in this process or across NATS.

use std::collections::HashMap;

use async_nats::{Client, Subject};
use rutter_ledger_core::{Answer, Ticket};
use rutter_schemas::Outcome;
use rutter_schemas::protocol::ledger::NowAnswer;
use serde::Serialize;
use tokio::sync::oneshot;

/// Where an answer goes. Dropping it tells a local asker to look elsewhere, and a remote one nothing.
#[derive(Debug)]
pub(crate) enum Reply {
    LocalOutcome(oneshot::Sender<Outcome>),
    LocalNow(oneshot::Sender<NowAnswer>),
    Remote(Subject),
}

/// Replies that are owed. Bounded by the sequencer, which takes only so many.
#[derive(Debug)]
pub(crate) struct Replies {
    client: Client,
    owed: HashMap<Ticket, Reply>,
}

impl Replies {
    pub(crate) fn new(client: Client) -> Replies {
        Replies { client, owed: HashMap::new() }
    }

    pub(crate) fn owe(&mut self, ticket: Ticket, reply: Reply) {
        self.owed.insert(ticket, reply);
    }

    pub(crate) fn forget(&mut self, ticket: Ticket) {
        self.owed.remove(&ticket);
    }

    /// Answers across NATS are handed back, to be published in order.
    pub(crate) async fn answer(&mut self, ticket: Ticket, answer: Answer) {
        let Some(reply) = self.owed.remove(&ticket) else { return };
        self.send(reply, answer).await;
    }

    pub(crate) async fn send(&self, reply: Reply, answer: Answer) {
        match (reply, answer) {
            // Who gave up waiting in this process dropped the other end.
            (Reply::LocalOutcome(to), Answer::Outcome(outcome)) => drop(to.send(outcome)),
            (Reply::LocalNow(to), Answer::Now(now)) => drop(to.send(now)),
            (Reply::Remote(to), Answer::Outcome(outcome)) => self.publish(to, &outcome).await,
            (Reply::Remote(to), Answer::Now(now)) => self.publish(to, &now).await,
            (Reply::LocalOutcome(_), Answer::Now(_)) | (Reply::LocalNow(_), Answer::Outcome(_)) => {
                unreachable!("a ticket is answered in the kind it was asked")
            }
        }
    }

    async fn publish(&self, to: Subject, answer: &impl Serialize) {
        let text = serde_json::to_vec(answer).expect("answers are plain data");
        if let Err(error) = self.client.publish(to, text.into()).await {
            tracing::debug!(%error, "an answer was not sent; it will be asked for again");
        }
    }
}
