//! Drives the scheduler: carries its plans to the log and the log to its view.

use rutter_placement_core::Placement;
use rutter_runtime::controller::{self, Nothing};
use rutter_runtime::plan::PlanExecutor;
use rutter_runtime::shutdown::Stage;
use rutter_runtime::standby::{self, Standby};

/// Under this name its copies hear each other, and its commits are recorded.
pub const SERVICE: &str = "placement";

/// How this copy works.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlacementConfig {
    pub standby: Standby,
}

/// What it works with.
#[derive(Clone)]
pub struct Parts {
    pub client: async_nats::Client,
    /// Made for [`SERVICE`].
    pub executor: PlanExecutor,
}

/// Starts the scheduler as a task of `stage`, with which it ends.
pub fn start(config: PlacementConfig, parts: Parts, stage: &Stage) {
    let active = standby::watch(parts.client, SERVICE, config.standby, stage);
    stage.spawn(controller::run::<Placement>(parts.executor, Nothing, active, stage.token()));
}

/// Runs the scheduler until `stage` ends.
pub async fn run(config: PlacementConfig, parts: Parts, stage: &Stage) {
    start(config, parts, stage);
    stage.token().cancelled().await;
}
