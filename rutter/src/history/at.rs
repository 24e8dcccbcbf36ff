//! Points in time: a revision, a moment, or an age.

use anyhow::{Context, Result};
use jiff::{Span, Timestamp};
use rutter_schemas::Revision;
use serde_json::Value;

use super::{API, At};
use crate::cli::Output;
use crate::print;
use rutter_client::{Client, percent};

/// The revision that `when` means: `4711`, `2026-01-02T03:04:05Z`, or `10m` ago.
pub(super) async fn revision(client: &Client, when: &str) -> Result<Revision> {
    if let Ok(revision) = when.trim_start_matches('r').parse() {
        return Ok(revision);
    }
    let moment = moment(when, Timestamp::now())?;
    let at: At = client.get(&format!("{API}/revision?at={}", percent(&moment.to_string()))).await?;
    Ok(at.revision)
}

/// The revision that stands now.
pub(super) async fn now(client: &Client) -> Result<Revision> {
    let at: At = client.get(&format!("{API}/revision")).await?;
    Ok(at.revision)
}

fn moment(when: &str, now: Timestamp) -> Result<Timestamp> {
    if let Ok(moment) = when.parse() {
        return Ok(moment);
    }
    let say = || {
        format!(
            "{when:?} is neither a revision (4711), nor a time (2026-01-02T03:04:05Z), nor an age (10m, 2h)"
        )
    };
    let age: Span = when.parse().with_context(say)?;
    now.checked_sub(age).with_context(say)
}

/// A short table: name, age, revision; deeper looks are `-o json` and `-o yaml`.
pub(super) fn summary(found: &Value, output: Output) -> Result<()> {
    let items: Vec<&Value> = match found["items"].as_array() {
        Some(items) => items.iter().collect(),
        None => vec![found],
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    print::rows(output, &items, &["NAMESPACE", "NAME", "REVISION", "GENERATION", "CREATED", "UID"], |item| {
        let meta = &item["metadata"];
        vec![
            text(&meta["namespace"]),
            text(&meta["name"]),
            text(&meta["resourceVersion"]),
            meta["generation"].as_i64().map(|generation| generation.to_string()).unwrap_or_default(),
            text(&meta["creationTimestamp"]),
            text(&meta["uid"]),
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_counts_back_from_now() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        assert_eq!(moment("10m", now).unwrap().to_string(), "2026-01-02T02:54:05Z");
        assert_eq!(moment("2026-01-01T00:00:00Z", now).unwrap().to_string(), "2026-01-01T00:00:00Z");
    }

    #[test]
    fn nonsense_is_told_what_would_do() {
        let error = moment("yesterday", Timestamp::UNIX_EPOCH).unwrap_err().to_string();
        assert_eq!(
            error,
            "\"yesterday\" is neither a revision (4711), nor a time (2026-01-02T03:04:05Z), nor an age (10m, 2h)"
        );
    }
}
