//! Namespaces: what a new one gets, and how one ends.

pub mod defaults;
pub mod ending;

pub use defaults::{Defaults, ROOT_CA};
pub use ending::NamespaceEnding;
