//! SPDY/3.1 as kubectl and client-go speak it (through moby/spdystream): streams opened by the client with headers,
//! data frames, half-closing. Flow control is TCP's: neither side sends or honours window updates there.

mod connection;
mod dictionary;
mod frame;
mod headers;

pub use connection::{Event, Sender, serve};
pub use frame::BadFrame;
pub use headers::Headers;
