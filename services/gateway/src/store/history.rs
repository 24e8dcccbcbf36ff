//! The past that this gateway's own view doesn't keep: any ledger answers.

use std::time::Duration;

use rutter_apimachinery::status::Status;
use rutter_schemas::protocol::ledger::{HistoryAnswer, HistoryQuery};
use rutter_schemas::subjects;

use super::Store;

const PATIENCE: Duration = Duration::from_secs(5);

impl Store {
    /// Asks about the past.
    ///
    /// # Errors
    /// 503 when no ledger answers, or one that is behind.
    pub async fn history(&self, query: HistoryQuery) -> Result<HistoryAnswer, Status> {
        let text = serde_json::to_vec(&query).expect("plain data");
        let request = async_nats::Request::new().payload(text.into()).timeout(Some(PATIENCE));
        let answer = self.nats.send_request(subjects::HISTORY, request).await;
        let answer = answer
            .map_err(|error| Status::unavailable(format!("no ledger answers about the past: {error}")))?;
        let answer = serde_json::from_slice(&answer.payload)
            .map_err(|error| Status::internal(&format!("the ledger's answer can't be read: {error}")))?;
        match answer {
            HistoryAnswer::Behind { at } => {
                Err(Status::unavailable(format!("the ledger that was asked has the log up to {at} only")))
            }
            answer => Ok(answer),
        }
    }
}
