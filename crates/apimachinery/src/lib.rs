//! Pure Kubernetes semantics: what the API means, without a socket, a clock or a disk.

pub mod admission;
pub mod custom;
pub mod decode;
pub mod discovery;
pub mod duration;
mod json;
pub mod kind;
pub mod kinds;
pub mod name;
pub mod openapi;
pub mod patch;
pub mod protobuf;
pub mod recorder;
pub mod registry;
pub mod selector;
pub mod status;
pub mod structural;
pub mod table;
pub mod tables;
pub mod validation;
pub mod write;

pub use rutter_quantity as quantity;
