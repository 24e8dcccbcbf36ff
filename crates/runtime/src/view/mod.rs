//! What a process knows: one projection, kept by one follower, read by every service in it.
//!
//! What it keeps true: a view shows only what the log says and goes on from what it showed before. When the
//! stream no longer holds what the view stands on (it lost its tail, or was restored), the view stops serving
//! and says so ([`Health::Unfit`]); it is rebuilt on its own only from a log that was openly made anew.
//!
//! ```text
//!             caught up                 the log is not ours
//! Replaying ────────────▶ Serving ◀───────────────────────▶ Unfit
//! ```

mod backlog;
mod keep;
mod open;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use rutter_controller::Fact;
use rutter_projection::{Change, OpenError, Options, Projection, Record, Snapshot};
use rutter_schemas::{Frame, Key, Op, Revision};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use backlog::Backlog;
pub use backlog::Frames;

use crate::shutdown::Stage;
use crate::stream::{LogStream, StreamError};

/// Frames of the own ledger that may wait to be applied.
const FED_FRAMES: usize = 64;

/// A process's view of the log. Cheap to clone.
#[derive(Clone)]
pub struct View(Arc<Inner>);

struct Inner {
    incarnation_at_start: u32,
    projection: ArcSwapOption<Projection>,
    revision: watch::Sender<Revision>,
    health: watch::Sender<Health>,
    applied: Backlog,
    feed: mpsc::Sender<Fed>,
    /// Something found no room in the feed.
    feed_overflowed: AtomicBool,
}

/// What the ledger of this process hands to the view directly, once the stream acknowledged it. The view checks it
/// like any delivery; what gets lost on this way comes from the stream.
enum Fed {
    Frame(u64, Bytes),
    /// The ledger is not active any more: follow the stream.
    End,
}

/// Where and how to keep the projection.
#[derive(Debug, Clone)]
pub struct ViewOptions {
    pub dir: PathBuf,
    /// With history in a process that runs a ledger.
    pub projection: Options,
    /// Every frame is applied this much later: zero but in tests that need a slow copy of a service.
    pub lag: Duration,
}

impl ViewOptions {
    /// A view that is as quick as it can be.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, projection: Options) -> ViewOptions {
        ViewOptions { dir: dir.into(), projection, lag: Duration::ZERO }
    }
}

/// One frame, applied.
#[derive(Debug)]
pub struct Applied {
    pub sequence: u64,
    /// The view's revision with this frame: always a commit's end.
    pub revision: Revision,
    pub frame: Frame,
    pub changes: Vec<Change>,
    facts: OnceLock<Vec<Fact>>,
    counted: OnceLock<Vec<Fact>>,
}

impl Applied {
    fn new(sequence: u64, revision: Revision, frame: Frame, changes: Vec<Change>) -> Applied {
        let (facts, counted) = Default::default();
        Applied { sequence, revision, frame, changes, facts, counted }
    }

    /// The changes as controllers learn them: made once and shared, so that an object is parsed once for all of them.
    #[must_use]
    pub fn facts(&self) -> &[Fact] {
        self.facts.get_or_init(|| self.changes.iter().filter_map(fact).collect())
    }

    /// What its commits counted, as controllers learn it.
    #[must_use]
    pub fn counted(&self) -> &[Fact] {
        self.counted.get_or_init(|| {
            let commits = self.frame.commits.iter();
            let counts = commits.flat_map(|commit| {
                commit.header.counters.iter().map(|count| Fact::of_count(commit.last(), count))
            });
            counts.collect()
        })
    }
}

fn fact(change: &Change) -> Option<Fact> {
    let record = change.after.as_ref().or(change.last.as_ref())?;
    Some(fact_of(&change.key, change.op, record))
}

/// What a record says, as controllers learn it.
pub(crate) fn fact_of(key: &Key, op: Op, record: &Record) -> Fact {
    let uid = record.uid.to_string();
    Fact::new(record.revision, op, key.clone(), uid, record.meta.clone(), record.object.clone())
}

/// Whether the view may be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Catching up after a start: frames done, frames there are.
    Replaying {
        done: u64,
        of: u64,
    },
    Serving,
    /// The log is not the one this view was made from, or can't be read. Nothing is served; in words for people.
    Unfit {
        why: String,
    },
}

/// Why there is no view.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("the view is not ready: {0:?}")]
    NotReady(Health),
    #[error("the projection can't be read")]
    Read(#[from] rutter_projection::Error),
}

/// The view did not get there in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the view stands at {at}, {wanted} was asked for")]
pub struct Behind {
    pub at: Revision,
    pub wanted: Revision,
}

/// Why a subscription ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubscriptionEnd {
    #[error("it was too slow: start again from a snapshot")]
    Lagged,
    #[error("the view ended")]
    Closed,
}

/// The frames after a snapshot, in order.
#[derive(Debug)]
pub struct Subscription {
    after: Revision,
    frames: Frames,
}

