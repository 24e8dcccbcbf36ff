//! Following: every frame from a sequence on, in order, through restarts of servers and connections.
//!
//! An ordered push consumer was measured the fastest way to replay. It repairs its own gaps; what it can't know
//! is whether the stream it comes back to is the one it left. So each new subscription is told to whoever
//! follows ([`Delivery::Subscribed`]), who then checks that the stream still holds what it stands on.

use std::future::pending;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::push::{Ordered, OrderedConfig};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use rutter_schemas::subjects;
use tokio::time::{Instant, sleep, sleep_until};

use super::late::Late;

/// Between two attempts to subscribe.
const PAUSE: Duration = Duration::from_millis(100);
/// How often to look whether the connection was a new one.
const LOOK: Duration = Duration::from_millis(500);

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
    client: Client,
    next: u64,
    stage: Stage,
}

enum Stage {
    Idle,
    /// Kept here, so that who drops [`Follow::next`] again and again still gets there.
    Subscribing(BoxFuture<'static, Running>),
    Running(Box<Running>),
    Paused,
}

struct Running {
    messages: Ordered,
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
    pub(super) fn new(client: Client, sequence: u64) -> Follow {
        let source = Source { client, next: sequence.max(1), stage: Stage::Idle };
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
                    self.stage = Stage::Subscribing(subscribe(self.client.clone(), self.next).boxed());
                }
                Stage::Subscribing(running) => {
                    self.stage = Stage::Running(Box::new(running.await));
                    return Delivery::Subscribed;
                }
                Stage::Running(running) => match running.next(&self.client).await {
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

impl Running {
    /// The next frame, or why the subscription is of no use any more.
    async fn next(&mut self, client: &Client) -> Result<(u64, Bytes), String> {
        loop {
            let message = tokio::select! {
                biased;
                message = self.messages.next() => message,
                () = sleep_until(self.look) => {
                    self.look = Instant::now() + LOOK;
                    if connections(client) != self.connects {
                        return Err("the connection is a new one".to_owned());
                    }
                    continue;
                }
            };
            let message = message.ok_or("the consumer ended")?.map_err(|error| error.to_string())?;
            let sequence = message.info().map_err(|error| error.to_string())?.stream_sequence;
            return Ok((sequence, message.message.payload));
        }
    }
}

/// Tries until there is a subscription.
async fn subscribe(client: Client, sequence: u64) -> Running {
    loop {
        let connects = connections(&client);
        match consumer(&client, sequence).await {
            Ok(messages) => return Running { messages, connects, look: Instant::now() + LOOK },
            Err(error) => tracing::debug!(%error, from = sequence, "cannot subscribe to the log yet"),
        }
        sleep(PAUSE).await;
    }
}

async fn consumer(client: &Client, sequence: u64) -> Result<Ordered, async_nats::Error> {
    let config = OrderedConfig {
        deliver_subject: client.new_inbox(),
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: sequence },
        ..OrderedConfig::default()
    };
    let stream = jetstream::new(client.clone()).get_stream_no_info(subjects::STREAM).await?;
    Ok(stream.create_consumer(config).await?.messages().await?)
}

fn connections(client: &Client) -> u64 {
    client.statistics().connects.load(Ordering::Relaxed)
}
