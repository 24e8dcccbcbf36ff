//! Keeping the view: the one task that follows the log and applies it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use rutter_log::{FollowError, Followed, Follower};
use rutter_projection::{Loader, Projection};
use rutter_schemas::{Frame, Hash};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::open::{self, Standing};
use super::{Applied, Fed, Health, View, ViewOptions};
use crate::stream::{Delivery, Follow, LogStream, StreamInfo};

/// From this many frames or bytes on, an empty projection is loaded in bulk.
const BULK_FRAMES: u64 = 2_000;
const BULK_BYTES: u64 = 16 << 20;
/// Frames that may be read ahead of the bulk load.
const BULK_AHEAD: usize = 256;
/// Frames between two reports of progress.
const REPORT_FRAMES: u64 = 500;
/// Between two looks at what nothing tells of: a stream that is unfit, a disk that was full.
const RETRY: Duration = Duration::from_secs(1);
/// Between two looks at a stream that is away: each look waits for it long enough.
const AWAY: Duration = Duration::from_millis(100);
/// Between two looks at a quiet stream: one that was exchanged behind our back brings no frames.
const LOOK: Duration = Duration::from_secs(5);
/// Frames above this size are applied where blocking hurts nobody.
const LARGE_FRAME_BYTES: usize = 64 << 10;

