//! A gateway as it runs: on a real nats-server, with a ledger beside it.

mod cluster;
mod node;
mod nodes;
