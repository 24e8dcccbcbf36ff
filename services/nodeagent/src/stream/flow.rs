//! The two directions of a stream: numbered frames, a window each, signs of life.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use rutter_schemas::protocol::dial::{BEAT_SECS, CHUNK, DialFrame, SILENCE_SECS, WINDOW};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

/// An open stream.
pub(crate) struct Flow {
    pub(crate) out: Outgoing,
    pub(crate) incoming: Incoming,
    /// Cancelled once the caller has its answer, which comes before any frame.
    pub(crate) answered: CancellationToken,
}

/// What the other side sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Data { channel: u8, payload: Bytes },
    Eof { channel: u8 },
}

/// Frames to the other side.
pub(crate) struct Outgoing {
    client: async_nats::Client,
    subject: String,
    credit: Arc<Semaphore>,
    number: u64,
    over: CancellationToken,
    _end: DropGuard,
}

/// Frames from the other side, in order.
pub(crate) struct Incoming {
    got: mpsc::UnboundedReceiver<Got>,
    client: async_nats::Client,
    subject: String,
    /// Handed on but not yet granted again.
    consumed: u32,
    granted: Arc<AtomicU64>,
}

/// The other side is gone, or broke the rules.
#[derive(Debug, thiserror::Error)]
#[error("the stream is over")]
pub(crate) struct Over;

impl Flow {
    /// Listens on `up` and speaks on `down`.
    pub(crate) async fn open(
        client: async_nats::Client,
        up: String,
        down: String,
    ) -> Result<Flow, async_nats::SubscribeError> {
        let frames = client.subscribe(up).await?;
        let credit = Arc::new(Semaphore::new(WINDOW as usize));
        let over = CancellationToken::new();
        let (to, got) = mpsc::unbounded_channel();
        let granted = Arc::new(AtomicU64::new(u64::from(WINDOW)));
        let pump = Pump { credit: credit.clone(), to, number: 0, received: 0, granted: granted.clone() };
        let (beats, subject) = (client.clone(), down.clone());
        let (token, answered) = (over.clone(), CancellationToken::new());
        let beats = beat(beats, subject, answered.clone());
        tokio::spawn(async move {
            let why = tokio::select! {
                why = pump.run(frames) => why,
                () = token.cancelled() => return,
                () = beats => return,
            };
            tracing::debug!(why, "a stream has ended");
            token.cancel();
        });
        let out = Outgoing {
            client: client.clone(),
            subject: down.clone(),
            credit,
            number: 0,
            _end: over.clone().drop_guard(),
            over,
        };
        Ok(Flow { out, incoming: Incoming { got, client, subject: down, consumed: 0, granted }, answered })
    }
}

async fn beat(client: async_nats::Client, subject: String, answered: CancellationToken) {
    answered.cancelled().await;
    let mut tick = tokio::time::interval(Duration::from_secs(BEAT_SECS));
    loop {
        tick.tick().await;
        let _ = client.publish(subject.clone(), DialFrame::Credit { bytes: 0 }.encode()).await;
    }
}

/// Reads frames, whatever the session is doing, so that credit always arrives.
struct Pump {
    credit: Arc<Semaphore>,
    to: mpsc::UnboundedSender<Got>,
    number: u64,
    received: u64,
    /// Bytes the other side may have sent since the beginning; this bounds the channel to the session too.
    granted: Arc<AtomicU64>,
}

impl Pump {
    /// Ends with the reason.
    async fn run(mut self, mut frames: async_nats::Subscriber) -> String {
        let silence = Duration::from_secs(SILENCE_SECS);
        loop {
            let Ok(message) = tokio::time::timeout(silence, frames.next()).await else {
                return "the other side is silent".to_owned();
            };
            let Some(message) = message else { return "the connection is closed".to_owned() };
            let frame = match DialFrame::decode(&message.payload) {
                Ok(frame) => frame,
                Err(why) => return why.to_string(),
            };
            if let Some(end) = self.take(frame) {
                return end;
            }
        }
    }

    fn take(&mut self, frame: DialFrame) -> Option<String> {
        let (number, got) = match frame {
            DialFrame::Credit { bytes } => {
                self.credit.add_permits(bytes.min(WINDOW) as usize);
                return None;
            }
            DialFrame::End { reason, .. } => return Some(reason),
            DialFrame::Data { channel, number, payload } => (number, Got::Data { channel, payload }),
            DialFrame::Eof { channel, number } => (number, Got::Eof { channel }),
        };
        if number != self.number {
            return Some(format!("frame {} came where {} was due", number, self.number));
        }
        self.number += 1;
        if let Got::Data { payload, .. } = &got {
            self.received += payload.len() as u64;
        }
        if self.received > self.granted.load(Ordering::Acquire) {
            return Some("more came than the window holds".to_owned());
        }
        match self.to.send(got) {
            Ok(()) => None,
            Err(_) => Some("the session has ended".to_owned()),
        }
    }
}

impl Outgoing {
    /// Sends, in frames, as fast as the other side reads.
    pub(crate) async fn send(&mut self, channel: u8, mut bytes: Bytes) -> Result<(), Over> {
        while !bytes.is_empty() {
            let payload = bytes.split_to(bytes.len().min(CHUNK));
            let wanted = u32::try_from(payload.len()).expect("a chunk is short");
            let permit = tokio::select! {
                permit = self.credit.acquire_many(wanted) => permit.map_err(|_| Over)?,
                () = self.over.cancelled() => return Err(Over),
            };
            permit.forget();
            let number = self.next_number();
            self.publish(DialFrame::Data { channel, number, payload }).await?;
        }
        Ok(())
    }

    pub(crate) async fn eof(&mut self, channel: u8) -> Result<(), Over> {
        let number = self.next_number();
        self.publish(DialFrame::Eof { channel, number }).await
    }

    /// Says that it is over.
    pub(crate) async fn end(mut self, reason: &str) {
        let number = self.next_number();
        let _ = self.publish(DialFrame::End { number, reason: reason.to_owned() }).await;
        let _ = self.client.flush().await;
    }

    /// Waits until the other side has ended the stream.
    pub(crate) fn over(&self) -> CancellationToken {
        self.over.clone()
    }

    fn next_number(&mut self) -> u64 {
        let number = self.number;
        self.number += 1;
        number
    }

    async fn publish(&self, frame: DialFrame) -> Result<(), Over> {
        self.client.publish(self.subject.clone(), frame.encode()).await.map_err(|_| Over)
    }
}

impl Incoming {
    /// The next thing; none when the stream is over. What was handed out before counts as read.
    pub(crate) async fn next(&mut self) -> Option<Got> {
        if self.consumed >= WINDOW / 2 {
            let bytes = std::mem::take(&mut self.consumed);
            self.granted.fetch_add(u64::from(bytes), Ordering::AcqRel);
            let frame = DialFrame::Credit { bytes };
            let _ = self.client.publish(self.subject.clone(), frame.encode()).await;
        }
        let got = self.got.recv().await?;
        if let Got::Data { payload, .. } = &got {
            self.consumed += u32::try_from(payload.len()).expect("a chunk is short");
        }
        Some(got)
    }
}
