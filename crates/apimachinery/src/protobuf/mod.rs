//! Kubernetes' protobuf encoding, to and from the same JSON values everything else works on.
//!
//! There is no code per kind: one walk over the table of messages ([`crate::tables::messages`]) decodes and encodes them all,
//! and what comes out is what upstream's JSON would show, zero values included. An encoded object is the four bytes `k8s\0`
//! and a `runtime.Unknown` that names its kind around the message itself
//! (k8s.io/apimachinery/pkg/runtime/serializer/protobuf).
//!
//! A field number that the table does not have is an error, never dropped; nesting is bounded as JSON's is.

mod envelope;
mod error;
mod form;
mod from_json;
mod from_text;
mod layout;
mod to_json;
mod wire;

pub use envelope::{PREFIX, decode, encode, encode_object_text, is_enveloped, watch_frame};
pub use error::{ProtobufError, Reason};
pub use from_json::encode_message;
pub use from_text::encode_text;
pub use to_json::decode_message;

/// The media type of an encoded object.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// The media type of a stream of watch frames.
pub const WATCH_MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf;stream=watch";

/// How deeply messages may nest: as deeply as serde_json lets JSON.
const DEPTH: u32 = 128;
