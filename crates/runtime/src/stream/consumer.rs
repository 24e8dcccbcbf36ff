//! One push consumer of the log: frames in order, for as long as its server is heard.
//!
//! It gives up instead of mending itself: when a message was lost, when its server ends it, and when nothing is heard
//! for a while, be it only that the stream is quiet. Who follows then makes another (JetStream's ordered consumers
//! work like this; the client library's waits ten seconds for a server that has died, and asks five for each answer).

use std::time::Duration;

use async_nats::jetstream::{self, Message};
use async_nats::{Client, StatusCode, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use rutter_schemas::{Uuid, subjects};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::{LogStream, StreamError};

/// How often the server of a quiet stream says that the consumer is there.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long nothing may be heard.
const SILENCE: Duration = Duration::from_millis(2_500);
/// After this long without a listener the server forgets the consumer.
const INACTIVE: Duration = Duration::from_secs(30);

/// Headers of heartbeats (nats-server `server/consumer.go`): what was delivered last, and where an answer is waited for.
const LAST_DELIVERED: &str = "Nats-Last-Consumer";
const STALLED: &str = "Nats-Consumer-Stalled";

/// See the module.
pub(super) struct Consumer {
    context: jetstream::Context,
    messages: Subscriber,
    /// Messages it has brought.
    delivered: u64,
    silent_at: Instant,
}

#[derive(Deserialize)]
struct Created {}

impl Consumer {
    /// Asks for frames from `sequence` on; the answer may take as long as `patience`. One that came too late is
    /// forgotten by the server, since nobody listens to it.
    pub(super) async fn create(
        stream: &LogStream,
        sequence: u64,
        patience: Duration,
    ) -> Result<Consumer, StreamError> {
        let (client, name) = (stream.client.clone(), Uuid::new_v4().simple().to_string());
        let inbox = client.new_inbox();
        let messages = client.subscribe(inbox.clone()).await.map_err(StreamError::Subscribe)?;
        let request = json!({"stream_name": subjects::STREAM, "config": {
            "name": name,
            "deliver_subject": inbox,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": sequence,
            "ack_policy": "none",
            "max_deliver": 1,
            "replay_policy": "instant",
            "flow_control": true,
            "idle_heartbeat": nanos(HEARTBEAT),
            "inactive_threshold": nanos(INACTIVE),
            "num_replicas": 1,
            "mem_storage": true,
        }});
        let verb = format!("CONSUMER.CREATE.{}.{name}", subjects::STREAM);
        stream.api::<Created>(&verb, request.to_string().into(), patience).await?;
        let context = jetstream::new(client);
        Ok(Consumer { context, messages, delivered: 0, silent_at: Instant::now() + SILENCE })
    }

    /// The next frame, or why there will be none. Losing the returned future loses nothing.
    pub(super) async fn next(&mut self) -> Result<(u64, Bytes), String> {
        loop {
            let message = tokio::select! {
                // What has arrived counts before the time does: we may have been busy.
                biased;
                message = self.messages.next() => message.ok_or("the subscription ended")?,
                () = sleep_until(self.silent_at) => return Err("its server is not heard".to_owned()),
            };
            self.silent_at = Instant::now() + SILENCE;
            match message.status {
                None => return self.frame(message),
                Some(StatusCode::IDLE_HEARTBEAT) => self.hear(message)?,
                Some(status) => return Err(format!("the server says {status}")),
            }
        }
    }

    fn frame(&mut self, message: async_nats::Message) -> Result<(u64, Bytes), String> {
        let message = Message { message, context: self.context.clone() };
        let info = message.info().map_err(|error| error.to_string())?;
        if info.consumer_sequence != self.delivered + 1 {
            return Err(format!("message {} follows {}", info.consumer_sequence, self.delivered));
        }
        self.delivered = info.consumer_sequence;
        Ok((info.stream_sequence, message.message.payload))
    }

    /// A heartbeat, or a question whether there is room for more.
    fn hear(&self, message: async_nats::Message) -> Result<(), String> {
        let headers = message.headers.unwrap_or_default();
        if let Some(sent) = headers.get(LAST_DELIVERED)
            && sent.as_str() != self.delivered.to_string()
        {
            return Err(format!("{} messages were sent, {} came", sent.as_str(), self.delivered));
        }
        let stalled = headers.get(STALLED).map(|subject| subject.as_str().to_owned());
        if let Some(to) = message.reply.map(|subject| subject.to_string()).or(stalled) {
            let client: Client = self.context.client();
            tokio::spawn(async move {
                // Without an answer the server asks again.
                let _ = client.publish(to, Bytes::new()).await;
            });
        }
        Ok(())
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
