//! The group discovery.k8s.io.

mod endpoint_slice;

pub(super) use endpoint_slice::ENDPOINT_SLICE;
