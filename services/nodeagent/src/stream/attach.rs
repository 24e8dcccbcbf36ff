//! Joining a container's first process, through the CRI's streaming server on the node's loopback (WebSocket,
//! `v4.channel.k8s.io`: the one subprotocol containerd 1.6 speaks).
//!
//! That can't say that the input has ended but by closing the connection. So input has a connection of its own: closing
//! it ends the input of a container that reads once (`stdinOnce`), and its output still comes.

use bytes::{Bytes, BytesMut};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use rutter_cri::runtime::AttachRequest;
use rutter_schemas::protocol::dial::channel;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::flow::{Flow, Got, Incoming, Outgoing};
use crate::runtime::Cri;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What to join, and what the container does when its input ends.
pub(super) struct Wanted {
    pub(super) request: AttachRequest,
    /// Its process is told of the end of the first input, and goes on to write.
    pub(super) reads_once: bool,
}

pub(super) struct Session {
    input: Option<Socket>,
    /// Also takes the terminal's size.
    output: Option<Socket>,
    reads_once: bool,
}

pub(super) async fn open(cri: &Cri, wanted: Wanted) -> Result<Session, String> {
    let Wanted { request, reads_once } = wanted;
    let has_output = request.stdout || request.stderr;
    let output = match has_output {
        true => Some(connect(cri, AttachRequest { stdin: false, ..request.clone() }).await?),
        false => None,
    };
    let input = match request.stdin {
        true => Some(connect(cri, AttachRequest { stdout: false, stderr: false, ..request }).await?),
        false => None,
    };
    Ok(Session { input, output, reads_once })
}

async fn connect(cri: &Cri, wanted: AttachRequest) -> Result<Socket, String> {
    let url = cri.attach_url(wanted).await?.replacen("http://", "ws://", 1);
    let mut request = url.into_client_request().map_err(|why| why.to_string())?;
    let protocol = HeaderValue::from_static("v4.channel.k8s.io");
    request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
    let (socket, _) = tokio_tungstenite::connect_async(request).await.map_err(|why| why.to_string())?;
    Ok(socket)
}

impl Session {
    /// Carries it until one side ends.
    pub(super) async fn flow(self, flow: Flow) {
        let Flow { mut out, incoming, .. } = flow;
        let over = out.over();
        let (size, output) = self.output.map(StreamExt::split).unzip();
        let goes_on = self.reads_once && output.is_some();
        tokio::select! {
            () = carry_output(output, &mut out) => {}
            () = carry_input(self.input, size, incoming, goes_on) => {}
            () = over.cancelled() => {}
        }
        out.end("").await;
    }
}

/// Ends with the container's output; without output, never.
async fn carry_output(output: Option<SplitStream<Socket>>, out: &mut Outgoing) {
    let Some(mut output) = output else { return std::future::pending().await };
    while let Some(Ok(message)) = output.next().await {
        let Message::Binary(mut bytes) = message else { continue };
        if bytes.is_empty() {
            continue;
        }
        let number = bytes.split_to(1)[0];
        if out.send(number, bytes).await.is_err() {
            return;
        }
    }
}

/// Ends when the input does, unless output may still come.
async fn carry_input(
    mut input: Option<Socket>,
    mut size: Option<SplitSink<Socket, Message>>,
    mut incoming: Incoming,
    goes_on: bool,
) {
    while let Some(got) = incoming.next().await {
        match got {
            Got::Data { channel: channel::STDIN, payload } => {
                let Some(socket) = &mut input else { continue };
                if socket.send(Message::Binary(framed(channel::STDIN, &payload))).await.is_err() {
                    input = None;
                }
            }
            Got::Data { channel: channel::RESIZE, payload } => {
                let Some(size) = &mut size else { continue };
                // A terminal of the wrong size is no reason to end.
                let _ = size.send(Message::Binary(framed(channel::RESIZE, &payload))).await;
            }
            Got::Eof { channel: channel::STDIN } => {
                if let Some(mut socket) = input.take() {
                    // What was sent before is read before the close is.
                    let _ = socket.close(None).await;
                    while let Some(Ok(_)) = socket.next().await {}
                    if !goes_on {
                        return;
                    }
                }
            }
            Got::Data { .. } | Got::Eof { .. } => {}
        }
    }
    std::future::pending().await
}

fn framed(number: u8, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(payload.len() + 1);
    frame.extend_from_slice(&[number]);
    frame.extend_from_slice(payload);
    frame.freeze()
}
