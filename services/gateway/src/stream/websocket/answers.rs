//! Answers that only come, over a WebSocket: a watch, an event a message (upstream: `endpoints/handlers/watch.go`,
//! HandleWS), and a stream of bytes (upstream: `wsstream.Reader`). What the client sends says nothing but its end.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, Stream, StreamExt};
use http::{HeaderMap, Response};
use hyper::upgrade::OnUpgrade;
use rutter_apimachinery::status::Status;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::{Socket, accept, close};
use crate::body::{Body, BodyError};
use crate::stream::upgrade::{Wanted, offered, switching};

/// How bytes are carried: as they are, or as text; last, what those get who name none.
pub const READER: [&str; 3] = ["binary.k8s.io", "base64.binary.k8s.io", "binary.k8s.io"];

/// Every event a text message.
///
/// # Errors
/// 400 for a client that sent no key.
pub fn events(
    headers: &HeaderMap,
    upgrade: OnUpgrade,
    pieces: mpsc::Receiver<Result<Bytes, BodyError>>,
) -> Result<Response<Body>, Status> {
    let protocol = offered(headers, Wanted::WebSocket).into_iter().next();
    let answer = switching(headers, Wanted::WebSocket, protocol.as_deref())
        .ok_or_else(|| Status::bad_request("a WebSocket request has a key"))?;
    let messages = tokio_stream::wrappers::ReceiverStream::new(pieces).flat_map(|piece| {
        let lines: Vec<Result<Message, BodyError>> = match piece {
            Ok(piece) => piece
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(|line| Ok(Message::text(String::from_utf8_lossy(line).into_owned())))
                .collect(),
            Err(why) => vec![Err(why)],
        };
        futures::stream::iter(lines)
    });
    tokio::spawn(tell(upgrade, messages));
    Ok(answer)
}

/// Every piece a message, after an empty one that says that the connection stands.
pub async fn bytes(
    upgrade: OnUpgrade,
    protocol: &str,
    pieces: impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
) {
    let is_text = protocol == "base64.binary.k8s.io";
    let greeted = futures::stream::iter([Ok(Bytes::new())]).chain(pieces);
    let messages = greeted.map(move |piece| {
        piece.map(|piece| match is_text {
            true => Message::text(BASE64.encode(piece)),
            false => Message::Binary(piece),
        })
    });
    tell(upgrade, messages).await;
}

/// Until there is no more, or the client leaves. What breaks off is closed without a word.
async fn tell(upgrade: OnUpgrade, messages: impl Stream<Item = Result<Message, BodyError>> + Send) {
    let Ok(upgraded) = upgrade.await else { return };
    let (mut sink, stream) = accept(upgraded).await.split();
    tokio::select! {
        told = send(&mut sink, messages) => if told.is_ok() { close(&mut sink).await },
        () = gone(stream) => {}
    }
}

async fn send(
    sink: &mut SplitSink<Socket, Message>,
    messages: impl Stream<Item = Result<Message, BodyError>> + Send,
) -> Result<(), BodyError> {
    let mut messages = std::pin::pin!(messages);
    while let Some(message) = messages.next().await {
        sink.send(message?).await?;
    }
    Ok(())
}

async fn gone(mut stream: SplitStream<Socket>) {
    while let Some(Ok(message)) = stream.next().await {
        if message.is_close() {
            return;
        }
    }
}
