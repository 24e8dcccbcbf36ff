//! Ledgers, and what stands on them, against a real nats-server.

mod common;
mod controller;
mod ledger;
