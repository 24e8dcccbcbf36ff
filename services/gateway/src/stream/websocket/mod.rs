//! WebSockets: the channel protocols of exec, attach and port-forward; a WebSocket as a plain byte stream, in which
//! newer clients carry SPDY; and answers that only come, watches and logs, for who reads them in a browser.

mod answers;
mod channels;
mod tunnel;

use futures::SinkExt;
use futures::stream::SplitSink;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

pub use answers::{READER, bytes, events};
pub use channels::{Channeled, channels};
pub use tunnel::tunnel;

pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// No client sends larger messages (kubectl: 32 KiB).
const LARGEST_MESSAGE: usize = 1 << 20;

/// Takes over an upgraded connection.
pub async fn accept(upgraded: Upgraded) -> Socket {
    let config = WebSocketConfig::default()
        .max_message_size(Some(LARGEST_MESSAGE))
        .max_frame_size(Some(LARGEST_MESSAGE));
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await
}

/// An orderly end says that it is one: clients take a close without a code for a broken connection.
async fn close(sink: &mut SplitSink<Socket, Message>) {
    let orderly = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    let _ = sink.send(Message::Close(Some(orderly))).await;
    let _ = sink.close().await;
}
