//! The group coordination.k8s.io.

mod lease;

pub(super) use lease::LEASE;
