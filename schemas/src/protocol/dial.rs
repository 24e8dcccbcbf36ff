//! Byte streams from a gateway into a node: logs, exec, attach, port-forward, and plain connections to a pod.
//!
//! ```text
//!  gateway                                              node
//!    │ ► node::dial(n), reply to data(n, id, "down")  Dial │
//!    │ ◄ data(n, id, "down")    DialAnswer, as JSON        │   always the first message
//!    │ ► data(n, id, "up")      DialFrame …                │   towards the node
//!    │ ◄ data(n, id, "down")    DialFrame …                │   from the node
//! ```
//!
//! The caller subscribes to `down` before it asks and sends nothing before the answer has come; the node subscribes to
//! `up` before it answers. No answer within [`ANSWER_SECS`], or the broker's "no responders", means the node is not
//! there. Nodes may publish under their own prefix only, so a caller's own inbox would not be reached. The streams run
//! over a second connection per process, so that a fat one never delays a command.
//!
//! Each direction has a window of [`WINDOW`] bytes of `Data` over all its channels; the receiver grants more with
//! `Credit` as it hands bytes on. `Data`, `Eof` and `End` are numbered from 0 per direction, and a gap ends the stream.
//! A side that hears nothing for [`SILENCE_SECS`] ends the stream; `Credit` of 0 is a sign of life, sent every
//! [`BEAT_SECS`].

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of data that may be under way in one direction.
pub const WINDOW: u32 = 256 * 1024;

/// The largest payload of one data frame.
pub const CHUNK: usize = 32 * 1024;

/// How long a caller waits for the [`DialAnswer`].
pub const ANSWER_SECS: u64 = 5;

/// A side sends a sign of life this often.
pub const BEAT_SECS: u64 = 10;

/// A side that heard nothing for so long takes the other for gone.
pub const SILENCE_SECS: u64 = 35;

/// Channels, as in `v4.channel.k8s.io`. A plain connection uses `STDIN` towards the pod and `STDOUT` from it.
pub mod channel {
    pub const STDIN: u8 = 0;
    pub const STDOUT: u8 = 1;
    pub const STDERR: u8 = 2;
    /// One `metav1.Status` as JSON, when a command ended.
    pub const ERROR: u8 = 3;
    /// `{"Width":80,"Height":24}`.
    pub const RESIZE: u8 = 4;
}

/// Asks a node for a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dial {
    /// The caller's choice, unique: a uuid in simple form. Names the stream's data subjects.
    pub id: String,
    pub target: DialTarget,
}

/// What is at the other end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "to", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum DialTarget {
    /// A container's log, on `STDOUT`; the stream ends when the log does.
    Logs { pod: PodRef, container: String, options: LogOptions },
    /// Runs a command in a container.
    Exec {
        pod: PodRef,
        container: String,
        command: Vec<String>,
        stdin: bool,
        stdout: bool,
        stderr: bool,
        tty: bool,
    },
    /// Joins a container's first process.
    Attach { pod: PodRef, container: String, stdin: bool, stdout: bool, stderr: bool, tty: bool },
    /// A TCP connection made inside the pod's network namespace, to its own loopback (port-forward).
    PortForward { pod: PodRef, port: u16 },
    /// A TCP connection to one of the pod's addresses, made from the node (proxy, webhooks, probes by others).
    Connect { pod: PodRef, port: u16 },
    /// What the node tells of itself, over HTTP/1.1: the pages of upstream's kubelet.
    Pages,
    /// A TCP connection to a port of the node's own address.
    Host { port: u16 },
}

/// A pod on the node that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRef {
    pub namespace: String,
    pub name: String,
    /// Empty: whatever pod has that name.
    #[serde(default)]
    pub uid: String,
}

/// `PodLogOptions` of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogOptions {
    pub follow: bool,
    /// Of the instance before this one.
    pub previous: bool,
    pub timestamps: bool,
    pub tail_lines: Option<u64>,
    pub limit_bytes: Option<u64>,
    /// RFC 3339; `sinceSeconds` is turned into it by the gateway.
    pub since_time: Option<String>,
    /// `Stdout`, `Stderr`, or none for `All`.
    pub stream: Option<String>,
}

/// The node's first word about a [`Dial`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "camelCase")]
pub enum DialAnswer {
    /// Both directions are open, each with a window of [`WINDOW`].
    Open,
    /// A `metav1.Status`.
    Refused { status: Value },
}

/// One message on a stream's data subject: kind, channel, number (big endian), payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialFrame {
    /// At most [`CHUNK`] bytes.
    Data { channel: u8, number: u64, payload: Bytes },
    /// The other side may send this many bytes more.
    Credit { bytes: u32 },
    /// Nothing more comes on this channel. Numbered as data, so that it can't overtake any.
    Eof { channel: u8, number: u64 },
    /// The stream is over, in both directions; nothing follows. Numbered as data. An empty reason is an orderly end.
    End { number: u64, reason: String },
}

/// Not a frame.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} bytes are no frame of a stream")]
pub struct BadFrame(pub usize);

const HEADER: usize = 10;

impl DialFrame {
    pub fn encode(&self) -> Bytes {
        match self {
            DialFrame::Data { channel, number, payload } => assemble(0, *channel, *number, payload),
            DialFrame::Credit { bytes } => assemble(1, 0, u64::from(*bytes), &[]),
            DialFrame::Eof { channel, number } => assemble(2, *channel, *number, &[]),
            DialFrame::End { number, reason } => assemble(3, 0, *number, reason.as_bytes()),
        }
    }

    /// # Errors
    /// [`BadFrame`] when the bytes are too short, too long, or of an unknown kind.
    pub fn decode(bytes: &Bytes) -> Result<DialFrame, BadFrame> {
        let bad = BadFrame(bytes.len());
        let Some((head, _)) = bytes.split_first_chunk::<HEADER>() else { return Err(bad) };
        if bytes.len() > HEADER + CHUNK {
            return Err(bad);
        }
        let channel = head[1];
        let number =
            u64::from_be_bytes([head[2], head[3], head[4], head[5], head[6], head[7], head[8], head[9]]);
        let payload = bytes.slice(HEADER..);
        match head[0] {
            0 => Ok(DialFrame::Data { channel, number, payload }),
            1 => Ok(DialFrame::Credit { bytes: u32::try_from(number).map_err(|_| bad)? }),
            2 => Ok(DialFrame::Eof { channel, number }),
            3 => Ok(DialFrame::End { number, reason: String::from_utf8_lossy(&payload).into_owned() }),
            _ => Err(bad),
        }
    }
}

fn assemble(kind: u8, channel: u8, number: u64, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEADER + payload.len());
    frame.put_u8(kind);
    frame.put_u8(channel);
    frame.put_u64(number);
    frame.put_slice(payload);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_as_they_were_sent() {
        let frames = [
            DialFrame::Data { channel: 2, number: 9, payload: Bytes::from_static(b"oops\n") },
            DialFrame::Credit { bytes: WINDOW },
            DialFrame::Eof { channel: 0, number: 10 },
            DialFrame::End { number: 11, reason: "the container is gone".into() },
        ];
        for frame in frames {
            assert_eq!(DialFrame::decode(&frame.encode()), Ok(frame));
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for bytes in
            [Bytes::from_static(b"short"), Bytes::from_static(&[9; 10]), Bytes::from(vec![0; CHUNK + 11])]
        {
            assert_eq!(DialFrame::decode(&bytes), Err(BadFrame(bytes.len())));
        }
    }
}
