//! The shell against a real nats-server.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
mod server;
mod view;
