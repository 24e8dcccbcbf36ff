//! The group apps.

mod daemon_set;
mod deployment;
mod replica_set;
mod stateful_set;
mod workload;

pub(super) use daemon_set::DAEMON_SET;
pub(super) use deployment::DEPLOYMENT;
pub(super) use replica_set::REPLICA_SET;
pub(super) use stateful_set::{CONTROLLER_REVISION, STATEFUL_SET};
pub(super) use workload::{int_or_percent, selector_told};
