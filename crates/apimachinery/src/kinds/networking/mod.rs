//! The group networking.k8s.io.

mod ingress;
mod ip_address;
mod network_policy;

pub(super) use ingress::{INGRESS, INGRESS_CLASS};
pub(super) use ip_address::IP_ADDRESS;
pub(super) use network_policy::{NETWORK_POLICY, SERVICE_CIDR};
