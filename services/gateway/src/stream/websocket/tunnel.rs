//! A WebSocket as a byte stream.

use bytes::BytesMut;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio_tungstenite::tungstenite::Message;

use super::{Socket, close};

/// What waits in a tunnel between the two protocols.
const TUNNEL: usize = 64 * 1024;

/// Message boundaries mean nothing.
pub fn tunnel(socket: Socket) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(TUNNEL);
    let (sink, stream) = socket.split();
    let (reading, writing) = tokio::io::split(ours);
    tokio::spawn(fill(stream, writing));
    tokio::spawn(drain(reading, sink));
    theirs
}

async fn fill(mut stream: SplitStream<Socket>, mut into: WriteHalf<DuplexStream>) {
    while let Some(Ok(message)) = stream.next().await {
        match message {
            Message::Binary(bytes) if into.write_all(&bytes).await.is_err() => return,
            Message::Close(_) => break,
            _ => {}
        }
    }
    let _ = into.shutdown().await;
}

async fn drain(mut from: ReadHalf<DuplexStream>, mut sink: SplitSink<Socket, Message>) {
    let mut buffer = BytesMut::with_capacity(32 * 1024);
    loop {
        buffer.reserve(32 * 1024);
        match from.read_buf(&mut buffer).await {
            Ok(n) if n > 0 => {}
            _ => break,
        }
        if sink.send(Message::Binary(buffer.split().freeze())).await.is_err() {
            return;
        }
    }
    close(&mut sink).await;
}