/// What ends the keeping of a view, other than being asked to.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("frame {sequence} can't be applied")]
    Apply { sequence: u64, source: rutter_projection::Error },
    #[error("the log can't be followed")]
    Follow(#[from] FollowError),
    #[error("the projection can't be rebuilt")]
    Rebuild(#[from] rutter_projection::OpenError),
    #[error("the projection can't be loaded")]
    Load(#[source] rutter_projection::Error),
}

impl Stop {
    fn lacks_room(&self) -> bool {
        match self {
            Stop::Apply { source, .. } | Stop::Load(source) => source.lacks_room(),
            Stop::Follow(_) | Stop::Rebuild(_) => false,
        }
    }
}

pub(super) async fn keep(
    view: View,
    mut projection: Projection,
    stream: LogStream,
    options: ViewOptions,
    mut feed: mpsc::Receiver<Fed>,
    stop: CancellationToken,
) {
    let work = async {
        while let Err(error) = follow(&view, projection, &stream, &options, &mut feed).await {
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(%error, %source, "the view stops");
            view.0.health.send_replace(Health::Unfit { why: format!("{error}: {source}") });
            if !error.lacks_room() {
                std::future::pending::<()>().await;
            }
            projection = opened_again(&view, &options).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => {}
    }
}

/// The projection once it can be opened, which is when there is room again and whoever reads the old one has let go.
async fn opened_again(view: &View, options: &ViewOptions) -> Projection {
    view.0.projection.store(None);
    loop {
        sleep(RETRY).await;
        match open::open(options) {
            Ok(projection) => return projection,
            Err(why) => tracing::warn!(%why, "the projection can't be opened again yet"),
        }
    }
}

async fn follow(
    view: &View,
    projection: Projection,
    stream: &LogStream,
    options: &ViewOptions,
    feed: &mut mpsc::Receiver<Fed>,
) -> Result<(), Stop> {
    let projection = settle(view, projection, stream, options).await?;
    let mut follower = open::follower(&projection);
    let mut frames = stream.follow(follower.cursor().sequence + 1).lagging(options.lag);
    let projection = load(view, projection, &mut follower, &mut frames, stream).await?;
    view.0.revision.send_replace(projection.cursor().revision);
    view.0.projection.store(Some(Arc::new(projection)));
    let mut target = wait_last(stream).await;
    let mut swept = false;
    loop {
        let done = follower.cursor().sequence;
        tell_progress(view, done, target);
        if !swept && done >= target {
            swept = true;
            sweep(options);
        }
        let news = tokio::select! {
            delivery = frames.next() => News::Delivered(delivery),
            Some(fed) = feed.recv() => News::Fed(fed),
            () = sleep(LOOK) => News::Quiet,
        };
        match news {
            News::Delivered(Delivery::Frame(sequence, bytes)) => {
                take(view, &mut follower, &mut frames, sequence, &bytes)?;
            }
            News::Fed(Fed::Frame(sequence, bytes)) if sequence <= done + 1 => {
                frames.pause();
                take(view, &mut follower, &mut frames, sequence, &bytes)?;
                if feed.is_empty() && view.0.feed_overflowed.swap(false, Ordering::AcqRel) {
                    frames.resume(follower.cursor().sequence + 1);
                }
            }
            // The feed is ahead: what lies between comes from the stream.
            News::Fed(Fed::Frame(..)) => frames.resume(done + 1),
            News::Fed(Fed::End) => frames.restart(done + 1),
            News::Delivered(Delivery::Subscribed) => {
                wait_until_fit(view, stream, &mut follower).await;
                target = target.max(wait_last(stream).await);
                if target > follower.cursor().sequence {
                    frames.resume(follower.cursor().sequence + 1);
                }
            }
            News::Quiet => {
                wait_until_fit(view, stream, &mut follower).await;
                target = target.max(wait_last(stream).await);
                // There is more than what came, whichever way it should have come by.
                if target > follower.cursor().sequence {
                    frames.restart(follower.cursor().sequence + 1);
                }
            }
        }
    }
}

/// Now that ours has caught up, nobody needs what an earlier program kept in another layout.
fn sweep(options: &ViewOptions) {
    match Projection::remove_other_layouts(&options.dir) {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "removed projections of other layouts"),
        Err(error) => tracing::warn!(%error, "projections of other layouts can't be removed"),
    }
}

/// What wakes the keeper of a view.
enum News {
    Delivered(Delivery),
    Fed(Fed),
    /// Nothing for a while.
    Quiet,
}

/// Before anything is served: is the log still the one that this projection was made from?
async fn settle(
    view: &View,
    projection: Projection,
    stream: &LogStream,
    options: &ViewOptions,
) -> Result<Projection, Stop> {
    let mut follower = open::follower(&projection);
    loop {
        match open::standing(stream, &mut follower).await {
            Ok(Standing::Same) => return Ok(projection),
            Ok(Standing::MadeAnew { why }) => {
                tracing::warn!(%why, "the log was made anew: rebuilding the projection from it");
                tell(view, Health::Replaying { done: 0, of: 0 });
                drop(projection);
                Projection::discard(&options.dir)?;
                return Ok(Projection::open(&options.dir, options.projection)?);
            }
            Ok(Standing::Other { why }) => tell_unfit(view, &why),
            Err(error) => tracing::info!(%error, "waiting for the log"),
        }
        sleep(RETRY).await;
    }
}

/// Loads in bulk what an empty projection has to catch up with.
async fn load(
    view: &View,
    projection: Projection,
    follower: &mut Follower,
    frames: &mut Follow,
    stream: &LogStream,
) -> Result<Projection, Stop> {
    let StreamInfo { last, bytes, .. } = wait_info(stream).await;
    let much = last >= BULK_FRAMES || bytes >= BULK_BYTES;
    if follower.cursor().sequence > 0 || !much {
        return Ok(projection);
    }
    let loader = projection.load().map_err(Stop::Load)?;
    let (hand, taken) = mpsc::channel(BULK_AHEAD);
    let loading = tokio::task::spawn_blocking(move || bulk(loader, taken));
    while follower.cursor().sequence < last {
        let Delivery::Frame(sequence, bytes) = frames.next().await else { continue };
        let Some(frame) = admit(follower, frames, sequence, &bytes)? else { continue };
        // It fails when loading failed, which is told below.
        if hand.send((sequence, frame, follower.cursor().hash)).await.is_err() {
            break;
        }
        if sequence.is_multiple_of(REPORT_FRAMES) {
            tell_progress(view, sequence, last);
        }
    }
    drop(hand);
    loading.await.unwrap_or_else(|bug| std::panic::resume_unwind(bug.into_panic()))
}

/// Applies what is handed over, beside the task that reads and checks the next frames.
fn bulk(mut loader: Loader, mut taken: mpsc::Receiver<(u64, Frame, Hash)>) -> Result<Projection, Stop> {
    while let Some((sequence, frame, hash)) = taken.blocking_recv() {
        loader.apply(sequence, &frame, hash).map_err(|source| Stop::Apply { sequence, source })?;
    }
    loader.finish().map_err(Stop::Load)
}

fn take(
    view: &View,
    follower: &mut Follower,
    frames: &mut Follow,
    sequence: u64,
    bytes: &Bytes,
) -> Result<(), Stop> {
    let Some(projection) = view.0.projection.load_full() else { return Ok(()) };
    let Some(frame) = admit(follower, frames, sequence, bytes)? else { return Ok(()) };
    let hash = follower.cursor().hash;
    let large = bytes.len() > LARGE_FRAME_BYTES;
    let changes = blocking(large, || projection.apply(sequence, &frame, hash))
        .map_err(|source| Stop::Apply { sequence, source })?;
    let revision = follower.cursor().revision;
    view.0.revision.send_replace(revision);
    if !changes.is_empty() {
        view.0.applied.push(Applied::new(sequence, revision, frame, changes), bytes.len());
    }
    Ok(())
}

/// The frame, if it is the next. After a gap the subscription starts again behind the cursor.
fn admit(
    follower: &mut Follower,
    frames: &mut Follow,
    sequence: u64,
    bytes: &Bytes,
) -> Result<Option<Frame>, FollowError> {
    match follower.follow(sequence, bytes) {
        Ok(Followed::Next(frame)) => Ok(Some(frame)),
        Ok(Followed::Repeat) => Ok(None),
        Err(FollowError::Gap { expected, got }) => {
            tracing::warn!(expected, got, "frames were skipped, subscribing again");
            frames.restart(expected);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Compares the stream with where we stand until they agree; nothing is served meanwhile.
async fn wait_until_fit(view: &View, stream: &LogStream, follower: &mut Follower) {
    loop {
        match open::standing(stream, follower).await {
            Ok(Standing::Same) => return,
            Ok(Standing::Other { why }) => tell_unfit(view, &why),
            Ok(Standing::MadeAnew { why }) => {
                let why =
                    format!("{why}; the log was made anew: start this process again to rebuild its view");
                tell(view, Health::Unfit { why });
            }
            // The log is away: what was applied stays true, and is served by the rules of the gateway.
            Err(error) => {
                tracing::debug!(%error, "the log can't be asked");
                sleep(AWAY).await;
                continue;
            }
        }
        sleep(RETRY).await;
    }
}

async fn wait_last(stream: &LogStream) -> u64 {
    wait_info(stream).await.last
}

async fn wait_info(stream: &LogStream) -> StreamInfo {
    loop {
        match stream.info().await {
            Ok(info) => return info,
            Err(error) => tracing::debug!(%error, "the log can't be asked"),
        }
        sleep(AWAY).await;
    }
}

fn tell_progress(view: &View, done: u64, of: u64) {
    let told = view.0.health.borrow().clone();
    let health = match told {
        _ if done >= of => Health::Serving,
        // Once it serves, frames that are still on their way don't take that back.
        Health::Serving => return,
        Health::Replaying { done: told, of: known } if known > 0 && done < told + REPORT_FRAMES => return,
        _ => Health::Replaying { done, of },
    };
    tell(view, health);
}

fn tell_unfit(view: &View, why: &FollowError) {
    tell(view, Health::Unfit { why: why.to_string() });
}

fn tell(view: &View, health: Health) {
    view.0.health.send_if_modified(|old| {
        if *old == health {
            return false;
        }
        match &health {
            Health::Serving => tracing::info!("the view serves"),
            Health::Replaying { done, of } => tracing::info!(done, of, "replaying the log"),
            Health::Unfit { why } => {
                tracing::error!(why, "the log is not what this view was made from: nothing is served")
            }
        }
        *old = health;
        true
    });
}

/// Runs what may take long where it doesn't keep other tasks waiting.
fn blocking<T>(long: bool, work: impl FnOnce() -> T) -> T {
    let many =
        Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if long && many { tokio::task::block_in_place(work) } else { work() }
}
