//! What the log takes for granted of the stream that holds it: the same cases on the simulator's stream, on one
//! nats-server and on three. What the simulator's runs show is worth as much as these two agree.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod broker;
mod cases;
mod memory;
mod nats;

use memory::Memory;
use nats::Nats;

#[tokio::test]
async fn the_simulators_stream_keeps_the_contract() {
    cases::all(&mut Memory::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_nats_server_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let mut nats = Nats::start(dir.path(), 1).await;
    cases::all(&mut nats).await;
    nats.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nats_servers_keep_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let mut nats = Nats::start(dir.path(), 3).await;
    cases::all(&mut nats).await;
    nats.stop().await;
}
