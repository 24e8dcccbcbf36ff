//! Nodes and a gateway on a real log, by the protocol that agents speak. Needs nats-server (`make tools`, or
//! `RUTTER_NATS_SERVER`).

#![allow(clippy::unwrap_used, reason = "a helper of a test fails where it stands")]

mod agent;
#[path = "../api/client.rs"]
#[allow(dead_code, reason = "shared with tests that need more of it")]
mod client;
#[path = "../api/cluster.rs"]
#[allow(dead_code, reason = "shared with tests that need more of it")]
mod cluster;
mod crowd;
mod stories;
