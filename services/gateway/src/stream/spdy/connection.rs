//! One SPDY connection over any byte stream: a reader that turns frames into events, a writer that owns the compressor.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use super::frame::{self, BadFrame, Frame};
use super::headers::{Compressor, Decompressor, Headers};
use crate::stream::QUEUE;

/// What the client did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Opened {
        stream: u32,
        headers: Headers,
    },
    Data {
        stream: u32,
        bytes: Bytes,
    },
    /// Nothing more comes from the client on this stream.
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
    Reply { stream: u32 },
    Frame(Frame),
}

/// Writes to the connection; it closes when every sender is gone.
#[derive(Debug, Clone)]
pub struct Sender(mpsc::Sender<Order>);

impl Sender {
    /// Accepts a stream that the client opened.
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

/// Speaks SPDY on this stream until it ends.
pub fn serve<T>(stream: T) -> (mpsc::Receiver<Event>, Sender)
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
        Frame::SynReply { headers, .. } | Frame::Headers { headers } => {
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
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let (mut events, sender) = serve(ours);
        let mut wire = BytesMut::new();
        let opened: Headers = [("streamtype".to_owned(), "stdin".to_owned())].into();
        let headers = Compressor::new().block(&opened);
        frame::encode(&Frame::SynStream { stream: 1, fin: false, headers }, &mut wire);
        frame::encode(&Frame::Data { stream: 1, fin: true, bytes: Bytes::from_static(b"hi") }, &mut wire);
        theirs.write_all(&wire).await.expect("written");

        assert_eq!(events.recv().await, Some(Event::Opened { stream: 1, headers: opened }));
        assert_eq!(events.recv().await, Some(Event::Data { stream: 1, bytes: Bytes::from_static(b"hi") }));
        assert_eq!(events.recv().await, Some(Event::Finished { stream: 1 }));

        sender.accept(1).await;
        sender.data(1, Bytes::from_static(b"ho")).await;
        drop(sender);
        let mut buffer = BytesMut::new();
        while theirs.read_buf(&mut buffer).await.expect("readable") > 0 {}
        assert!(matches!(frame::decode(&mut buffer), Ok(Some(Frame::SynReply { stream: 1, .. }))));
        let data = Frame::Data { stream: 1, fin: false, bytes: Bytes::from_static(b"ho") };
        assert_eq!(frame::decode(&mut buffer), Ok(Some(data)));
    }
}
