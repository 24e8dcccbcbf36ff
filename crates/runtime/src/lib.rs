//! The shell: the only place that knows NATS, RocksDB, clocks, retries, tracing and shutdown.
//!
//! Everything that decides lives in pure crates; what is here carries bytes between those machines and
//! the world, and keeps three things true:
//!
//! * what a service reads comes from one [`view::View`], which never serves a log it cannot vouch for;
//! * what a service writes goes through one [`proposer::Proposer`], which never guesses an outcome;
//! * every child process, task and file that is opened here is ended, joined or closed by [`shutdown`].

pub mod admission;
pub mod config;
pub mod controller;
pub mod disk;
pub mod executor;
pub mod files;
pub mod jwt;
pub mod metrics;
pub mod nats;
pub mod now;
pub mod pki;
pub mod plan;
pub mod port;
pub mod proposer;
pub mod recorder;
pub mod roles;
pub mod seal;
pub mod served;
pub mod server;
pub mod shutdown;
pub mod standby;
pub mod stream;
pub mod telemetry;
pub mod view;
