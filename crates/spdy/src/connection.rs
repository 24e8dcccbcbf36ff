//! One SPDY connection over any byte stream: a reader that turns frames into events, a writer that owns the compressor.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use super::frame::{self, BadFrame, Frame};
use super::headers::{Compressor, Decompressor, Headers};

/// Frames that wait between the connection and who uses it, in each direction.
const QUEUE: usize = 8;

/// What the other side did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Opened {
        stream: u32,
        headers: Headers,
    },
    /// A stream that we opened may carry data now.
    Accepted {
        stream: u32,
    },
    Data {
        stream: u32,
        bytes: Bytes,
    },
    /// Nothing more comes from the other side on this stream.
    Finished {
        stream: u32,
    },
    Reset {
        stream: u32,
    },
}

/// What is to be written.
#[derive(Debug)]
enum Order {
    Open { stream: u32, headers: Headers },
    Reply { stream: u32 },
    Frame(Frame),
}

/// Writes to the connection; it closes when every sender is gone.
#[derive(Debug, Clone)]
pub struct Sender(mpsc::Sender<Order>);

impl Sender {
    /// Opens a stream. A client's streams have odd numbers, each above the one before.
    pub async fn open(&self, stream: u32, headers: Headers) {
        self.put(Order::Open { stream, headers }).await;
    }

    /// Accepts a stream that the other side opened.
    pub async fn accept(&self, stream: u32) {
        self.put(Order::Reply { stream }).await;
    }

    pub async fn data(&self, stream: u32, bytes: Bytes) {
        self.put(Order::Frame(Frame::Data { stream, fin: false, bytes })).await;
    }

    /// Nothing more comes from us on this stream.
    pub async fn finish(&self, stream: u32) {
        self.put(Order::Frame(Frame::Data { stream, fin: true, bytes: Bytes::new() })).await;
    }

    pub async fn reset(&self, stream: u32) {
        /// `CANCEL`.
        const CANCEL: u32 = 5;
        self.put(Order::Frame(Frame::Reset { stream, status: CANCEL })).await;
    }

    /// Whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// A connection that is gone takes nothing more; its events end, which is where that is noticed.
    async fn put(&self, order: Order) {
        let _ = self.0.send(order).await;
    }
}

/// Speaks SPDY on this stream until it ends, whichever side of it this is.
pub fn speak<T>(stream: T) -> (mpsc::Receiver<Event>, Sender)
where
    T: AsyncRead + AsyncWrite + Send + 'static,
{
    let (reading, writing) = tokio::io::split(stream);
    let (events, receiver) = mpsc::channel(QUEUE);
    let (orders, pending) = mpsc::channel(QUEUE);
    let sender = Sender(orders);
    let pings = sender.0.downgrade();
    tokio::spawn(async move {
        if let Err(error) = read(reading, events, pings).await {
            tracing::debug!(%error, "SPDY connection ended");
        }
    });
    tokio::spawn(async move {
        if let Err(error) = write(writing, pending).await {
            tracing::debug!(%error, "SPDY connection ended");
        }
    });
    (receiver, sender)
}

async fn read<T: AsyncRead>(
    mut socket: ReadHalf<T>,
    events: mpsc::Sender<Event>,
    orders: mpsc::WeakSender<Order>,
) -> std::io::Result<()> {
    let mut headers = Decompressor::new();
    let mut buffer = BytesMut::with_capacity(64 * 1024);
    loop {
        while let Some(frame) = frame::decode(&mut buffer).map_err(std::io::Error::other)? {
            if let Frame::Ping { id } = frame {
                let Some(orders) = orders.upgrade() else { return Ok(()) };
                let _ = orders.send(Order::Frame(Frame::Ping { id })).await;
                continue;
            }
            if matches!(frame, Frame::GoAway { .. }) {
                return Ok(());
            }
            for event in happened(frame, &mut headers).map_err(std::io::Error::other)?.into_iter().flatten() {
                if events.send(event).await.is_err() {
                    return Ok(());
                }
            }
        }
        buffer.reserve(32 * 1024);
        if socket.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

fn happened(frame: Frame, decompressor: &mut Decompressor) -> Result<[Option<Event>; 2], BadFrame> {
    Ok(match frame {
        Frame::SynStream { stream, fin, headers } => {
            let headers = decompressor.block(&headers)?;
            [Some(Event::Opened { stream, headers }), fin.then_some(Event::Finished { stream })]
        }
        Frame::Data { stream, fin, bytes } => {
            let data = (!bytes.is_empty()).then_some(Event::Data { stream, bytes });
            [data, fin.then_some(Event::Finished { stream })]
        }
        Frame::Reset { stream, .. } => [Some(Event::Reset { stream }), None],
        Frame::SynReply { stream, fin, headers } => {
            decompressor.block(&headers)?;
            [Some(Event::Accepted { stream }), fin.then_some(Event::Finished { stream })]
        }
        Frame::Headers { headers } => {
            decompressor.block(&headers)?;
            [None, None]
        }
        Frame::Ping { .. } | Frame::GoAway { .. } | Frame::Ignored => [None, None],
    })
}

async fn write<T: AsyncWrite>(
    mut socket: WriteHalf<T>,
    mut orders: mpsc::Receiver<Order>,
) -> std::io::Result<()> {
    let mut compressor = Compressor::new();
    let mut out = BytesMut::new();
    while let Some(order) = orders.recv().await {
        put(order, &mut compressor, &mut out);
        while let Ok(order) = orders.try_recv() {
            put(order, &mut compressor, &mut out);
        }
        socket.write_all_buf(&mut out).await?;
        socket.flush().await?;
    }
    socket.shutdown().await
}

fn put(order: Order, compressor: &mut Compressor, out: &mut BytesMut) {
    match order {
        Order::Open { stream, headers } => {
            let headers = compressor.block(&headers);
            frame::encode(&Frame::SynStream { stream, fin: false, headers }, out);
        }
        Order::Reply { stream } => {
            let headers = compressor.block(&Headers::new());
            frame::encode(&Frame::SynReply { stream, fin: false, headers }, out);
        }
        Order::Frame(frame) => frame::encode(&frame, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_opens_a_stream_speaks_and_is_answered() {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (mut heard, client) = speak(near);
        let (mut events, server) = speak(far);
        let headers: Headers = [("streamtype".to_owned(), "stdin".to_owned())].into();
        client.open(1, headers.clone()).await;
        assert_eq!(events.recv().await, Some(Event::Opened { stream: 1, headers }));
        server.accept(1).await;
        assert_eq!(heard.recv().await, Some(Event::Accepted { stream: 1 }));

        client.data(1, Bytes::from_static(b"hi")).await;
        client.finish(1).await;
        assert_eq!(events.recv().await, Some(Event::Data { stream: 1, bytes: Bytes::from_static(b"hi") }));
        assert_eq!(events.recv().await, Some(Event::Finished { stream: 1 }));

        // What a client only ended it still hears.
        server.data(1, Bytes::from_static(b"ho")).await;
        server.reset(1).await;
        drop(server);
        assert_eq!(heard.recv().await, Some(Event::Data { stream: 1, bytes: Bytes::from_static(b"ho") }));
        assert_eq!(heard.recv().await, Some(Event::Reset { stream: 1 }));
        assert_eq!(heard.recv().await, None);
    }
}
