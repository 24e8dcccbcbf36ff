//! One room per API group, one file per kind.

use crate::kind::Kind;

/// Every kind known at build time, in the order that discovery tells them.
pub const ALL: &[&Kind] = &[];
