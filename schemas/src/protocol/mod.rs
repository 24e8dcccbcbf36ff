//! What services say to each other outside the log.

pub mod dial;
pub mod ledger;
pub mod node;
