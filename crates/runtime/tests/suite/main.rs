//! The shell against a real nats-server.

mod common;
mod server;
mod view;
