//! Selectors: which objects a request or a controller means, in upstream's grammar and words.

mod field;
mod label;
mod parse;

pub use field::{FieldSelector, Term};
pub use label::{LabelSelector, Requirement, Test};
