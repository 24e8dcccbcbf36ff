//! What services say to each other outside the log.

pub mod ledger;
pub mod node;
