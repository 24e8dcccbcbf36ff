//! What tests of the whole share: a cluster in a directory of its own, and steps that are played on it; writers that
//! remember what they were told, and the check of it against history; and the tests that run both bounded, with
//! `cargo test`, and at length by themselves.

pub mod apart;
pub mod check;
pub mod cluster;
pub mod dice;
pub mod leader;
pub mod port;
pub mod stale;
pub mod steps;
pub mod traffic;
pub mod twins;
pub mod wait;
pub mod writer;

use std::time::Duration;

use anyhow::Result;
pub use cluster::Cluster;
pub use rutter_client::Client;
pub use steps::Step;

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long a cluster may need to come back.
const PATIENCE: Duration = Duration::from_secs(90);

/// Tries until it succeeds.
///
/// # Errors
/// The last one, when it never does.
pub async fn eventually<T>(what: &str, mut attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Ok(found) => return Ok(found),
            Err(error) if tokio::time::Instant::now() > deadline => {
                return Err(error.context(what.to_owned()));
            }
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}
