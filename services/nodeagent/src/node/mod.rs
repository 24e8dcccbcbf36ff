//! The node itself: its object, its numbers, its cgroups.

pub(crate) mod cgroups;
pub(crate) mod facts;
pub(crate) mod object;
pub(crate) mod stats;
