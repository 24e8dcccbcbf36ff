//! Appending: a frame lands behind the sequence it expects, or not at all.
//!
//! What comes back is what was heard, not what happened: a time-out, and even a refusal, leave the fate of the
//! frame open (design §2, Fence). Who appends decides by what stands at the sequence.

use std::time::Duration;

use async_nats::client::{RequestError, RequestErrorKind};
use async_nats::{HeaderMap, Request};
use bytes::Bytes;
use rutter_schemas::subjects;
use serde::Deserialize;

use super::{LogStream, RawError, code};

/// How long to wait for an acknowledgement before the same bytes are sent again.
const ACK_TIMEOUT: Duration = Duration::from_secs(1);

/// What was heard of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// Written and synced, at this sequence.
    Acked(u64),
    /// Something else may stand there; or this very frame, not yet committed.
    Refused,
    /// Nothing was heard in time.
    TimedOut,
    /// The stream or its disk is full: nothing was written by this attempt.
    Full(String),
    /// JetStream can't take it now.
    Unavailable(String),
}

impl LogStream {
    /// Sends a frame to stand right behind `expected_last`, and waits a second for what the leader says.
    pub async fn append(&self, frame: Bytes, expected_last: u64) -> Appended {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Last-Sequence", expected_last.to_string().as_str());
        let request = Request::new().payload(frame).headers(headers).timeout(Some(ACK_TIMEOUT));
        match self.client.send_request(subjects::LOG, request).await {
            Ok(answer) => heard(&answer.payload),
            Err(error) => unheard(&error),
        }
    }
}

#[derive(Deserialize)]
struct Ack {
    #[serde(default)]
    seq: u64,
    error: Option<RawError>,
}

fn heard(answer: &[u8]) -> Appended {
    match serde_json::from_slice::<Ack>(answer) {
        Ok(Ack { seq, error: None }) => Appended::Acked(seq),
        Ok(Ack { error: Some(error), .. }) => refused(error),
        Err(error) => Appended::Unavailable(format!("an answer that is none: {error}")),
    }
}

fn refused(error: RawError) -> Appended {
    match error.err_code {
        wrong if code::WRONG_LAST.contains(&wrong) => Appended::Refused,
        full if code::STORE_FULL.contains(&full) => Appended::Full(error.description),
        other => Appended::Unavailable(format!("{} ({other})", error.description)),
    }
}

fn unheard(error: &RequestError) -> Appended {
    match error.kind() {
        RequestErrorKind::TimedOut => Appended::TimedOut,
        _ => Appended::Unavailable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_of_the_leader_has_its_meaning() {
        assert_eq!(heard(br#"{"stream":"RUTTER","seq":7}"#), Appended::Acked(7));
        let wrong = br#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 9"}}"#;
        assert_eq!(heard(wrong), Appended::Refused);
        let full = br#"{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}"#;
        assert_eq!(heard(full), Appended::Full("maximum bytes exceeded".to_owned()));
    }
}
