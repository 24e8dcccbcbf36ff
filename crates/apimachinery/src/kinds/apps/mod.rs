//! The group apps.

mod deployment;
mod replica_set;
mod workload;

pub(super) use deployment::DEPLOYMENT;
pub(super) use replica_set::REPLICA_SET;
