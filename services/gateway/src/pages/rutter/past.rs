//! Questions about the past, asked of any ledger.

use http::Response;
use jiff::Timestamp;
use rutter_apimachinery::status::Status;
use rutter_projection::Snapshot;
use rutter_schemas::protocol::ledger::{HistoryAnswer, HistoryQuery};
use rutter_schemas::{Key, Revision};
use serde_json::json;

use super::json_answer;
use crate::Gateway;
use crate::body::Body;
use crate::request::Query;
use crate::request::options::{At, parse_revision};
use crate::store::{failed, read};

/// Facts of one page, when the question doesn't say.
const PAGE: u32 = 500;

/// The revision that stands, or that stood at a time.
pub(super) async fn revision(gateway: &Gateway, query: &Query) -> Result<Response<Body>, Status> {
    let snapshot = gateway.store.read(At::Latest).await?;
    let revision = match query.get("at") {
        None => snapshot.revision(),
        Some(text) => {
            let at: Timestamp =
                text.parse().map_err(|_| Status::bad_request(format!("{text:?} is no RFC 3339 time")))?;
            stood_at(&snapshot, at)?
        }
    };
    Ok(json_answer(&json!({ "revision": revision })))
}

/// The last revision whose frame was stamped at or before `at`: times never go back, so halves lead to it.
fn stood_at(snapshot: &Snapshot, at: Timestamp) -> Result<Revision, Status> {
    let stamped = |revision: u64| -> Result<Option<Timestamp>, Status> {
        let event = snapshot.event(Revision(revision)).map_err(|error| failed(&error))?;
        Ok(event.and_then(|event| event.at.parse().ok()))
    };
    let head = snapshot.revision();
    let mut below = snapshot.floor().0.max(Revision::base_of(head.incarnation()).0);
    let mut above = head.0 + 1;
    while below + 1 < above {
        let middle = below + (above - below) / 2;
        match stamped(middle)? {
            Some(stamp) if stamp > at => above = middle,
            // What is not kept any more is older.
            Some(_) | None => below = middle,
        }
    }
    Ok(Revision(below))
}

/// Every event of an object, all that was acknowledged before the question among them.
pub(super) async fn history(gateway: &Gateway, query: &Query) -> Result<Response<Body>, Status> {
    let after = query.get("after").map_or(Ok(Revision::NONE), parse_revision)?;
    let limit = query.get("limit").and_then(|text| text.parse().ok()).unwrap_or(PAGE).clamp(1, 5_000);
    let key = key(query)?;
    let reaching = gateway.store.current().await?.revision();
    asked(gateway, HistoryQuery::History { key, after, reaching, limit }).await
}

/// An event and its causes.
pub(super) async fn why(gateway: &Gateway, query: &Query) -> Result<Response<Body>, Status> {
    let revision = match query.get("revision") {
        Some(text) => parse_revision(text)?,
        None => last_of(gateway, key(query)?).await?,
    };
    asked(gateway, HistoryQuery::Why { revision }).await
}

/// The last event of an object, also of one that is gone.
async fn last_of(gateway: &Gateway, key: Key) -> Result<Revision, Status> {
    let snapshot = gateway.store.read(At::Latest).await?;
    if let Some(record) = snapshot.get(&key).map_err(|error| failed(&error))? {
        return Ok(record.revision);
    }
    let last = snapshot.versions(&key).next().transpose().map_err(read::refused)?;
    last.map(|version| version.record.revision).ok_or_else(|| {
        Status::not_found(rutter_apimachinery::status::Subject::new(&key.group, &key.resource), &key.name)
    })
}

async fn asked(gateway: &Gateway, question: HistoryQuery) -> Result<Response<Body>, Status> {
    match gateway.store.history(question).await? {
        HistoryAnswer::Unknown { reason } => Err(Status::expired(reason)),
        answer => Ok(json_answer(&answer)),
    }
}

fn key(query: &Query) -> Result<Key, Status> {
    let part = |name| query.get(name).unwrap_or_default();
    if part("resource").is_empty() || part("name").is_empty() {
        return Err(Status::bad_request(
            "say which object: resource and name, and group and namespace where it has them",
        ));
    }
    Ok(Key::new(part("group"), part("resource"), part("namespace"), part("name")))
}
