//! What upstream's admission plugins make of an object when they know another one. Whoever has a view of the cluster
//! looks that one up; nothing here does.

pub mod limit_range;
pub mod pod_resize;
mod pod_sum;
pub mod priority;
pub mod quota;
pub mod runtime_class;
pub mod service_account;
