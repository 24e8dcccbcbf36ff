//! What the services of a process stand on: a connection to NATS per role, one view of the log, one way to the ledger.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rutter_apimachinery::registry::Registry;
use rutter_projection::Options;
use rutter_runtime::executor::Writer;
use rutter_runtime::metrics::Metrics;
use rutter_runtime::nats::{self, NatsConfig};
use rutter_runtime::now::Now;
use rutter_runtime::pki::cluster::ClusterKeys;
use rutter_runtime::plan::{Guards, PlanExecutor};
use rutter_runtime::proposer::{LocalInbox, LocalLedger, Proposer, local};
use rutter_runtime::roles::Role;
use rutter_runtime::seal::SealKey;
use rutter_runtime::served::Served;
use rutter_runtime::shutdown::Stage;
use rutter_runtime::stream::LogStream;
use rutter_runtime::view::{View, ViewOptions};

/// Where the ledger is.
pub(crate) enum Ledger {
    /// In this process: proposals go to it without a detour.
    Here,
    Elsewhere,
}

/// What the services of a process share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) client: async_nats::Client,
    pub(crate) view: View,
    pub(crate) writer: Writer,
    pub(crate) registry: Served,
    pub(crate) seal: SealKey,
    pub(crate) metrics: Metrics,
    pub(crate) guards: Guards,
}

/// Where a process keeps its view of the log.
pub(crate) struct Keeping<'a> {
    pub(crate) projection: &'a Path,
    /// How much later than it could the view follows.
    pub(crate) lag: Duration,
}

impl<'a> From<&'a Path> for Keeping<'a> {
    fn from(projection: &'a Path) -> Keeping<'a> {
        Keeping { projection, lag: Duration::ZERO }
    }
}

impl Ground {
    /// Connects as `role`, starts following the log, and prepares reading and writing.
    pub(crate) async fn lay(
        connection: &NatsConfig,
        role: &Role,
        keeping: Keeping<'_>,
        ledger: Ledger,
        seal: SealKey,
        stage: &Stage,
    ) -> Result<(Ground, Option<LocalInbox>)> {
        let client = nats::connect(connection, role).await?;
        let stream = LogStream::open(client.clone()).await.context("the log can't be opened")?;
        let options = match ledger {
            Ledger::Here => Options::with_history(),
            Ledger::Elsewhere => Options::default(),
        };
        let options = ViewOptions { lag: keeping.lag, ..ViewOptions::new(keeping.projection, options) };
        let view = View::start(stream, options, stage).await?;
        let (local, inbox) = match ledger {
            Ledger::Here => {
                let (ledger, inbox) = local();
                (Some(ledger), Some(inbox))
            }
            Ledger::Elsewhere => (None, None),
        };
        let now = Now::start(client.clone(), local.clone(), stage);
        let proposer = proposer(&client, local);
        let writer = Writer { view: view.clone(), proposer, now };
        let base = rutter_gateway::review::beside(&Registry::builtin());
        let registry = Served::follow(view.clone(), base, stage);
        let (metrics, guards) = (Metrics::new(), Guards::Kept);
        Ok((Ground { client, view, writer, registry, seal, metrics, guards }, inbox))
    }

    /// What a gateway works with; `data` carries its streams.
    pub(crate) fn to_gateway(&self, data: async_nats::Client, keys: ClusterKeys) -> rutter_gateway::Given {
        rutter_gateway::Given {
            writer: self.writer.clone(),
            control: self.client.clone(),
            data,
            keys,
            seal: self.seal.clone(),
            registry: self.registry.clone(),
            metrics: self.metrics.clone(),
        }
    }

    /// An executor of plans in the name of a service.
    pub(crate) fn executor(&self, service: &'static str) -> PlanExecutor {
        PlanExecutor::new(self.writer.clone(), self.registry.clone(), self.seal.clone(), service)
            .with_guards(self.guards)
    }
}

fn proposer(client: &async_nats::Client, local: Option<LocalLedger>) -> Proposer {
    match local {
        Some(ledger) => Proposer::with_local(client.clone(), ledger),
        None => Proposer::new(client.clone()),
    }
}
