//! Deployments, ReplicaSets, EndpointSlices and Endpoints, PodDisruptionBudgets, garbage collection, namespaces, node
//! lifecycle, ResourceQuotas, the end of Events: the decisions.
//!
//! Every controller here is three pure functions over a view of its own; none knows another. Upstream's
//! `pkg/controller` is the specification of what each comes to, not of how.

pub mod custom_resources;
pub mod deployment;
pub mod disruption;
pub mod endpoint_slice;
pub mod endpoint_slice_mirroring;
pub mod endpoints;
pub mod event_expiry;
pub mod garbage;
mod groups;
pub mod namespace;
pub mod node_leases;
pub mod node_lifecycle;
mod owners;
pub mod pod_garbage;
pub mod replica_set;
pub mod resource_quota;

pub use custom_resources::CustomResources;
pub use deployment::Deployments;
pub use disruption::Disruption;
pub use endpoint_slice::EndpointSlices;
pub use endpoint_slice_mirroring::EndpointSliceMirroring;
pub use endpoints::Endpoints;
pub use event_expiry::EventExpiry;
pub use garbage::Garbage;
pub use namespace::{Defaults, NamespaceEnding};
pub use node_leases::NodeLeases;
pub use node_lifecycle::NodeLifecycle;
pub use pod_garbage::PodGarbage;
pub use replica_set::ReplicaSets;
pub use resource_quota::ResourceQuotas;
