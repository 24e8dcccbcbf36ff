//! The controllers of a process.

use anyhow::Result;
use rutter_runtime::nats::{self, NatsConfig};
use rutter_runtime::roles::Role;
use rutter_runtime::shutdown::Stage;
use rutter_runtime::standby::Standby;

use crate::process::Ground;

/// Starts all of them on one ground, each with a connection of its own role.
pub(crate) async fn start(
    ground: &Ground,
    connection: &dyn Fn(&Role) -> Result<NatsConfig>,
    standby: Standby,
    stage: &Stage,
) -> Result<()> {
    for role in [Role::Replicator, Role::Placement, Role::Autoscaler] {
        let client = nats::connect(&connection(&role)?, &role).await?;
        start_one(&role, ground, client, standby, stage).await?;
    }
    Ok(())
}

/// Starts the controllers of one role.
pub(crate) async fn start_one(
    role: &Role,
    ground: &Ground,
    client: async_nats::Client,
    standby: Standby,
    stage: &Stage,
) -> Result<()> {
    match role {
        Role::Replicator => {
            let executor = ground.executor(rutter_replicator::SERVICE);
            let parts = rutter_replicator::Parts { client, executor, seal: ground.seal.clone() };
            rutter_replicator::start(rutter_replicator::ReplicatorConfig { standby }, parts, stage);
        }
        Role::Placement => {
            let executor = ground.executor(rutter_placement::SERVICE);
            let parts = rutter_placement::Parts { client, executor };
            rutter_placement::start(rutter_placement::PlacementConfig { standby }, parts, stage);
        }
        Role::Autoscaler => {
            let executor = ground.executor(rutter_autoscaler::SERVICE);
            let parts = rutter_autoscaler::Parts { client, executor };
            rutter_autoscaler::start(rutter_autoscaler::AutoscalerConfig { standby }, parts, stage).await?;
        }
        Role::Ledger | Role::Gateway | Role::Node(_) | Role::Simulation(_) => {
            anyhow::bail!("{role} has no controllers")
        }
    }
    Ok(())
}
