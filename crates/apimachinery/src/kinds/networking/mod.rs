//! The group networking.k8s.io.

mod ip_address;

pub(super) use ip_address::IP_ADDRESS;
