//! A gateway on a real log: nats-server, ledger, view, and clients over TLS. Needs nats-server (`make tools`, or
//! `RUTTER_NATS_SERVER`).

#![allow(clippy::unwrap_used, reason = "a helper of a test fails where it stands")]

mod addresses;
mod client;
mod cluster;
mod conversion;
mod custom;
mod kubectl;
mod laws;
mod operations;
mod quota;
mod reads;
mod stories;
mod streams;
mod tokens;
mod watches;
mod webhook;
mod writes;
