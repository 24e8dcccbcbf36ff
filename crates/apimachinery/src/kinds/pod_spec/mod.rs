//! What Pods and pod templates share: defaults, rules, the quality of service.

mod containers;
mod defaults;
mod env;
mod mounts;
mod probes;
mod qos;
mod resources;
mod scheduling;
mod security;
mod spec;
mod volumes;

pub(crate) use defaults::request_what_is_limited;
pub(super) use defaults::{default_pod, default_template};
pub use qos::qos_class;

pub(super) use scheduling::taint_effect;
pub(super) use spec::{Within, validate, validate_template};
