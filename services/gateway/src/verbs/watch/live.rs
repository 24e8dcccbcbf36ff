//! A watch's life: the past first, then what the hub hands out, bookmarks between, until it ends.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rutter_apimachinery::status::Status;
use rutter_schemas::{Key, Meta, Revision};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, MissedTickBehavior};

use super::hub::{Batch, Live};
use super::past::{self, Stop};
use super::{Watch, convert, encoding};
use crate::convert::webhook;

/// How often a bookmark is told to one who asked (upstream: about once a minute).
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// How long a client may not read at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a watch to its end.
pub(super) async fn run(watch: Watch, live: Live) {
    let (watch, told) = if webhook::asked(&watch.call.resource).is_some() {
        let told = convert::tell(&watch).await;
        (watch, told)
    } else {
        match tokio::task::spawn_blocking(move || {
            let told = past::tell(&watch);
            (watch, told)
        })
        .await
        {
            Ok(done) => done,
            Err(error) => return tracing::error!(%error, "a watch's past could not be told"),
        }
    };
    let ended = match told {
        Ok(at) => follow(&watch, live, at).await,
        Err(stop) => Err(stop),
    };
    if let Err(Stop::Failed(status)) = ended {
        let _ = send(&watch, encoding::error(&status, watch.encoding.accept.format)).await;
    }
}

async fn follow(watch: &Watch, mut live: Live, mut at: Revision) -> Result<(), Stop> {
    let mut bookmarks = tokio::time::interval_at(Instant::now() + BOOKMARK_EVERY, BOOKMARK_EVERY);
    let mut known = None;
    bookmarks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = watch.out.closed() => return Err(Stop::Gone),
            () = tokio::time::sleep_until(watch.deadline) => return Ok(()),
            batch = live.batches.recv() => match batch {
                // The client goes on from its last revision, by what holds now.
                Ok(_) if convert::is_superseded(watch, &mut known) => return Ok(()),
                Ok(batch) => at = tell(watch, &batch, at).await?,
                Err(RecvError::Lagged(frames)) => return Err(slow(frames)),
                // The hub begins anew, or the gateway stops: the client comes back with its last revision.
                Err(RecvError::Closed) => return Ok(()),
            },
            _ = bookmarks.tick(), if watch.bookmarks => at = bookmark(watch, &mut live, at).await?,
        }
    }
}

/// Tells what concerns this watch, in one piece; answers where it stands.
async fn tell(watch: &Watch, batch: &Batch, at: Revision) -> Result<Revision, Stop> {
    let selects = |key: &Key, meta: &Meta| watch.selection.selects(key, meta);
    let (store, resource) = (&watch.call.gateway.store, &*watch.call.resource);
    let mut told = Vec::new();
    let mut stands = at;
    let converted = convert::in_version(watch, batch, at).await?;
    for event in converted.as_deref().unwrap_or(&batch.events) {
        if event.revision() <= at {
            continue;
        }
        stands = event.revision();
        let Some(kind) = event.concerns(&watch.interest, &selects) else { continue };
        told.push(event.encoded(kind, watch.next_encoding(), resource, store)?);
    }
    match told.len() {
        0 => {}
        // The shared buffer itself.
        1 => send(watch, told.remove(0)).await?,
        _ => send(watch, joined(&told)).await?,
    }
    Ok(stands)
}

fn joined(pieces: &[Bytes]) -> Bytes {
    let mut all = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    pieces.iter().for_each(|piece| all.extend_from_slice(piece));
    all.freeze()
}

/// A bookmark says that everything up to a revision was told, so what waits is told first.
async fn bookmark(watch: &Watch, live: &mut Live, mut at: Revision) -> Result<Revision, Stop> {
    let handed = *live.handed.borrow();
    loop {
        match live.batches.try_recv() {
            Ok(batch) => at = tell(watch, &batch, at).await?,
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            Err(TryRecvError::Lagged(frames)) => return Err(slow(frames)),
        }
    }
    at = at.max(handed);
    send(watch, encoding::bookmark(at, false, watch.encoding, &watch.call.resource)?).await?;
    Ok(at)
}

pub(super) async fn send(watch: &Watch, piece: Bytes) -> Result<(), Stop> {
    match tokio::time::timeout(PATIENCE, watch.out.send(Ok(piece))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Stop::Gone),
    }
}

/// 429: client-go goes on from its last revision, which any revision is.
fn slow(frames: u64) -> Stop {
    let words = format!("the watch was too slow: {frames} frames passed while the client did not read");
    Stop::Failed(Status::too_many_requests(&words, 1))
}
