//! Proposing: carries a commit's text to the active ledger, in this process or by NATS, and never guesses.
//!
//! The same bytes may be sent as often as it takes: the ledger answers a repeated id with the first outcome.
//! What is not answered is unknown, and told as such.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_nats::Client;
use bytes::Bytes;
use rutter_schemas::protocol::ledger::NowAnswer;
use rutter_schemas::{Commit, Outcome, Rejection, limits, subjects};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::nats;

/// How long one answer may take before the same is sent again: longer than the ledger's own patience with the
/// stream, so that what is slow isn't sent twice at once.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two attempts, when nobody was there to listen.
const PAUSE: Duration = Duration::from_millis(50);
/// Proposals and questions that may wait for the ledger of this process; beyond it callers wait.
pub const LOCAL_QUEUE: usize = 4_096;

/// A proposal on its way to the ledger of this process. Dropping `answer` says: not me, ask elsewhere.
#[derive(Debug)]
pub struct LocalProposal {
    pub text: Bytes,
    pub answer: oneshot::Sender<Outcome>,
}

/// A question to the ledger of this process: what is the last acknowledged revision?
#[derive(Debug)]
pub struct LocalQuestion {
    pub answer: oneshot::Sender<NowAnswer>,
}

/// The way into the ledger of this process.
#[derive(Debug, Clone)]
pub struct LocalLedger {
    pub proposals: mpsc::Sender<LocalProposal>,
    pub questions: mpsc::Sender<LocalQuestion>,
    pub shown: Shown,
}

/// The other end of a [`LocalLedger`].
#[derive(Debug)]
pub struct LocalInbox {
    pub proposals: mpsc::Receiver<LocalProposal>,
    pub questions: mpsc::Receiver<LocalQuestion>,
    pub show: Show,
}

/// What the ledger of this process shows without being asked: where it stands, while that needs no proof.
#[derive(Debug, Clone)]
pub struct Shown(Arc<RwLock<Option<NowAnswer>>>);

/// Shows, until it is dropped. What is shown has to be set before any answer that rests on it is given.
#[derive(Debug)]
pub struct Show(Shown);

impl Shown {
    /// The last acknowledged revision; none when the ledger has to be asked.
    #[must_use]
    pub fn get(&self) -> Option<NowAnswer> {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Show {
    pub fn set(&self, now: Option<NowAnswer>) {
        *self.0.0.write().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        self.set(None);
    }
}

/// Both ends of the way into a ledger of this process.
#[must_use]
pub fn local() -> (LocalLedger, LocalInbox) {
    let (proposals, proposed) = mpsc::channel(LOCAL_QUEUE);
    let (questions, asked) = mpsc::channel(LOCAL_QUEUE);
    let shown = Shown(Arc::default());
    let show = Show(shown.clone());
    (LocalLedger { proposals, questions, shown }, LocalInbox { proposals: proposed, questions: asked, show })
}

/// Carries proposals. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Proposer {
    client: Client,
    local: Arc<ArcSwapOption<LocalLedger>>,
}

/// No answer came in time: it may have been applied, or may be yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ledger did not answer in time; the write may have been applied")]
pub struct Unknown;

impl Proposer {
    /// Proposes to whichever ledger is active, by NATS.
    #[must_use]
    pub fn new(client: Client) -> Proposer {
        Proposer { client, local: Arc::default() }
    }

    /// Proposes to the ledger of this process first.
    #[must_use]
    pub fn with_local(client: Client, ledger: LocalLedger) -> Proposer {
        Proposer { client, local: Arc::new(ArcSwapOption::from_pointee(ledger)) }
    }

    /// Proposes until there is an outcome, or the deadline passes.
    ///
    /// # Errors
    /// [`Unknown`].
    pub async fn propose(&self, commit: &Commit, deadline: Instant) -> Result<Outcome, Unknown> {
        let text = commit.encode();
        loop {
            match timeout_at(deadline, self.attempt(text.clone())).await {
                Ok(Some(outcome)) => return Ok(outcome),
                Ok(None) => {}
                Err(_) => return Err(Unknown),
            }
        }
    }

    /// Sends a commit's text once; none when no answer came in time. What no frame can hold is refused here: the
    /// broker would not carry it.
    pub async fn attempt(&self, text: Bytes) -> Option<Outcome> {
        let (size, limit) = (text.len(), limits::FRAME);
        if size > limit {
            return Some(Outcome::Rejected(Rejection::TooLarge { size, limit }));
        }
        if let Some(ledger) = self.local.load_full()
            && let Some(outcome) = here(&ledger, text.clone()).await
        {
            return Some(outcome);
        }
        let outcome = self.elsewhere(text).await;
        if outcome.is_none() {
            sleep(PAUSE).await;
        }
        outcome
    }

    async fn elsewhere(&self, text: Bytes) -> Option<Outcome> {
        let answer = nats::ask(&self.client, subjects::PROPOSE, text, ANSWER_TIMEOUT).await?;
        match serde_json::from_slice(&answer) {
            Ok(outcome) => Some(outcome),
            Err(error) => {
                tracing::error!(%error, "the ledger's answer is not an outcome");
                None
            }
        }
    }
}

async fn here(ledger: &LocalLedger, text: Bytes) -> Option<Outcome> {
    let (answer, heard) = oneshot::channel();
    ledger.proposals.send(LocalProposal { text, answer }).await.ok()?;
    timeout(ANSWER_TIMEOUT, heard).await.ok()?.ok()
}
