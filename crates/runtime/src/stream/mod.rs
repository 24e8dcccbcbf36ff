//! The stream that is the log: one subject, one message per frame, appended only behind its last sequence.
//!
//! Everything here speaks to the stream's leader through JetStream's API (ADR-1 of nats-architecture-and-design);
//! nothing reads by direct get, which a follower could answer from the past.

mod append;
mod consumer;
mod follow;
mod late;
mod settings;

use std::time::Duration;

use async_nats::Client;
use async_nats::client::RequestErrorKind;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rutter_schemas::subjects;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

pub use append::Appended;
pub use follow::{Delivery, Follow};
pub use settings::{Replicas, StreamSettings};

/// How long an answer of JetStream's API may take.
const API_TIMEOUT: Duration = Duration::from_secs(5);
/// What only asks is asked again, beside the first question, after this: a question that comes while the stream has no
/// leader is lost, and one that is answered slowly isn't.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// JetStream's error codes that mean something here
/// (nats-server `server/errors.json`).
mod code {
    pub(super) const NOT_ENABLED: u64 = 10_076;
    pub(super) const STREAM_NOT_FOUND: u64 = 10_059;
    pub(super) const NO_MESSAGE: u64 = 10_037;
    pub(super) const WRONG_LAST: [u64; 2] = [10_071, 10_164];
    pub(super) const STORE_FULL: [u64; 2] = [10_077, 10_023];
}

/// The log's stream, as one client sees it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LogStream {
    client: Client,
}

/// What the stream's leader says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamInfo {
    /// The sequence of the first message that is still there; 1 more than `last` when there is none.
    pub first: u64,
    /// The sequence of the last message; 0 before the first append.
    pub last: u64,
    pub bytes: u64,
    /// The stream's limit; none when unlimited.
    pub max_bytes: Option<u64>,
    pub replicas: u32,
    /// When it was made, RFC 3339: tells one making of the stream from another.
    pub created: String,
}

