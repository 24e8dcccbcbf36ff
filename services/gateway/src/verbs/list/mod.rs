//! LIST: one revision over all pages, selectors on the records' meta, stored bytes copied into the answer chunk by
//! chunk. Memory is bounded by a chunk, or for a limited list by a page of at most 8 MiB, whatever the list's length.

mod gather;
mod page;
mod token;
mod write;

use bytes::Bytes;
use futures::StreamExt;
use http::{Response, StatusCode};
use rutter_apimachinery::status::Status;
use rutter_projection::Snapshot;
use rutter_schemas::Revision;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::body::{self, Body, BodyError};
use crate::chain::Call;
use crate::convert::webhook;
use crate::encode::{gzip, object, respond};
use crate::request::options::{At, ListOptions};
use crate::store::Store;
pub use gather::gathered;
pub use page::{Page, Selection};
pub use token::Token;
pub use write::{Sink, item};

/// Chunks that wait for the client.
const WAITING: usize = 4;

/// # Errors
/// What reading, the options and the token may refuse.
pub async fn serve(call: Call) -> Result<Response<Body>, Status> {
    let mut options = ListOptions::of_list(&call.query)?;
    options.fields.convert(&call.resource)?;
    let include = object::include(&call.query)?;
    let mut wanted = wanted(&call, options).await?;
    wanted.gathered = converted(&call, &wanted).await?;
    let media_type = object::media_type(call.accept);
    let (sender, chunks) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || write::list(&call, wanted, include, Sink::new(sender)));
    whole_or_streamed(chunks, &media_type).await
}

/// What a list reads: a snapshot, as of a revision, from a place on.
pub struct Wanted {
    pub snapshot: Snapshot,
    /// The revision of the list; the snapshot's own, or one in its past.
    pub revision: Revision,
    pub selection: Selection,
    pub limit: usize,
    /// How many are left after the page before, when a token told it.
    pub remaining: Option<u64>,
    /// Seconds since the epoch of the first page: until when the token holds.
    pub began: i64,
    /// What is told, where it had to be converted before.
    pub gathered: Option<Page>,
}

async fn converted(call: &Call, wanted: &Wanted) -> Result<Option<Page>, Status> {
    if webhook::asked(&call.resource).is_none() {
        return Ok(None);
    }
    let Wanted { snapshot, revision, selection, limit, .. } = wanted;
    let all = gathered(call, snapshot, *revision, selection, *limit).await?;
    let objects = all.found.into_iter().map(|(_, record)| record.object).collect();
    Ok(Some(Page { objects, more_behind: all.more_behind }))
}

async fn wanted(call: &Call, options: ListOptions) -> Result<Wanted, Status> {
    let store = &call.gateway.store;
    let selection = Selection::of(call, &options);
    let now = jiff::Timestamp::now().as_second();
    let (at, selection, remaining, began) = match &options.continue_token {
        None => (options.at, selection, None, now),
        Some(text) => {
            let token = Token::decode(text)?;
            let selection = selection.after(token.start(call)?);
            match token.revision() {
                // The inconsistent continue: goes on with what is now.
                None => (At::Latest, selection, None, now),
                Some(_) if token.has_expired(now) => return Err(token.expired()),
                Some(revision) => (At::Exact(revision), selection, token.remaining, token.began),
            }
        }
    };
    let (snapshot, revision) = reading(call, store, at).await?;
    Ok(Wanted { snapshot, revision, selection, limit: options.limit, remaining, began, gathered: None })
}

/// A snapshot that shows `at`: pinned ones first, for a gateway that keeps no history.
async fn reading(call: &Call, store: &Store, at: At) -> Result<(Snapshot, Revision), Status> {
    let At::Exact(revision) = at else {
        let snapshot = store.read(at).await?;
        let revision = snapshot.revision();
        return Ok((snapshot, revision));
    };
    if let Some(pinned) = call.gateway.pins.get(revision) {
        return Ok((pinned, revision));
    }
    let snapshot = store.read(at).await?;
    let revision = snapshot.as_of(revision).map_err(crate::store::read::refused)?;
    Ok((snapshot, revision))
}

/// A short answer goes in one piece, with its length; a longer one as the client takes it.
async fn whole_or_streamed(
    mut chunks: mpsc::Receiver<Result<Bytes, Status>>,
    media_type: &str,
) -> Result<Response<Body>, Status> {
    let first =
        chunks.recv().await.unwrap_or_else(|| Err(Status::internal("the list ended before it began")))?;
    let Some(second) = chunks.recv().await else {
        return Ok(respond::bytes(StatusCode::OK, media_type, first));
    };
    let rest = ReceiverStream::new(chunks);
    let all = futures::stream::iter([Ok(first), second]).chain(rest);
    let body = body::stream(all.map(|chunk| chunk.map_err(|status| BodyError::from(status.message))));
    let mut response = respond::with_body(StatusCode::OK, media_type, body);
    response.extensions_mut().insert(gzip::Large);
    Ok(response)
}
