//! Frames of SPDY/3.1 (draft-mbelshe-httpbis-spdy-00, section 2.2), headers still compressed.
//!
//! ```text
//! control: 1 | version (15) | type (16) | flags (8) | length (24) | payload
//! data:    0 | stream id (31)           | flags (8) | length (24) | payload
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

/// Bytes that are not SPDY/3.1, or more of it than is bounded here.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BadFrame {
    #[error("a frame of {0} bytes is too large")]
    TooLarge(usize),
    #[error("SPDY version {0} is not spoken here")]
    Version(u16),
    #[error("a control frame of type {0} is too short")]
    Short(u16),
    #[error("a header block that can't be read")]
    Headers,
}

/// A frame as it is on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    Data {
        stream: u32,
        fin: bool,
        bytes: Bytes,
    },
    SynStream {
        stream: u32,
        fin: bool,
        headers: Bytes,
    },
    SynReply {
        stream: u32,
        fin: bool,
        headers: Bytes,
    },
    Reset {
        stream: u32,
        status: u32,
    },
    Ping {
        id: u32,
    },
    GoAway {
        last_stream: u32,
        status: u32,
    },
    /// Settings, window updates, late headers: nothing that we act on; headers still have to be decompressed.
    Headers {
        headers: Bytes,
    },
    Ignored,
}

/// Data frames of kubectl are at most 32 KiB; this leaves room for others.
const LARGEST: usize = 1 << 20;
const HEAD: usize = 8;
const FIN: u8 = 1;
const VERSION: u16 = 3;

/// Takes the first whole frame off the buffer; none while it is incomplete.
pub(super) fn decode(buffer: &mut BytesMut) -> Result<Option<Frame>, BadFrame> {
    if buffer.len() < HEAD {
        return Ok(None);
    }
    let length = usize::from(buffer[5]) << 16 | usize::from(buffer[6]) << 8 | usize::from(buffer[7]);
    if length > LARGEST {
        return Err(BadFrame::TooLarge(length));
    }
    if buffer.len() < HEAD + length {
        return Ok(None);
    }
    let mut head = buffer.split_to(HEAD).freeze();
    let payload = buffer.split_to(length).freeze();
    let word = head.get_u32();
    let fin = head[0] & FIN != 0;
    if word >> 31 == 0 {
        return Ok(Some(Frame::Data { stream: word, fin, bytes: payload }));
    }
    let (version, kind) = ((word >> 16 & 0x7fff) as u16, (word & 0xffff) as u16);
    if version != VERSION {
        return Err(BadFrame::Version(version));
    }
    control(kind, fin, payload).map(Some)
}

fn control(kind: u16, fin: bool, mut payload: Bytes) -> Result<Frame, BadFrame> {
    let needed = match kind {
        1 => 10,
        2 | 6 | 8 => 4,
        3 | 7 => 8,
        _ => 0,
    };
    if payload.len() < needed {
        return Err(BadFrame::Short(kind));
    }
    Ok(match kind {
        1 => {
            let stream = payload.get_u32() & 0x7fff_ffff;
            payload.advance(6);
            Frame::SynStream { stream, fin, headers: payload }
        }
        2 => Frame::SynReply { stream: payload.get_u32() & 0x7fff_ffff, fin, headers: payload },
        3 => Frame::Reset { stream: payload.get_u32() & 0x7fff_ffff, status: payload.get_u32() },
        6 => Frame::Ping { id: payload.get_u32() },
        7 => Frame::GoAway { last_stream: payload.get_u32() & 0x7fff_ffff, status: payload.get_u32() },
        8 => {
            payload.advance(4);
            Frame::Headers { headers: payload }
        }
        _ => Frame::Ignored,
    })
}

/// Appends a frame to what is to be written.
pub(super) fn encode(frame: &Frame, out: &mut BytesMut) {
    match frame {
        Frame::Data { stream, fin, bytes } => {
            out.put_u32(*stream);
            length(out, *fin, bytes.len());
            out.put_slice(bytes);
        }
        Frame::SynStream { stream, fin, headers } => {
            kind(out, 1);
            length(out, *fin, 10 + headers.len());
            out.put_u32(*stream);
            out.put_bytes(0, 6);
            out.put_slice(headers);
        }
        Frame::SynReply { stream, fin, headers } => {
            kind(out, 2);
            length(out, *fin, 4 + headers.len());
            out.put_u32(*stream);
            out.put_slice(headers);
        }
        Frame::Reset { stream, status } => pair(out, 3, *stream, *status),
        Frame::GoAway { last_stream, status } => pair(out, 7, *last_stream, *status),
        Frame::Ping { id } => {
            kind(out, 6);
            length(out, false, 4);
            out.put_u32(*id);
        }
        Frame::Headers { .. } | Frame::Ignored => {}
    }
}

fn pair(out: &mut BytesMut, kind_of: u16, first: u32, second: u32) {
    kind(out, kind_of);
    length(out, false, 8);
    out.put_u32(first);
    out.put_u32(second);
}

fn kind(out: &mut BytesMut, kind: u16) {
    out.put_u16(0x8000 | VERSION);
    out.put_u16(kind);
}

fn length(out: &mut BytesMut, fin: bool, length: usize) {
    let length = u32::try_from(length).expect("frames are bounded");
    out.put_u32(u32::from(if fin { FIN } else { 0 }) << 24 | length);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_as_they_were_sent_however_they_are_cut() {
        let frames = [
            Frame::SynStream { stream: 1, fin: false, headers: Bytes::from_static(b"abc") },
            Frame::SynReply { stream: 1, fin: true, headers: Bytes::from_static(b"d") },
            Frame::Data { stream: 1, fin: true, bytes: Bytes::from_static(b"hello") },
            Frame::Reset { stream: 3, status: 5 },
            Frame::Ping { id: 7 },
            Frame::GoAway { last_stream: 9, status: 0 },
        ];
        let mut wire = BytesMut::new();
        frames.iter().for_each(|frame| encode(frame, &mut wire));
        let (mut buffer, mut got) = (BytesMut::new(), Vec::new());
        for byte in wire {
            buffer.put_u8(byte);
            got.extend(decode(&mut buffer).expect("valid"));
        }
        assert_eq!(got, frames);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_frames_or_refused(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = decode(&mut buffer) {}
        }
    }

    #[test]
    fn a_frame_above_the_bound_is_refused_before_it_is_read() {
        let mut buffer = BytesMut::from(&[0, 0, 0, 1, 0, 0xff, 0xff, 0xff][..]);
        assert_eq!(decode(&mut buffer), Err(BadFrame::TooLarge(0xff_ffff)));
    }
}
