//! One room per API group, one file per kind.

mod apps;
mod columns;
mod coordination;
mod core;
mod discovery;
mod events;
mod networking;
pub mod pod_spec;

pub use self::core::service;
use crate::kind::Kind;
pub use columns::human_duration;

/// Every kind known at build time, in the order that discovery tells them.
pub const ALL: &[&Kind] = &[
    &core::NAMESPACE,
    &core::NODE,
    &core::POD,
    &core::SERVICE,
    &core::CONFIG_MAP,
    &core::SECRET,
    &core::SERVICE_ACCOUNT,
    &core::EVENT,
    &apps::DEPLOYMENT,
    &apps::REPLICA_SET,
    &events::EVENT,
    &coordination::LEASE,
    &networking::IP_ADDRESS,
    &discovery::ENDPOINT_SLICE,
];
