//! Dialling: opening a byte stream through the node that has the pod, and carrying it in numbered chunks with credits.
//! The protocol is drawn in `rutter_schemas::protocol::dial`.
//!
//! A stream costs at most one window in each direction. What breaks the protocol (a gap, a window overrun, silence) ends
//! that stream and says so; the connection and its other streams go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use rutter_apimachinery::status::Status;
use rutter_schemas::protocol::dial::{
    ANSWER_SECS, BEAT_SECS, CHUNK, Dial, DialAnswer, DialFrame, DialTarget, SILENCE_SECS, WINDOW,
};
use rutter_schemas::subjects;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// Opens streams over a NATS connection of its own, so that a fat stream never delays a command.
#[derive(Clone, Debug)]
pub struct Dialler {
    nats: async_nats::Client,
}

/// What a node sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    Data {
        channel: u8,
        bytes: Bytes,
    },
    Eof {
        channel: u8,
    },
    /// Nothing follows. An empty reason is an orderly end.
    End {
        reason: String,
    },
}

/// The stream has ended; why is what its hearing side says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream has ended")]
pub struct Closed;

/// An open stream.
#[derive(Debug)]
pub struct Dialled {
    sending: Sending,
    hearing: Hearing,
}

impl Dialled {
    pub fn split(self) -> (Sending, Hearing) {
        (self.sending, self.hearing)
    }
}

/// The direction to the node.
#[derive(Debug)]
pub struct Sending {
    nats: async_nats::Client,
    subject: String,
    number: u64,
    /// Bytes that the node still takes.
    credit: Arc<Semaphore>,
}

/// The direction from the node. Dropping it ends the stream's bookkeeping.
#[derive(Debug)]
pub struct Hearing {
    nats: async_nats::Client,
    subject: String,
    heard: mpsc::UnboundedReceiver<Heard>,
    /// Bytes handed on since the last credit was granted.
    owed: u32,
    granted: Arc<AtomicU64>,
    _alive: DropGuard,
}

impl Dialler {
    pub fn new(nats: async_nats::Client) -> Dialler {
        Dialler { nats }
    }

    /// Opens a stream to `target` on `node`.
    ///
    /// # Errors
    /// 503 when the node does not answer within five seconds, else what the node says.
    pub async fn dial(&self, node: &str, target: DialTarget) -> Result<Dialled, Status> {
        let id = Uuid::new_v4().simple().to_string();
        let down = subjects::node::data(node, &id, "down");
        let up = subjects::node::data(node, &id, "up");
        let silent = |_| Status::unavailable(format!("error dialing backend: node {node:?} does not answer"));

        let mut subscription = self.nats.subscribe(down.clone()).await.map_err(|error| broker(&error))?;
        let ask = serde_json::to_vec(&Dial { id, target }).expect("plain data");
        let subject = subjects::node::dial(node);
        self.nats.publish_with_reply(subject, down, ask.into()).await.map_err(|error| broker(&error))?;

        let first = tokio::time::timeout(Duration::from_secs(ANSWER_SECS), subscription.next())
            .await
            .map_err(|_| silent(()))?;
        let first = first.filter(|message| message.status.is_none()).ok_or_else(|| silent(()))?;
        match serde_json::from_slice(&first.payload) {
            Ok(DialAnswer::Open) => Ok(self.open(up, subscription)),
            Ok(DialAnswer::Refused { status }) => Err(refused(status)),
            Err(error) => {
                Err(Status::internal(&format!("node {node:?} answers what no dial answer is: {error}")))
            }
        }
    }

    fn open(&self, up: String, subscription: async_nats::Subscriber) -> Dialled {
        let credit = Arc::new(Semaphore::new(WINDOW as usize));
        let granted = Arc::new(AtomicU64::new(u64::from(WINDOW)));
        let (heard, receiver) = mpsc::unbounded_channel();
        let alive = CancellationToken::new();
        let line = Line {
            nats: self.nats.clone(),
            up: up.clone(),
            credit: credit.clone(),
            heard,
            granted: granted.clone(),
            received: 0,
            next: 0,
        };
        tokio::spawn(line.run(subscription, alive.clone()));
        Dialled {
            sending: Sending { nats: self.nats.clone(), subject: up.clone(), number: 0, credit },
            hearing: Hearing {
                nats: self.nats.clone(),
                subject: up,
                heard: receiver,
                owed: 0,
                granted,
                _alive: alive.drop_guard(),
            },
        }
    }
}

impl Sending {
    /// Sends bytes as credit allows, in chunks.
    pub async fn data(&mut self, channel: u8, mut bytes: Bytes) -> Result<(), Closed> {
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(CHUNK));
            let size = u32::try_from(chunk.len()).expect("a chunk is small");
            self.credit.acquire_many(size).await.map_err(|_| Closed)?.forget();
            let number = self.take_number();
            self.publish(DialFrame::Data { channel, number, payload: chunk }).await?;
        }
        Ok(())
    }

    pub async fn eof(&mut self, channel: u8) -> Result<(), Closed> {
        let number = self.take_number();
        self.publish(DialFrame::Eof { channel, number }).await
    }

    /// Ends the stream. A node that is gone needs no telling.
    pub async fn end(&mut self, reason: &str) {
        let number = self.take_number();
        let _ = self.publish(DialFrame::End { number, reason: reason.to_owned() }).await;
    }

    fn take_number(&mut self) -> u64 {
        self.number += 1;
        self.number - 1
    }

    async fn publish(&self, frame: DialFrame) -> Result<(), Closed> {
        if self.credit.is_closed() {
            return Err(Closed);
        }
        self.nats.publish(self.subject.clone(), frame.encode()).await.map_err(|_| Closed)
    }
}

