//! Ledgers, and what stands on them, against a real nats-server.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;
mod common;
mod controller;
mod ledger;
