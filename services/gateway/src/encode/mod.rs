//! From an object to the bytes of an answer: its format, its shape, and the response around it.

pub mod gzip;
pub mod object;
pub mod protobuf_list;
pub mod respond;