impl Hearing {
    /// The next piece; none after the end. Taking data grants the node as much again.
    pub async fn next(&mut self) -> Option<Heard> {
        let heard = self.heard.recv().await?;
        if let Heard::Data { bytes, .. } = &heard {
            self.owed += u32::try_from(bytes.len()).expect("a chunk is small");
            if self.owed >= WINDOW / 4 {
                self.granted.fetch_add(u64::from(self.owed), Ordering::Relaxed);
                let credit = DialFrame::Credit { bytes: std::mem::take(&mut self.owed) };
                let _ = self.nats.publish(self.subject.clone(), credit.encode()).await;
            }
        }
        Some(heard)
    }
}

/// The receiving end of one stream: keeps count, keeps alive, and says why it ends.
struct Line {
    nats: async_nats::Client,
    up: String,
    credit: Arc<Semaphore>,
    /// Unbounded, because the window bounds it: an overrun ends the stream.
    heard: mpsc::UnboundedSender<Heard>,
    /// Bytes that the node was ever allowed to send, and those it sent.
    granted: Arc<AtomicU64>,
    received: u64,
    next: u64,
}

impl Line {
    async fn run(mut self, mut subscription: async_nats::Subscriber, alive: CancellationToken) {
        let mut beat = tokio::time::interval(Duration::from_secs(BEAT_SECS));
        let silence = Duration::from_secs(SILENCE_SECS);
        let mut deadline = tokio::time::Instant::now() + silence;
        let reason = loop {
            let message = tokio::select! {
                () = alive.cancelled() => break None,
                () = tokio::time::sleep_until(deadline) => break Some(format!("the node was silent for {SILENCE_SECS} s")),
                _ = beat.tick() => {
                    let _ = self.nats.publish(self.up.clone(), DialFrame::Credit { bytes: 0 }.encode()).await;
                    continue;
                }
                message = subscription.next() => message,
            };
            let Some(message) = message else {
                break Some("the connection to the broker has ended".to_owned());
            };
            deadline = tokio::time::Instant::now() + silence;
            match self.take(&message.payload) {
                Ok(true) => {}
                Ok(false) => break None,
                Err(why) => break Some(why),
            }
        };
        if let Some(reason) = reason {
            let _ = self.heard.send(Heard::End { reason });
        }
        self.credit.close();
    }

    /// One frame; false after the end.
    fn take(&mut self, payload: &Bytes) -> Result<bool, String> {
        match DialFrame::decode(payload).map_err(|error| error.to_string())? {
            DialFrame::Credit { bytes } => {
                self.credit.add_permits(
                    (bytes as usize).min((WINDOW as usize).saturating_sub(self.credit.available_permits())),
                );
                Ok(true)
            }
            DialFrame::Data { channel, number, payload } => {
                self.numbered(number)?;
                self.received += payload.len() as u64;
                if self.received > self.granted.load(Ordering::Relaxed) {
                    return Err("the node sent more than it was allowed to".to_owned());
                }
                Ok(self.heard.send(Heard::Data { channel, bytes: payload }).is_ok())
            }
            DialFrame::Eof { channel, number } => {
                self.numbered(number)?;
                Ok(self.heard.send(Heard::Eof { channel }).is_ok())
            }
            DialFrame::End { number, reason } => {
                self.numbered(number)?;
                let _ = self.heard.send(Heard::End { reason });
                Ok(false)
            }
        }
    }

    fn numbered(&mut self, number: u64) -> Result<(), String> {
        if number != self.next {
            return Err(format!("the stream lost what was between {} and {number}", self.next));
        }
        self.next += 1;
        Ok(())
    }
}

/// A dialled connection as a byte stream, for HTTP inside it.
pub fn as_io(dialled: Dialled) -> DuplexStream {
    use rutter_schemas::protocol::dial::channel;
    let (ours, theirs) = tokio::io::duplex(WINDOW as usize);
    let (mut reading, mut writing) = tokio::io::split(ours);
    let (mut sending, mut hearing) = dialled.split();
    tokio::spawn(async move {
        let mut buffer = bytes::BytesMut::with_capacity(CHUNK);
        loop {
            buffer.reserve(CHUNK);
            match reading.read_buf(&mut buffer).await {
                Ok(n) if n > 0 => {}
                _ => break,
            }
            if sending.data(channel::STDIN, buffer.split().freeze()).await.is_err() {
                return;
            }
        }
        let _ = sending.eof(channel::STDIN).await;
    });
    tokio::spawn(async move {
        while let Some(heard) = hearing.next().await {
            match heard {
                Heard::Data { bytes, .. } if writing.write_all(&bytes).await.is_err() => return,
                Heard::Data { .. } => {}
                Heard::Eof { .. } | Heard::End { .. } => break,
            }
        }
        let _ = writing.shutdown().await;
    });
    theirs
}

fn broker(error: &dyn std::fmt::Display) -> Status {
    Status::unavailable(format!("error dialing backend: {error}"))
}

fn refused(status: serde_json::Value) -> Status {
    serde_json::from_value(status).unwrap_or_else(|_| Status::internal("the node refused, without a status"))
}
