//! The log as JSON lines: facts after a revision, in order, and on request for as long as the client reads.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use rutter_apimachinery::status::Status;
use rutter_schemas::Revision;
use rutter_schemas::protocol::ledger::{Fact, HistoryAnswer, HistoryQuery};

use crate::Gateway;
use crate::body::{self, Body, BodyError};
use crate::encode::respond;
use crate::request::Query;
use crate::request::options::{At, parse_revision};

/// Facts asked of a ledger at once.
const PAGE: u32 = 500;
/// How often a quiet connection is looked at.
const LOOK: Duration = Duration::from_secs(30);

/// # Errors
/// 400 for a revision that is none, 410 for one that was skipped, 503 when no ledger answers.
pub(super) async fn serve(gateway: &Gateway, query: &Query) -> Result<Response<Body>, Status> {
    let from = query.get("from").map_or(Ok(Revision::NONE), parse_revision)?;
    let until = gateway.store.read(At::Latest).await?.revision();
    let mut reader = Reader {
        gateway: gateway.clone(),
        at: from,
        follow: query.flag("follow"),
        until,
        page: VecDeque::new(),
    };
    // The first page is asked for before the answer begins, so that a refusal is one.
    reader.fill().await?;
    let lines = futures::stream::try_unfold(reader, |mut reader| async move {
        let line = reader.next().await.map_err(|status| BodyError::from(status.message))?;
        Ok::<_, BodyError>(line.map(|line| (line, reader)))
    });
    Ok(respond::with_body(StatusCode::OK, "application/json;stream=log", body::stream(lines)))
}

struct Reader {
    gateway: Gateway,
    at: Revision,
    follow: bool,
    /// Where the log stood when the question came.
    until: Revision,
    page: VecDeque<Fact>,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(fact) = self.page.pop_front() {
                self.at = fact.revision;
                let mut line = serde_json::to_vec(&fact).expect("plain data");
                line.push(b'\n');
                return Ok(Some(line.into()));
            }
            if !self.follow && self.at >= self.until {
                return Ok(None);
            }
            if self.at >= self.gateway.store.view().revision() {
                self.gateway.store.wait_for(self.at.next(), LOOK).await;
                continue;
            }
            self.fill().await?;
            if self.page.is_empty() && !self.follow {
                return Ok(None);
            }
        }
    }

    async fn fill(&mut self) -> Result<(), Status> {
        if self.at >= self.gateway.store.view().revision() {
            return Ok(());
        }
        match self.gateway.store.history(HistoryQuery::Log { after: self.at, limit: PAGE }).await? {
            HistoryAnswer::Facts { facts, .. } => {
                self.page = facts.into();
                Ok(())
            }
            HistoryAnswer::Unknown { reason } => Err(Status::expired(reason)),
            HistoryAnswer::Object { .. } | HistoryAnswer::Objects { .. } | HistoryAnswer::Behind { .. } => {
                Err(Status::internal("the ledger answered another question"))
            }
        }
    }
}
