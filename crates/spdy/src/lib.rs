//! SPDY/3.1 as Kubernetes' streams speak it (through moby/spdystream): kubectl and client-go towards a gateway, a node
//! towards its runtime's streaming server. Streams are opened by the client with headers, carry data frames, and end
//! in halves. Flow control is TCP's: neither side sends or honours window updates there.

mod connection;
mod dictionary;
mod frame;
mod headers;

pub use connection::{Event, Sender, speak};
pub use frame::BadFrame;
pub use headers::Headers;
