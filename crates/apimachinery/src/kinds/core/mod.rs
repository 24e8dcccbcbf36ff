//! The core group.

mod config_map;
mod event;
mod namespace;
mod node;
pub(super) mod pod;
mod secret;
pub mod service;
mod service_account;

pub(super) use config_map::CONFIG_MAP;
pub(super) use event::EVENT;
pub(super) use namespace::NAMESPACE;
pub(super) use node::NODE;
pub(super) use pod::POD;
pub(super) use secret::SECRET;
pub(super) use service::SERVICE;
pub(super) use service_account::SERVICE_ACCOUNT;
