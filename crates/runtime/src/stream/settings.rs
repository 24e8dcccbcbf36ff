//! The stream's settings: made once, checked at every start.
//!
//! What may change while the log lives (its share of the disk, its replicas) is changed; what would endanger
//! it (an age limit, another discard policy) is refused with what to do.

use bytes::Bytes;
use rutter_schemas::{limits, subjects};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{API_TIMEOUT, LogStream, StreamError};

/// How many servers hold the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replicas {
    One,
    Three,
}

impl Replicas {
    /// As JetStream counts them.
    #[must_use]
    pub fn count(self) -> u32 {
        match self {
            Replicas::One => 1,
            Replicas::Three => 3,
        }
    }
}

/// What a ledger wants of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamSettings {
    pub replicas: Replicas,
    /// The share of the disk; beyond it appends are refused, nothing old is dropped.
    pub max_bytes: u64,
}

#[derive(Deserialize)]
struct Found {
    config: Value,
}

pub(super) async fn ensure(stream: &LogStream, settings: &StreamSettings) -> Result<(), StreamError> {
    let name = subjects::STREAM;
    let found = stream.ask::<Found>(&format!("STREAM.INFO.{name}"), Bytes::new()).await;
    let verb = match found {
        Ok(found) => {
            check(&found.config)?;
            if agrees(&found.config, settings) {
                return Ok(());
            }
            "UPDATE"
        }
        Err(StreamError::Missing) => "CREATE",
        Err(error) => return Err(error),
    };
    let request = config(settings).to_string();
    stream.api::<Found>(&format!("STREAM.{verb}.{name}"), request.into(), API_TIMEOUT).await.map(|_| ())
}

fn config(settings: &StreamSettings) -> Value {
    json!({
        "name": subjects::STREAM,
        "subjects": [subjects::LOG],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "num_replicas": settings.replicas.count(),
        "max_bytes": settings.max_bytes,
        "max_age": 0,
        "max_msgs": -1,
        "max_msgs_per_subject": -1,
        "max_msg_size": limits::FRAME + 64 * 1024,
        "max_consumers": -1,
        "deny_delete": true,
        "deny_purge": false,
        "allow_direct": false,
        "allow_rollup_hdrs": false,
        "compression": "none",
    })
}

fn agrees(found: &Value, settings: &StreamSettings) -> bool {
    found["num_replicas"] == settings.replicas.count() && found["max_bytes"] == settings.max_bytes
}

/// Whether nothing in the settings can lose or reorder what was acknowledged.
fn check(found: &Value) -> Result<(), StreamError> {
    let wanted = [
        ("subjects", json!([subjects::LOG]), "one subject keeps the log in one order"),
        ("retention", json!("limits"), "anything else drops what was read"),
        ("storage", json!("file"), "memory does not survive"),
        ("discard", json!("new"), "\"old\" drops what was acknowledged"),
        ("max_age", json!(0), "an age limit drops what was acknowledged"),
        ("max_msgs", json!(-1), "a limit of messages blocks the log"),
        ("deny_delete", json!(true), "single frames must not go"),
    ];
    let mistakes: Vec<String> = wanted
        .iter()
        .filter(|(name, value, _)| found.get(name).unwrap_or(&Value::Null) != value)
        .map(|(name, value, why)| format!("{name} must be {value}, since {why}"))
        .collect();
    if mistakes.is_empty() { Ok(()) } else { Err(StreamError::Settings { mistakes }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: StreamSettings = StreamSettings { replicas: Replicas::One, max_bytes: 1 << 30 };

    #[test]
    fn our_own_settings_pass_our_check() {
        assert!(check(&config(&SETTINGS)).is_ok());
        assert!(agrees(&config(&SETTINGS), &SETTINGS));
    }

    #[test]
    fn settings_that_would_lose_events_are_refused_each_with_its_reason() {
        let mut found = config(&SETTINGS);
        found["discard"] = "old".into();
        found["max_age"] = 60.into();
        let refused = check(&found).unwrap_err().to_string();
        assert!(
            refused.contains("discard must be \"new\"") && refused.contains("max_age must be 0"),
            "{refused}"
        );
    }
}
