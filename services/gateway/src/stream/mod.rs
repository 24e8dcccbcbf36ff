//! Streams between a client and a container: whatever a client speaks (WebSocket channels v4 or v5, SPDY/3.1, or SPDY
//! inside a WebSocket) becomes a [`Link`], and a link is bridged to a node's dialled stream. Every queue here is short,
//! so that a side that stops reading stops the other side, and nobody else.

pub mod bridge;
pub mod portforward;
pub mod remote_command;
pub mod upgrade;
pub mod websocket;

use bytes::Bytes;
use tokio::sync::mpsc;

/// Messages that wait between a client's socket and the bridge, each of at most 32 KiB or what the client chose to send.
pub const QUEUE: usize = 8;

/// What came from a client. Channels are those of `rutter_schemas::protocol::dial::channel`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    Data { channel: u8, bytes: Bytes },
    Eof { channel: u8 },
}

/// What goes to a client. Dropping the sender ends the connection in an orderly way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outbound {
    Data { channel: u8, bytes: Bytes },
    Eof { channel: u8 },
}

/// A client's side of a stream, whatever it speaks.
#[derive(Debug)]
pub struct Link {
    pub inbound: mpsc::Receiver<Inbound>,
    pub outbound: mpsc::Sender<Outbound>,
    /// Whether the last word on the error channel is a `Status`; older protocols carry a line of text.
    pub reports_status: bool,
}
