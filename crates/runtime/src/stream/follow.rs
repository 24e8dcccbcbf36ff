//! Following: every frame from a sequence on, in order, through restarts of servers and connections.
//!
//! A push consumer was measured the fastest way to replay. What it can't know is whether the stream it comes back to is
//! the one it left. So each new beginning is told to whoever follows ([`Delivery::Subscribed`]), who then checks that
//! the stream still holds what it stands on.
//!
//! Who loses its consumer must not wait for another: making one takes the leader of all of JetStream, which may have died
//! with the stream's, and may give the work to a server that is gone and not known to be. Until there is one, frames are
//! read singly from the stream's leader.

use std::future::pending;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::Client;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep, sleep_until};

use super::LogStream;
use super::consumer::Consumer;
use super::late::Late;

/// Between two attempts to subscribe.
const PAUSE: Duration = Duration::from_millis(100);
/// How long making a consumer may take: at first, and at last.
const PATIENCE: Duration = Duration::from_secs(1);
const PATIENCE_MAX: Duration = Duration::from_secs(8);
/// How often to look whether the connection was a new one.
const LOOK: Duration = Duration::from_millis(100);
/// How long a new subscription may take before frames are read singly.
const READ_AFTER: Duration = Duration::from_millis(200);
/// Between two looks whether the next frame is there to be read.
const READ: Duration = Duration::from_millis(50);

/// What following brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A new subscription begins: check that the stream is still the same.
    Subscribed,
    /// The next frame, at this sequence. Not necessarily contiguous: the follower checks.
    Frame(u64, Bytes),
}

/// A subscription to the log that mends itself.
///
/// ```text
///            ┌─reads─┐
///   Idle ──▶ Subscribing ──▶ Running ──broken──▶ Idle        restart: Idle, from any
///                               └──────pause───▶ Paused
/// ```
pub struct Follow {
    source: Source,
    /// Only where somebody asked for it.
    late: Option<Late>,
}

/// What the stream delivers, as it does.
struct Source {
    stream: LogStream,
    next: u64,
    stage: Stage,
}

enum Stage {
    Idle,
    Subscribing(Subscribing),
    Running(Box<Running>),
    Paused,
}

/// Kept in its stage, so that who drops [`Follow::next`] again and again still gets there.
struct Subscribing {
    made: BoxFuture<'static, Running>,
    /// The frame that is next, once the stream has it.
    read: BoxFuture<'static, Bytes>,
    /// A frame that was read, behind the news that there is a new beginning.
    held: Option<Bytes>,
    told: bool,
}

struct Running {
    consumer: Consumer,
    /// How many connections there had been when the subscription was made.
    connects: u64,
    look: Instant,
}

impl std::fmt::Debug for Follow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Follow(from {})", self.source.next)
    }
}

impl Follow {
    pub(super) fn new(stream: LogStream, sequence: u64) -> Follow {
        let source = Source { stream, next: sequence.max(1), stage: Stage::Idle };
        Follow { source, late: None }
    }

    /// Brings everything later by `lag`: for tests that need a slow follower.
    #[must_use]
    pub fn lagging(self, lag: Duration) -> Follow {
        Follow { late: (!lag.is_zero()).then(|| Late::new(lag)), ..self }
    }

    /// What comes next; waits as long as it takes. Losing the returned future loses nothing.
    pub async fn next(&mut self) -> Delivery {
        let Some(late) = &mut self.late else { return self.source.next().await };
        loop {
            let has_room = late.has_room();
            tokio::select! {
                delivery = late.due() => return delivery,
                delivery = self.source.next(), if has_room => late.hold(delivery),
            }
        }
    }

    /// Follows from another sequence.
    pub fn restart(&mut self, sequence: u64) {
        self.leave_for(Stage::Idle);
        self.source.next = sequence.max(1);
    }

    /// Follows from `sequence` if it was paused.
    pub fn resume(&mut self, sequence: u64) {
        if matches!(self.source.stage, Stage::Paused) {
            self.restart(sequence);
        }
    }

