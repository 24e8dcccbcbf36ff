//! Everything a ledger listens to, as one sequence of inputs.

use std::future::pending;

use async_nats::{Client, Message, Subscriber};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, ReadyChunks};
use futures::{FutureExt, StreamExt};
use rutter_ledger_core::{Proof, Room};
use rutter_runtime::proposer::{LocalInbox, LocalProposal, LocalQuestion};
use rutter_runtime::stream::{Appended, Delivery, Follow};
use rutter_schemas::protocol::ledger::{Beat, NowAnswer};
use rutter_schemas::{Uuid, subjects};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::LedgerError;
use crate::replies::Reply;

/// Proposals taken in one go: enough that a burst fills one frame, few enough that nothing else waits long.
const BATCH: usize = 256;

/// One thing that happened.
pub(crate) enum Input {
    Proposed(Vec<(Bytes, Reply)>),
    Asked(Vec<Reply>),
    Heard(Beat),
    Delivered(Delivery),
    Appended(Uuid, Appended),
    /// What stands at a sequence; an error when it could not be read.
    Stood(u64, Result<Option<Bytes>, LedgerError>),
    /// The last sequence of the stream, asked for a proof.
    Proved(Proof, Option<u64>),
    /// Whether the log, as the leader has it now, ends where this ledger stands.
    Standing(Result<Standing, LedgerError>),
    Room(Room),
    /// Nothing but the time.
    Time,
}

/// Where the stream ends, seen from a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// At the cursor, and the frame there is the same.
    Here,
    /// Behind it: there is more to follow.
    Ahead,
    /// The cursor's frame is not there.
    Elsewhere,
}

/// See [`Sources::next`].
pub(crate) struct Sources {
    local: LocalInbox,
    proposals: ReadyChunks<Subscriber>,
    questions: ReadyChunks<Subscriber>,
    beats: Subscriber,
    /// The log, while this ledger follows.
    pub(crate) follow: Option<Follow>,
    under_way: FuturesUnordered<BoxFuture<'static, Input>>,
}

impl Sources {
    pub(crate) async fn subscribe(client: &Client, local: LocalInbox) -> Result<Sources, LedgerError> {
        Ok(Sources {
            local,
            proposals: client.subscribe(subjects::PROPOSE).await?.ready_chunks(BATCH),
            questions: client.subscribe(subjects::NOW).await?.ready_chunks(BATCH),
            beats: client.subscribe(subjects::BEAT).await?,
            follow: None,
            under_way: FuturesUnordered::new(),
        })
    }

    /// Starts something whose result is an input.
    pub(crate) fn start(&mut self, work: impl Future<Output = Input> + Send + 'static) {
        self.under_way.push(work.boxed());
    }

    /// Shows those who ask in this process where the ledger stands.
    pub(crate) fn show(&self, now: Option<NowAnswer>) {
        self.local.show.set(now);
    }

    /// What happens next, or that `wake` is there. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self, wake: Instant) -> Input {
        tokio::select! {
            Some(input) = self.under_way.next(), if !self.under_way.is_empty() => input,
            proposals = batch(&mut self.local.proposals) => {
                Input::Proposed(proposals.into_iter().map(local_proposal).collect())
            }
            questions = batch(&mut self.local.questions) => {
                Input::Asked(questions.into_iter().map(local_question).collect())
            }
            Some(messages) = self.proposals.next() => {
                Input::Proposed(messages.into_iter().filter_map(remote_proposal).collect())
            }
            Some(messages) = self.questions.next() => {
                Input::Asked(messages.into_iter().filter_map(|one| one.reply.map(Reply::Remote)).collect())
            }
            Some(message) = self.beats.next() => match serde_json::from_slice(&message.payload) {
                Ok(beat) => Input::Heard(beat),
                Err(_) => Input::Time,
            },
            delivery = delivery(&mut self.follow) => Input::Delivered(delivery),
            () = sleep_until(wake) => Input::Time,
        }
    }
}

/// What waits in a channel, at least one; never, once nobody can send.
async fn batch<T>(channel: &mut mpsc::Receiver<T>) -> Vec<T> {
    let mut waiting = Vec::new();
    if channel.recv_many(&mut waiting, BATCH).await == 0 {
        pending::<()>().await;
    }
    waiting
}

async fn delivery(follow: &mut Option<Follow>) -> Delivery {
    match follow {
        Some(follow) => follow.next().await,
        None => pending().await,
    }
}

fn local_question(question: LocalQuestion) -> Reply {
    Reply::LocalNow(question.answer)
}

fn local_proposal(proposal: LocalProposal) -> (Bytes, Reply) {
    (proposal.text, Reply::LocalOutcome(proposal.answer))
}

fn remote_proposal(message: Message) -> Option<(Bytes, Reply)> {
    Some((message.payload, Reply::Remote(message.reply?)))
}
