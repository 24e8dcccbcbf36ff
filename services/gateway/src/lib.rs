//! The Kubernetes API over HTTPS.

pub mod admission;
pub mod authn;
pub mod authz;
pub mod body;
pub mod listen;
pub mod node;
pub mod request;
pub mod store;
pub mod stream;