    /// Brings nothing until [`Follow::resume`]: frames come another way.
    pub fn pause(&mut self) {
        self.leave_for(Stage::Paused);
    }

    fn leave_for(&mut self, stage: Stage) {
        self.source.stage = stage;
        if let Some(late) = &mut self.late {
            late.forget();
        }
    }
}

impl Source {
    async fn next(&mut self) -> Delivery {
        loop {
            match &mut self.stage {
                Stage::Paused => pending().await,
                Stage::Idle => {
                    self.stage = Stage::Subscribing(Subscribing::from(&self.stream, self.next));
                }
                Stage::Subscribing(subscribing) => match subscribing.next().await {
                    Begun::Running(running) => {
                        self.stage = Stage::Running(Box::new(running));
                        return Delivery::Subscribed;
                    }
                    Begun::Told => return Delivery::Subscribed,
                    Begun::Read(bytes) => {
                        let sequence = self.next;
                        self.next += 1;
                        subscribing.read = read(self.stream.clone(), self.next).boxed();
                        return Delivery::Frame(sequence, bytes);
                    }
                },
                Stage::Running(running) => match running.next(self.stream.client()).await {
                    // It was read while the consumer was made.
                    Ok((sequence, _)) if sequence < self.next => {}
                    Ok((sequence, bytes)) => {
                        self.next = sequence + 1;
                        return Delivery::Frame(sequence, bytes);
                    }
                    Err(why) => {
                        tracing::debug!(from = self.next, why, "subscribing to the log again");
                        self.stage = Stage::Idle;
                    }
                },
            }
        }
    }
}

/// What comes while a subscription is made.
#[allow(clippy::large_enum_variant, reason = "one for each follower, and moved once")]
enum Begun {
    Running(Running),
    /// The stream is there again: a frame follows.
    Told,
    Read(Bytes),
}

impl Subscribing {
    fn from(stream: &LogStream, sequence: u64) -> Subscribing {
        let first = stream.clone();
        let read = async move {
            sleep(READ_AFTER).await;
            read(first, sequence).await
        };
        let made = subscribe(stream.clone(), sequence).boxed();
        Subscribing { made, read: read.boxed(), held: None, told: false }
    }

    async fn next(&mut self) -> Begun {
        if let Some(bytes) = self.held.take() {
            return Begun::Read(bytes);
        }
        tokio::select! {
            biased;
            running = &mut self.made => Begun::Running(running),
            bytes = &mut self.read => match std::mem::replace(&mut self.told, true) {
                true => Begun::Read(bytes),
                false => {
                    self.held = Some(bytes);
                    Begun::Told
                }
            }
        }
    }
}

impl Running {
    /// The next frame, or why the subscription is of no use any more.
    async fn next(&mut self, client: &Client) -> Result<(u64, Bytes), String> {
        loop {
            tokio::select! {
                biased;
                frame = self.consumer.next() => return frame,
                () = sleep_until(self.look) => {
                    self.look = Instant::now() + LOOK;
                    if connections(client) != self.connects {
                        return Err("the connection is a new one".to_owned());
                    }
                }
            }
        }
    }
}

/// Tries until there is a subscription.
async fn subscribe(stream: LogStream, sequence: u64) -> Running {
    let mut patience = PATIENCE;
    loop {
        let connects = connections(stream.client());
        match Consumer::create(&stream, sequence, patience).await {
            Ok(consumer) => return Running { consumer, connects, look: Instant::now() + LOOK },
            Err(error) => tracing::debug!(%error, from = sequence, "cannot subscribe to the log yet"),
        }
        sleep(PAUSE).await;
        patience = PATIENCE_MAX.min(patience * 2);
    }
}

/// The frame at a sequence, as soon as the stream's leader has it.
async fn read(stream: LogStream, sequence: u64) -> Bytes {
    loop {
        match stream.read(sequence).await {
            Ok(Some(bytes)) => return bytes,
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, sequence, "cannot read the log yet"),
        }
        sleep(READ).await;
    }
}

fn connections(client: &Client) -> u64 {
    client.statistics().connects.load(Ordering::Relaxed)
}
