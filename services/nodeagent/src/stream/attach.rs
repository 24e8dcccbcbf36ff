//! Joining a container's first process, through the CRI's streaming server on the node's loopback (WebSocket,
//! `v4.channel.k8s.io`: the one subprotocol containerd 1.6 speaks). It can't say that the input has ended.

use bytes::{Bytes, BytesMut};
use futures::{SinkExt, StreamExt};
use rutter_cri::runtime::AttachRequest;
use rutter_schemas::protocol::dial::channel;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::flow::{Flow, Got};
use crate::runtime::Cri;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(super) async fn open(cri: &Cri, wanted: AttachRequest) -> Result<Socket, String> {
    let url = cri.attach_url(wanted).await?.replacen("http://", "ws://", 1);
    let mut request = url.into_client_request().map_err(|why| why.to_string())?;
    let protocol = HeaderValue::from_static("v4.channel.k8s.io");
    request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
    let (socket, _) = tokio_tungstenite::connect_async(request).await.map_err(|why| why.to_string())?;
    Ok(socket)
}

/// Carries it until one side ends.
pub(super) async fn flow(socket: Socket, flow: Flow) {
    let (mut to, mut from) = socket.split();
    let Flow { mut out, mut incoming, .. } = flow;
    let over = out.over();
    let output = async {
        while let Some(Ok(message)) = from.next().await {
            let Message::Binary(mut bytes) = message else { continue };
            if bytes.is_empty() {
                continue;
            }
            let number = bytes.split_to(1)[0];
            if out.send(number, bytes).await.is_err() {
                return;
            }
        }
    };
    let input = async {
        while let Some(got) = incoming.next().await {
            let Got::Data { channel: number @ (channel::STDIN | channel::RESIZE), payload } = got else {
                continue;
            };
            if to.send(Message::Binary(framed(number, &payload))).await.is_err() {
                return;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = output => {}
        () = input => {}
        () = over.cancelled() => {}
    }
    out.end("").await;
}

fn framed(number: u8, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(payload.len() + 1);
    frame.extend_from_slice(&[number]);
    frame.extend_from_slice(payload);
    frame.freeze()
}
