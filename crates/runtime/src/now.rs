//! Linearizable reads: what is the last revision that the active ledger acknowledged, asked after the reader came.
//!
//! One question serves all who wait when it is sent; who comes later waits for the next. So reads cost the
//! ledger one proof per round trip, however many readers there are. Where the ledger of this process needs no proof, it
//! shows where it stands, and nobody waits.

use std::time::Duration;

use async_nats::Client;
use bytes::Bytes;
use rutter_schemas::Revision;
use rutter_schemas::protocol::ledger::NowAnswer;
use rutter_schemas::subjects;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::nats;
use crate::proposer::{LocalLedger, LocalQuestion, Shown};
use crate::shutdown::Stage;
use crate::view::View;
use rutter_projection::Snapshot;

/// How long one answer may take before the question is asked again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);
/// Readers that may wait for an answer at once; beyond it they wait to be let in.
const WAITING: usize = 65_536;

/// Asks the active ledger. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Now {
    readers: mpsc::Sender<oneshot::Sender<NowAnswer>>,
    shown: Option<Shown>,
}

/// No ledger that could prove to be active answered in time.
#[derive(Debug, thiserror::Error)]
pub enum NowError {
    #[error("no active ledger answered in time")]
    Silent,
    #[error(transparent)]
    Behind(#[from] crate::view::Behind),
    #[error(transparent)]
    View(#[from] crate::view::ViewError),
}

impl Now {
    /// Asks by NATS, or first the ledger of this process when there is one.
    #[must_use]
    pub fn start(client: Client, local: Option<LocalLedger>, stage: &Stage) -> Now {
        let (readers, waiting) = mpsc::channel(WAITING);
        let shown = local.as_ref().map(|ledger| ledger.shown.clone());
        let stop = stage.token();
        stage.spawn(async move {
            tokio::select! {
                () = serve(client, local, waiting) => {}
                () = stop.cancelled() => {}
            }
        });
        Now { readers, shown }
    }

    /// The last acknowledged revision, at some moment between this call and its return.
    ///
    /// # Errors
    /// [`NowError::Silent`] at the deadline.
    pub async fn ask(&self, deadline: Instant) -> Result<NowAnswer, NowError> {
        if let Some(now) = self.shown.as_ref().and_then(Shown::get) {
            return Ok(now);
        }
        let (answer, heard) = oneshot::channel();
        let asking = async {
            self.readers.send(answer).await.ok()?;
            heard.await.ok()
        };
        timeout_at(deadline, asking).await.ok().flatten().ok_or(NowError::Silent)
    }

    /// A snapshot of `view` that has all that was acknowledged before this call.
    ///
    /// # Errors
    /// [`NowError`], by the deadline.
    pub async fn read(&self, view: &View, deadline: Instant) -> Result<Snapshot, NowError> {
        let revision: Revision = self.ask(deadline).await?.revision;
        view.wait_for(revision, deadline).await?;
        Ok(view.snapshot()?)
    }
}

async fn serve(
    client: Client,
    local: Option<LocalLedger>,
    mut waiting: mpsc::Receiver<oneshot::Sender<NowAnswer>>,
) {
    let mut readers = Vec::new();
    while waiting.recv_many(&mut readers, WAITING).await > 0 {
        let answer = answer(&client, local.as_ref()).await;
        for reader in readers.drain(..) {
            // It may have given up.
            let _ = reader.send(answer);
        }
    }
}

/// Asks until somebody answers.
async fn answer(client: &Client, local: Option<&LocalLedger>) -> NowAnswer {
    loop {
        if let Some(ledger) = local
            && let Some(answer) = here(ledger).await
        {
            return answer;
        }
        if let Some(answer) = elsewhere(client).await {
            return answer;
        }
        sleep(PAUSE).await;
    }
}

async fn here(ledger: &LocalLedger) -> Option<NowAnswer> {
    let (answer, heard) = oneshot::channel();
    ledger.questions.send(LocalQuestion { answer }).await.ok()?;
    timeout(ANSWER_TIMEOUT, heard).await.ok()?.ok()
}

async fn elsewhere(client: &Client) -> Option<NowAnswer> {
    let answer = nats::ask(client, subjects::NOW, Bytes::new(), ANSWER_TIMEOUT).await?;
    serde_json::from_slice(&answer).ok()
}
