//! WebSockets: the channel protocols of exec, attach and port-forward, and a WebSocket as a plain byte stream, in which
//! newer clients carry SPDY.
//!
//! In a channel protocol each binary message is a channel's number and its bytes; in version 5, `255, n` ends channel n
//! (KEP-4006). The last message on the error channel is a `Status`.

use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use http::{HeaderMap, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use super::upgrade::{Wanted, offered, switching};
use super::{Inbound, Link, Outbound, QUEUE};
use crate::body::{Body, BodyError};
use rutter_apimachinery::status::Status;

pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// No client sends larger messages (kubectl: 32 KiB).
const LARGEST_MESSAGE: usize = 1 << 20;
/// The first byte of a message that ends a channel.
const CLOSE: u8 = 255;
/// What waits in a tunnel between the two protocols.
const TUNNEL: usize = 64 * 1024;

/// Takes over an upgraded connection.
pub async fn accept(upgraded: Upgraded) -> Socket {
    let config = WebSocketConfig::default()
        .max_message_size(Some(LARGEST_MESSAGE))
        .max_frame_size(Some(LARGEST_MESSAGE));
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await
}

/// Speaks a channel protocol; `greeted` are the channels that get an empty message first, which tells clients that the
/// connection stands.
pub fn channels(socket: Socket, closes: bool, reports_status: bool, greeted: &[u8]) -> Link {
    let (sink, stream) = socket.split();
    let (sender, inbound) = mpsc::channel(QUEUE);
    let (outbound, receiver) = mpsc::channel(QUEUE.max(greeted.len()));
    for channel in greeted {
        let hello = Outbound::Data { channel: *channel, bytes: Bytes::new() };
        outbound.try_send(hello).expect("the queue is empty and as long");
    }
    tokio::spawn(read_channels(stream, sender));
    tokio::spawn(write_channels(sink, receiver, closes));
    Link { inbound, outbound, reports_status }
}

async fn read_channels(mut stream: SplitStream<Socket>, inbound: mpsc::Sender<Inbound>) {
    while let Some(Ok(message)) = stream.next().await {
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => Bytes::from(text),
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
        };
        let Some(said) = said(&bytes) else { continue };
        if inbound.send(said).await.is_err() {
            return;
        }
    }
}

fn said(message: &Bytes) -> Option<Inbound> {
    match *message.first()? {
        CLOSE => Some(Inbound::Eof { channel: *message.get(1)? }),
        channel => Some(Inbound::Data { channel, bytes: message.slice(1..) }),
    }
}

async fn write_channels(
    mut sink: SplitSink<Socket, Message>,
    mut outbound: mpsc::Receiver<Outbound>,
    closes: bool,
) {
    while let Some(order) = outbound.recv().await {
        let message = match order {
            Outbound::Data { channel, bytes } => prefixed(channel, &bytes),
            Outbound::Eof { channel } if closes => Bytes::copy_from_slice(&[CLOSE, channel]),
            Outbound::Eof { .. } => continue,
        };
        if sink.send(Message::Binary(message)).await.is_err() {
            return;
        }
    }
    close(&mut sink).await;
}

/// An orderly end says that it is one: clients take a close without a code for a broken connection.
async fn close(sink: &mut SplitSink<Socket, Message>) {
    let orderly = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    let _ = sink.send(Message::Close(Some(orderly))).await;
    let _ = sink.close().await;
}

fn prefixed(channel: u8, bytes: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(bytes.len() + 1);
    message.put_u8(channel);
    message.put_slice(bytes);
    message.freeze()
}

/// A WebSocket as a byte stream: message boundaries mean nothing.
pub fn tunnel(socket: Socket) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(TUNNEL);
    let (sink, stream) = socket.split();
    let (reading, writing) = tokio::io::split(ours);
    tokio::spawn(fill(stream, writing));
    tokio::spawn(drain(reading, sink));
    theirs
}

async fn fill(mut stream: SplitStream<Socket>, mut into: tokio::io::WriteHalf<DuplexStream>) {
    while let Some(Ok(message)) = stream.next().await {
        match message {
            Message::Binary(bytes) if into.write_all(&bytes).await.is_err() => return,
            Message::Close(_) => break,
            _ => {}
        }
    }
    let _ = into.shutdown().await;
}

async fn drain(mut from: tokio::io::ReadHalf<DuplexStream>, mut sink: SplitSink<Socket, Message>) {
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

/// A watch over a WebSocket: every event a text message (upstream: `endpoints/handlers/watch.go`, HandleWS).
///
/// # Errors
/// 400 for a client that sent no key.
pub fn events(
    headers: &HeaderMap,
    upgrade: OnUpgrade,
    mut pieces: mpsc::Receiver<Result<Bytes, BodyError>>,
) -> Result<Response<Body>, Status> {
    let protocol = offered(headers, Wanted::WebSocket).into_iter().next();
    let answer = switching(headers, Wanted::WebSocket, protocol.as_deref())
        .ok_or_else(|| Status::bad_request("a WebSocket request has a key"))?;
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let (mut sink, mut stream) = accept(upgraded).await.split();
        loop {
            let piece = tokio::select! {
                piece = pieces.recv() => piece,
                message = stream.next() => match message {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => continue,
                },
            };
            let Some(Ok(piece)) = piece else { break };
            for line in piece.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let text = String::from_utf8_lossy(line).into_owned();
                if sink.send(Message::Text(text.into())).await.is_err() {
                    return;
                }
            }
        }
        close(&mut sink).await;
    });
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_channel_and_its_bytes_or_the_end_of_one() {
        let cases: [(&[u8], Option<Inbound>); 4] = [
            (&[0, b'h', b'i'], Some(Inbound::Data { channel: 0, bytes: Bytes::from_static(b"hi") })),
            (&[4], Some(Inbound::Data { channel: 4, bytes: Bytes::new() })),
            (&[255, 0], Some(Inbound::Eof { channel: 0 })),
            (&[], None),
        ];
        for (message, expected) in cases {
            assert_eq!(said(&Bytes::copy_from_slice(message)), expected);
        }
    }
}