impl View {
    /// Opens the projection and starts following the log; returns at once, see [`View::ready`].
    ///
    /// # Errors
    /// When the directory can't be used. One that is damaged is rebuilt instead, and that is logged.
    pub async fn start(stream: LogStream, options: ViewOptions, stage: &Stage) -> Result<View, ViewError> {
        let projection = open::open(&options)?;
        let (feed, fed) = mpsc::channel(FED_FRAMES);
        let view = View(Arc::new(Inner {
            incarnation_at_start: projection.cursor().incarnation,
            projection: ArcSwapOption::empty(),
            revision: watch::Sender::new(Revision::NONE),
            health: watch::Sender::new(Health::Replaying { done: 0, of: 0 }),
            applied: Backlog::new(),
            feed,
            feed_overflowed: AtomicBool::new(false),
        }));
        stage.spawn(keep::keep(view.clone(), projection, stream, options, fed, stage.token()));
        Ok(view)
    }

    /// The incarnation of the log that the kept projection was of when it was opened; 0 when it was empty.
    #[must_use]
    pub fn incarnation_at_start(&self) -> u32 {
        self.0.incarnation_at_start
    }

    /// Waits until the log is found fit, after somebody has made it anew.
    ///
    /// # Errors
    /// [`ViewError::NotReady`] at the deadline.
    pub async fn fit(&self, deadline: Instant) -> Result<(), ViewError> {
        let mut health = self.health();
        let fit =
            timeout_at(deadline, health.wait_for(|health| !matches!(health, Health::Unfit { .. }))).await;
        match fit {
            Ok(Ok(_)) => Ok(()),
            _ => Err(ViewError::NotReady(self.health().borrow().clone())),
        }
    }

    /// Waits until the view serves; progress is told by [`View::health`].
    ///
    /// # Errors
    /// [`ViewError::NotReady`] when it ended before, or is unfit.
    pub async fn ready(&self) -> Result<(), ViewError> {
        let mut health = self.health();
        let settled = health.wait_for(|health| !matches!(health, Health::Replaying { .. })).await;
        match settled.map(|health| health.clone()) {
            Ok(Health::Serving) => Ok(()),
            Ok(other) => Err(ViewError::NotReady(other)),
            Err(_) => Err(ViewError::NotReady(self.health().borrow().clone())),
        }
    }

    /// Everything as it is at the view's revision.
    ///
    /// # Errors
    /// [`ViewError::NotReady`] unless the view serves.
    pub fn snapshot(&self) -> Result<Snapshot, ViewError> {
        let health = self.0.health.borrow().clone();
        match (health, self.0.projection.load_full()) {
            (Health::Serving, Some(projection)) => Ok(projection.snapshot()?),
            (health, _) => Err(ViewError::NotReady(health)),
        }
    }

    /// The last applied revision.
    #[must_use]
    pub fn revision(&self) -> Revision {
        *self.0.revision.borrow()
    }

    /// The last applied revision, followed live.
    #[must_use]
    pub fn revisions(&self) -> watch::Receiver<Revision> {
        self.0.revision.subscribe()
    }

    /// Whether it may be served, followed live.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Health> {
        self.0.health.subscribe()
    }

    /// Waits until the view has a revision.
    ///
    /// # Errors
    /// [`Behind`] at the deadline.
    pub async fn wait_for(&self, wanted: Revision, deadline: Instant) -> Result<(), Behind> {
        if self.revision() >= wanted {
            return Ok(());
        }
        let mut revisions = self.revisions();
        let reached = timeout_at(deadline, revisions.wait_for(|revision| *revision >= wanted)).await;
        match reached {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Behind { at: self.revision(), wanted }),
        }
    }

    /// A snapshot, and every frame with events after it.
    ///
    /// # Errors
    /// As [`View::snapshot`].
    pub fn subscribe(&self) -> Result<(Snapshot, Subscription), ViewError> {
        let frames = self.0.applied.follow();
        let snapshot = self.snapshot()?;
        let after = snapshot.revision();
        Ok((snapshot, Subscription { after, frames }))
    }

    /// Applied frames with events, from now on. One who lags loses what waited and is told; [`View::subscribe`] is
    /// for who needs a beginning as well.
    #[must_use]
    pub fn applied(&self) -> Frames {
        self.0.applied.follow()
    }

    /// Hands over a frame that the stream has acknowledged, so that it need not be delivered: for the ledger of this
    /// process, while it is active. Never waits; what finds no room comes from the stream.
    pub fn feed(&self, sequence: u64, frame: Bytes) {
        self.hand_over(Fed::Frame(sequence, frame));
    }

    /// Ends the feeding: the view follows the stream again.
    pub fn end_feed(&self) {
        self.hand_over(Fed::End);
    }

    fn hand_over(&self, fed: Fed) {
        if self.0.feed.try_send(fed).is_err() {
            self.0.feed_overflowed.store(true, Ordering::Release);
        }
    }

    /// The projection itself, for verification and checkpoints.
    ///
    /// # Errors
    /// [`ViewError::NotReady`] while it is being loaded.
    pub fn projection(&self) -> Result<Arc<Projection>, ViewError> {
        let projection = self.0.projection.load_full();
        projection.ok_or_else(|| ViewError::NotReady(self.0.health.borrow().clone()))
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "View(at {})", self.revision())
    }
}

impl Subscription {
    /// The next frame.
    ///
    /// # Errors
    /// [`SubscriptionEnd`].
    pub async fn next(&mut self) -> Result<Arc<Applied>, SubscriptionEnd> {
        loop {
            match self.frames.next().await {
                Ok(applied) if applied.revision <= self.after => {}
                taken => return taken,
            }
        }
    }
}
