//! Receives the statistics of nodes and answers what everything uses.

mod ears;

use rutter_autoscaler_core::Autoscaler;
use rutter_runtime::controller;
use rutter_runtime::plan::PlanExecutor;
use rutter_runtime::shutdown::Stage;
use rutter_runtime::standby::{self, Standby};

/// Under this name its copies hear each other, and its commits are recorded.
pub const SERVICE: &str = "autoscaler";

/// How this copy works.
#[derive(Debug, Clone, Copy, Default)]
pub struct AutoscalerConfig {
    pub standby: Standby,
}

/// What it works with.
#[derive(Clone)]
pub struct Parts {
    pub client: async_nats::Client,
    /// Made for [`SERVICE`].
    pub executor: PlanExecutor,
}

/// Why it can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the statistics of nodes, or the questions about them, can't be heard")]
    Subscribe(#[from] async_nats::SubscribeError),
}

/// Starts the autoscaler as a task of `stage`, with which it ends.
///
/// # Errors
/// [`StartError`] when NATS can't be subscribed to.
pub async fn start(config: AutoscalerConfig, parts: Parts, stage: &Stage) -> Result<(), StartError> {
    let active = standby::watch(parts.client.clone(), SERVICE, config.standby, stage);
    let ears = ears::Ears::open(parts.client).await?;
    stage.spawn(controller::run::<Autoscaler>(parts.executor, ears, active, stage.token()));
    Ok(())
}

/// Runs the autoscaler until `stage` ends.
///
/// # Errors
/// As [`start`].
pub async fn run(config: AutoscalerConfig, parts: Parts, stage: &Stage) -> Result<(), StartError> {
    start(config, parts, stage).await?;
    stage.token().cancelled().await;
    Ok(())
}