/// Why the stream can't be used or read.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error("there is no stream {} yet: start a ledger, which makes it", subjects::STREAM)]
    Missing,
    #[error("nats-server runs without JetStream, or has turned it off for lack of disk: see its log")]
    NotEnabled,
    #[error("the stream {} can't be the log: {}", subjects::STREAM, mistakes.join("; "))]
    Settings { mistakes: Vec<String> },
    #[error("JetStream does not answer")]
    Silent(#[source] async_nats::client::RequestError),
    #[error("cannot listen to what JetStream delivers")]
    Subscribe(#[source] async_nats::SubscribeError),
    #[error("JetStream refuses: {description} ({code})")]
    Refused { code: u64, description: String },
    #[error("JetStream's answer is not what it should be")]
    Answer(#[source] serde_json::Error),
}

impl LogStream {
    /// The stream, found as it is: for those who read.
    ///
    /// # Errors
    /// [`StreamError::Missing`] before the first ledger made it; others when JetStream does not answer.
    pub async fn open(client: Client) -> Result<LogStream, StreamError> {
        let stream = LogStream { client };
        stream.info().await?;
        Ok(stream)
    }

    /// The stream, made or brought to these settings: for a ledger.
    ///
    /// # Errors
    /// [`StreamError::Settings`] when it exists with settings that endanger the log and can't be changed.
    pub async fn ensure(client: Client, settings: &StreamSettings) -> Result<LogStream, StreamError> {
        let stream = LogStream { client };
        settings::ensure(&stream, settings).await?;
        Ok(stream)
    }

    /// What the leader says of the stream, now.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn info(&self) -> Result<StreamInfo, StreamError> {
        let raw: RawInfo = self.ask(&format!("STREAM.INFO.{}", subjects::STREAM), Bytes::new()).await?;
        Ok(raw.into())
    }

    /// The sequence of the last message, from the leader; 0 before the first append.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn last(&self) -> Result<u64, StreamError> {
        Ok(self.info().await?.last)
    }

    /// What stands at a sequence, from the leader; none when nothing does (yet, or any more).
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn read(&self, sequence: u64) -> Result<Option<Bytes>, StreamError> {
        let request = Bytes::from(format!("{{\"seq\":{sequence}}}"));
        let answer = self.ask::<RawMessage>(&format!("STREAM.MSG.GET.{}", subjects::STREAM), request).await;
        match answer {
            Ok(raw) => Ok(Some(raw.message.data.0)),
            Err(StreamError::Refused { code: code::NO_MESSAGE, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every frame from `sequence` on, for as long as it is polled.
    #[must_use]
    pub fn follow(&self, sequence: u64) -> Follow {
        Follow::new(self.clone(), sequence)
    }

    /// The connection it is reached by.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Asks what may be asked any number of times.
    async fn ask<T: DeserializeOwned>(&self, verb: &str, request: Bytes) -> Result<T, StreamError> {
        let mut asked = FuturesUnordered::new();
        loop {
            asked.push(self.api(verb, request.clone(), API_TIMEOUT));
            // The first runs out of time before any other does, and nobody leads then.
            if let Ok(Some(answer)) = timeout(ASK_AGAIN, asked.next()).await {
                return answer;
            }
        }
    }

    async fn api<T: DeserializeOwned>(
        &self,
        verb: &str,
        request: Bytes,
        patience: Duration,
    ) -> Result<T, StreamError> {
        let request = async_nats::Request::new().payload(request).timeout(Some(patience));
        let answer = self.client.send_request(format!("$JS.API.{verb}"), request).await;
        let answer = answer.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => StreamError::NotEnabled,
            _ => StreamError::Silent(error),
        })?;
        parse(&answer.payload)
    }
}

/// An API answer, or the error in its place.
fn parse<T: DeserializeOwned>(answer: &[u8]) -> Result<T, StreamError> {
    let envelope: RawAnswer = serde_json::from_slice(answer).map_err(StreamError::Answer)?;
    match envelope.error {
        None => serde_json::from_slice(answer).map_err(StreamError::Answer),
        Some(error) => Err(error.into()),
    }
}

#[derive(Deserialize)]
struct RawAnswer {
    error: Option<RawError>,
}

#[derive(Deserialize)]
struct RawError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

impl From<RawError> for StreamError {
    fn from(error: RawError) -> StreamError {
        match error.err_code {
            code::STREAM_NOT_FOUND => StreamError::Missing,
            code::NOT_ENABLED => StreamError::NotEnabled,
            code => StreamError::Refused { code, description: error.description },
        }
    }
}

#[derive(Deserialize)]
struct RawInfo {
    config: RawLimits,
    state: RawState,
    created: String,
}

#[derive(Deserialize)]
struct RawLimits {
    max_bytes: i64,
    num_replicas: u32,
}

#[derive(Deserialize)]
struct RawState {
    bytes: u64,
    first_seq: u64,
    last_seq: u64,
}

impl From<RawInfo> for StreamInfo {
    fn from(raw: RawInfo) -> StreamInfo {
        StreamInfo {
            first: raw.state.first_seq,
            last: raw.state.last_seq,
            bytes: raw.state.bytes,
            max_bytes: u64::try_from(raw.config.max_bytes).ok(),
            replicas: raw.config.num_replicas,
            created: raw.created,
        }
    }
}

#[derive(Deserialize)]
struct RawMessage {
    message: RawStored,
}

#[derive(Deserialize)]
struct RawStored {
    data: Base64,
}

struct Base64(Bytes);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Base64, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text.as_ref()).map_err(serde::de::Error::custom)?;
        Ok(Base64(bytes.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_an_answer_becomes_an_error() {
        let answer =
            br#"{"type":"x","error":{"code":404,"err_code":10059,"description":"stream not found"}}"#;
        assert!(matches!(parse::<RawInfo>(answer), Err(StreamError::Missing)));
    }

    #[test]
    fn a_stored_message_is_decoded() {
        let answer = br#"{"message":{"subject":"rutter.log","seq":3,"data":"aGk=","time":"t"}}"#;
        assert_eq!(parse::<RawMessage>(answer).unwrap().message.data.0, "hi");
    }
}
