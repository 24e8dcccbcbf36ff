//! Drives the controllers: each follows the log with a view of its own and carries its plans to it.
//!
//! All that is not in the log comes in here: the heartbeats of nodes, their silence, and the root certificate.

mod hearing;
mod root;

use rutter_replicator_core::{
    CustomResources, Defaults, Deployments, Disruption, EndpointSliceMirroring, EndpointSlices, Endpoints,
    EventExpiry, Garbage, NamespaceEnding, NodeLeases, NodeLifecycle, PodGarbage, ReplicaSets,
    ResourceQuotas,
};
use rutter_runtime::controller::{self, Nothing};
use rutter_runtime::plan::PlanExecutor;
use rutter_runtime::seal::SealKey;
use rutter_runtime::shutdown::Stage;
use rutter_runtime::standby::{self, Standby};
use tokio::sync::watch;

/// Under this name its copies hear each other, and its commits are recorded.
pub const SERVICE: &str = "replicator";

/// How this copy works.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReplicatorConfig {
    pub standby: Standby,
}

/// What it works with.
#[derive(Clone)]
pub struct Parts {
    pub client: async_nats::Client,
    /// Made for [`SERVICE`].
    pub executor: PlanExecutor,
    /// Opens the Secret with the root certificate, which every namespace gets.
    pub seal: SealKey,
}

/// Starts the controllers as tasks of `stage`, with which they end.
pub fn start(config: ReplicatorConfig, parts: Parts, stage: &Stage) {
    let Parts { client, executor, seal } = parts;
    let active = standby::watch(client.clone(), SERVICE, config.standby, stage);
    let alone = On { executor: &executor, active: &active, stage };
    alone.start::<ReplicaSets>(Nothing);
    alone.start::<Deployments>(Nothing);
    alone.start::<EndpointSlices>(Nothing);
    alone.start::<Endpoints>(Nothing);
    alone.start::<EndpointSliceMirroring>(Nothing);
    alone.start::<Disruption>(Nothing);
    alone.start::<EventExpiry>(Nothing);
    alone.start::<Garbage>(Nothing);
    alone.start::<NamespaceEnding>(Nothing);
    alone.start::<PodGarbage>(Nothing);
    alone.start::<ResourceQuotas>(Nothing);
    alone.start::<CustomResources>(Nothing);
    alone.start::<Defaults>(root::Root::new(executor.writer().view.clone(), seal));
    let (silence, leases) = hearing::listen(client, stage);
    alone.start::<NodeLifecycle>(silence);
    alone.start::<NodeLeases>(leases);
}

/// Runs the controllers until `stage` ends.
pub async fn run(config: ReplicatorConfig, parts: Parts, stage: &Stage) {
    start(config, parts, stage);
    stage.token().cancelled().await;
}

/// What all controllers stand on.
struct On<'a> {
    executor: &'a PlanExecutor,
    active: &'a watch::Receiver<bool>,
    stage: &'a Stage,
}

impl On<'_> {
    fn start<C: rutter_controller::Controller + 'static>(
        &self,
        outside: impl controller::Outside<C> + 'static,
    ) {
        let (executor, active, stop) = (self.executor.clone(), self.active.clone(), self.stage.token());
        self.stage.spawn(controller::run::<C>(executor, outside, active, stop));
    }
}
