//! Following: every frame from a sequence on, in order, through restarts of servers and connections.
//!
//! An ordered push consumer was measured the fastest way to replay. It repairs its own gaps; what it can't know
//! is whether the stream it comes back to is the one it left. So each new subscription is told to whoever
//! follows ([`Delivery::Subscribed`]), who then checks that the stream still holds what it stands on.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::push::{Ordered, OrderedConfig};
use bytes::Bytes;
use futures::StreamExt;
use rutter_schemas::subjects;
use tokio::time::{Instant, sleep, sleep_until};

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
pub struct Follow {
    client: Client,
    next: u64,
    messages: Option<Ordered>,
    /// How many connections there had been when the subscription was made.
    connects: u64,
    look: Instant,
}

impl std::fmt::Debug for Follow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Follow(from {})", self.next)
    }
}

impl Follow {
    pub(super) fn new(client: Client, sequence: u64) -> Follow {
        Follow { client, next: sequence.max(1), messages: None, connects: 0, look: Instant::now() }
    }

    /// What comes next; waits as long as it takes. Losing the returned future loses nothing.
    pub async fn next(&mut self) -> Delivery {
        loop {
            let Some(messages) = &mut self.messages else {
                self.subscribe().await;
                return Delivery::Subscribed;
            };
            let message = tokio::select! {
                biased;
                message = messages.next() => message,
                () = sleep_until(self.look) => {
                    self.look_again();
                    continue;
                }
            };
            match message {
                Some(Ok(message)) => {
                    if let Ok(info) = message.info() {
                        let sequence = info.stream_sequence;
                        self.next = sequence + 1;
                        return Delivery::Frame(sequence, message.message.payload);
                    }
                }
                Some(Err(error)) => self.broken(&error.to_string()),
                None => self.broken("the consumer ended"),
            }
        }
    }

    /// Follows from another sequence.
    pub fn restart(&mut self, sequence: u64) {
        self.next = sequence.max(1);
        self.messages = None;
    }

    fn look_again(&mut self) {
        self.look = Instant::now() + LOOK;
        if self.connections() != self.connects {
            self.broken("the connection is a new one");
        }
    }

    fn broken(&mut self, why: &str) {
        tracing::debug!(from = self.next, why, "subscribing to the log again");
        self.messages = None;
    }

    async fn subscribe(&mut self) {
        loop {
            let connects = self.connections();
            match consumer(&self.client, self.next).await {
                Ok(messages) => {
                    self.messages = Some(messages);
                    self.connects = connects;
                    self.look = Instant::now() + LOOK;
                    return;
                }
                Err(error) => tracing::debug!(%error, from = self.next, "cannot subscribe to the log yet"),
            }
            sleep(PAUSE).await;
        }
    }

    fn connections(&self) -> u64 {
        self.client.statistics().connects.load(std::sync::atomic::Ordering::Relaxed)
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
