//! The channel protocols: each message is a channel's number and its bytes; in `v5.channel.k8s.io`, `255, n` ends channel
//! n (KEP-4006). In those with `base64` the number is a digit, and the bytes are encoded, so that all is text. The last
//! message on the error channel is a `Status`, from version 4 on.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::{Socket, close};
use crate::stream::{Inbound, Link, Outbound, QUEUE};

/// The first byte of a message that ends a channel.
const CLOSE: u8 = 255;

/// What sets one channel protocol apart from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channeled {
    is_text: bool,
    /// Channels can be ended.
    closes: bool,
    reports_status: bool,
}

impl Channeled {
    /// By its name, such as `v4.base64.channel.k8s.io`.
    pub fn named(protocol: &str) -> Channeled {
        Channeled {
            is_text: protocol.ends_with("base64.channel.k8s.io"),
            closes: protocol == "v5.channel.k8s.io",
            reports_status: protocol.starts_with("v5.") || protocol.starts_with("v4."),
        }
    }
}

/// Speaks a channel protocol; `greeted` are the channels that get an empty message first, which tells clients that the
/// connection stands.
pub fn channels(socket: Socket, protocol: Channeled, greeted: &[u8]) -> Link {
    let (sink, stream) = socket.split();
    let (sender, inbound) = mpsc::channel(QUEUE);
    let (outbound, receiver) = mpsc::channel(QUEUE.max(greeted.len()));
    for channel in greeted {
        let hello = Outbound::Data { channel: *channel, bytes: Bytes::new() };
        outbound.try_send(hello).expect("the queue is empty and as long");
    }
    tokio::spawn(read(stream, protocol, sender));
    tokio::spawn(write(sink, protocol, receiver));
    Link { inbound, outbound, reports_status: protocol.reports_status }
}

async fn read(mut stream: SplitStream<Socket>, protocol: Channeled, inbound: mpsc::Sender<Inbound>) {
    while let Some(Ok(message)) = stream.next().await {
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => Bytes::from(text),
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
        };
        let Some(said) = protocol.said(&bytes) else { continue };
        if inbound.send(said).await.is_err() {
            return;
        }
    }
}

async fn write(
    mut sink: SplitSink<Socket, Message>,
    protocol: Channeled,
    mut outbound: mpsc::Receiver<Outbound>,
) {
    while let Some(order) = outbound.recv().await {
        let message = match order {
            Outbound::Data { channel, bytes } => protocol.message(channel, &bytes),
            Outbound::Eof { channel } if protocol.closes => {
                Message::Binary(Bytes::copy_from_slice(&[CLOSE, channel]))
            }
            Outbound::Eof { .. } => continue,
        };
        if sink.send(message).await.is_err() {
            return;
        }
    }
    close(&mut sink).await;
}

impl Channeled {
    /// What a message says; none for one that says nothing.
    fn said(self, message: &Bytes) -> Option<Inbound> {
        let first = *message.first()?;
        if self.is_text {
            let bytes = BASE64.decode(&message[1..]).ok()?.into();
            return Some(Inbound::Data { channel: first.checked_sub(b'0')?, bytes });
        }
        if self.closes && first == CLOSE {
            return Some(Inbound::Eof { channel: *message.get(1)? });
        }
        Some(Inbound::Data { channel: first, bytes: message.slice(1..) })
    }

    fn message(self, channel: u8, bytes: &[u8]) -> Message {
        if self.is_text {
            let digit = char::from(b'0'.saturating_add(channel));
            return Message::text(format!("{digit}{}", BASE64.encode(bytes)));
        }
        let mut message = BytesMut::with_capacity(bytes.len() + 1);
        message.put_u8(channel);
        message.put_slice(bytes);
        Message::Binary(message.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(protocol: &str, message: &[u8]) -> Option<Inbound> {
        Channeled::named(protocol).said(&Bytes::copy_from_slice(message))
    }

    fn data(channel: u8, bytes: &'static [u8]) -> Option<Inbound> {
        Some(Inbound::Data { channel, bytes: Bytes::from_static(bytes) })
    }

    #[test]
    fn a_message_is_a_channel_and_its_bytes_or_the_end_of_one() {
        assert_eq!(said("v5.channel.k8s.io", b"\x00hi"), data(0, b"hi"));
        assert_eq!(said("v5.channel.k8s.io", b"\x04"), data(4, b""));
        assert_eq!(said("v5.channel.k8s.io", b""), None);
        assert_eq!(said("v5.channel.k8s.io", b"\xff\x00"), Some(Inbound::Eof { channel: 0 }));
        // Channels don't end before version 5, and there is no such channel.
        assert_eq!(said("v4.channel.k8s.io", b"\xff\x00"), data(255, b"\x00"));
    }

    #[test]
    fn text_carries_any_bytes() {
        for protocol in ["v4.base64.channel.k8s.io", "base64.channel.k8s.io"] {
            assert_eq!(said(protocol, b"0Zm9vCg=="), data(0, b"foo\n"));
            assert_eq!(said(protocol, b"0not base64"), None);
            let message = Channeled::named(protocol).message(1, b"\xff\x00");
            assert_eq!(message, Message::text("1/wA="));
        }
    }
}
