//! The core group.

mod config_map;
mod endpoints;
mod event;
mod limits;
mod namespace;
mod node;
mod pod;
mod replication_controller;
mod resource_quota;
mod secret;
pub mod service;
mod service_account;
mod volumes;

pub(super) use config_map::CONFIG_MAP;
pub(super) use endpoints::ENDPOINTS;
pub(super) use event::EVENT;
pub(super) use limits::LIMIT_RANGE;
pub(super) use namespace::NAMESPACE;
pub(super) use node::NODE;
pub(super) use pod::POD;
pub(super) use replication_controller::{POD_TEMPLATE, REPLICATION_CONTROLLER};
pub(super) use resource_quota::RESOURCE_QUOTA;
pub(super) use secret::SECRET;
pub(super) use service::SERVICE;
pub(super) use service_account::SERVICE_ACCOUNT;
pub(super) use volumes::{PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM};
