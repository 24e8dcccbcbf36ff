//! One service in a process of its own.

use std::time::Duration;

use anyhow::{Context, Result};
use rutter_ledger::core::Proving;
use rutter_ledger::{Ledger, LedgerConfig, Parts};
use rutter_runtime::jwt::Authority;
use rutter_runtime::metrics::Metrics;
use rutter_runtime::nats;
use rutter_runtime::pki::{LocalCa, cluster};
use rutter_runtime::roles::Role;
use rutter_runtime::seal::SealKey;
use rutter_runtime::shutdown::Shutdown;
use rutter_runtime::standby::Standby;
use rutter_runtime::stream::{LogStream, Replicas, StreamSettings};
use rutter_runtime::telemetry::{self, Form};

use super::args::{CommonArgs, LedgerCommand};
use super::{Addresses, ControllerArgs, GatewayArgs, LedgerArgs, NodeagentArgs, controllers, lifeline, node};
use crate::process::{Ground, Keeping, Ledger as LedgerPlace};
use crate::up::{Home, Runtime, hold, write_kubeconfig};

/// How long to wait for a broker that is only starting.
const BROKER: Duration = Duration::from_secs(120);

/// Runs what `start` starts until the process is asked to end.
async fn run<F>(name: &'static str, common: &CommonArgs, metrics: Metrics, start: F) -> Result<()>
where
    F: AsyncFnOnce(&mut Shutdown) -> Result<()>,
{
    if common.with_parent {
        lifeline::hold();
    }
    let telemetry = telemetry::start(name, &common.log, Form::Text)?;
    let mut shutdown = Shutdown::new();
    if let Some(address) = common.metrics {
        let stage = shutdown.stage("metrics");
        let stop = stage.token();
        stage.spawn(async move {
            if let Err(error) = metrics.serve(address, stop).await {
                tracing::error!(%error, %address, "metrics are not served");
            }
        });
    }
    let started = start(&mut shutdown).await;
    if started.is_ok() {
        tracing::info!("{name} is up");
        shutdown.asked().await?;
    }
    shutdown.finish().await;
    telemetry.finish();
    started
}

/// Connects as a role; a broker that is only starting is waited for.
async fn client(common: &CommonArgs, role: &Role) -> Result<async_nats::Client> {
    let config = super::connection(&common.nats, common.nats_creds.as_deref(), common.nats_ca.as_deref())?;
    patiently("NATS", async || nats::connect(&config, role).await).await
}

/// Tries until it succeeds, for as long as a broker may take to start: quick at first, then once a second.
async fn patiently<T, E>(what: &str, attempt: impl AsyncFn() -> Result<T, E>) -> Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let deadline = tokio::time::Instant::now() + BROKER;
    let mut pause = Duration::from_millis(20);
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) if tokio::time::Instant::now() > deadline => return Err(error.into()),
            Err(error) => tracing::info!("waiting for {what}: {error}"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

/// Lays the ground for a service that follows and writes, once the log is there.
async fn ground(common: &CommonArgs, role: &Role, lag: Duration, shutdown: &mut Shutdown) -> Result<Ground> {
    let config = super::connection(&common.nats, common.nats_creds.as_deref(), common.nats_ca.as_deref())?;
    let waiting = client(common, role).await?;
    patiently("the log", async || LogStream::open(waiting.clone()).await).await?;
    drop(waiting);
    let seal = SealKey::open(&common.key_file)?;
    let stage = shutdown.stage("log");
    let projection = common.data.join("projection");
    let keeping = Keeping { projection: &projection, lag };
    let (ground, _) = Ground::lay(&config, role, keeping, LedgerPlace::Elsewhere, seal, &stage).await?;
    super::check_log(&ground.view).await?;
    ground.view.ready().await?;
    Ok(ground)
}

/// `rutter gateway`
pub(crate) async fn gateway(args: GatewayArgs) -> Result<()> {
    let (common, metrics) = (args.common.clone(), Metrics::new());
    run("gateway", &common, metrics.clone(), async |shutdown| {
        let ground = ground(&args.common, &Role::Gateway, Duration::ZERO, shutdown).await?;
        let ground = Ground { metrics, ..ground };
        let keys = cluster::ensure(&ground.writer, &ground.registry.now(), &ground.seal).await?;
        let data = client(&args.common, &Role::Gateway).await?;
        let Addresses { operators, pods, door_for_pods } =
            Addresses::of(args.listen.ip(), node::own_address());
        let config = rutter_gateway::Config {
            listen: args.listen,
            listen_for_pods: door_for_pods.filter(|_| args.advertise.is_none()),
            advertise: args.advertise.unwrap_or(pods),
            names: args.names.clone(),
            joining: joining(&args)?,
            ..rutter_gateway::Config::default()
        };
        let given = ground.to_gateway(data, keys.clone());
        let (_, address) = rutter_gateway::start(config, given, &shutdown.stage("gateway")).await?;
        if let Some(path) = &args.kubeconfig {
            let host = args
                .names
                .first()
                .cloned()
                .unwrap_or_else(|| args.advertise.unwrap_or(operators).to_string());
            write_kubeconfig(path, &keys, &format!("{host}:{}", address.port()))?;
        }
        Ok(())
    })
    .await
}

/// How nodes join, when this gateway was given the keys.
fn joining(args: &GatewayArgs) -> Result<Option<rutter_gateway::Joining>> {
    let Some(keys) = &args.nats_keys else { return Ok(None) };
    let (authority, ca) = (Authority::open(keys)?, LocalCa::open(keys)?);
    let nats_ca_pem = ca.certificate_pem().to_owned();
    Ok(Some(rutter_gateway::Joining { authority, nats: args.common.nats.clone(), nats_ca_pem }))
}

/// `rutter ledger`
pub(crate) async fn ledger(args: LedgerArgs) -> Result<()> {
    if let Some(LedgerCommand::Verify { cluster }) = &args.command {
        return super::verify::verify(&args.common, cluster.as_deref()).await;
    }
    let (common, metrics) = (args.common.clone(), Metrics::new());
    run("ledger", &common, metrics.clone(), async |shutdown| {
        let client = client(&args.common, &Role::Ledger).await?;
        let replicas = if args.replicas == "3" { Replicas::Three } else { Replicas::One };
        let max_bytes = args.max_log_bytes.unwrap_or(args.max_log_gib << 30);
        let settings = StreamSettings { replicas, max_bytes };
        // Servers of a cluster elect a leader of the stream first.
        let ensure = async || LogStream::ensure(client.clone(), &settings).await;
        let stream = patiently("JetStream", ensure).await?;
        let config = super::connection(
            &args.common.nats,
            args.common.nats_creds.as_deref(),
            args.common.nats_ca.as_deref(),
        )?;
        let log = shutdown.stage("log");
        // A ledger opens no secret; the key it is given is its own, and seals nothing.
        let seal = SealKey::from_bytes(&[0; 32]);
        let projection = args.common.data.join("projection");
        let (ground, inbox) =
            Ground::lay(&config, &Role::Ledger, projection.as_path().into(), LedgerPlace::Here, seal, &log)
                .await?;
        if !args.new_incarnation {
            super::check_log(&ground.view).await?;
        }
        let config = LedgerConfig {
            name: args.name.clone().map_or_else(super::host_name, Ok)?,
            proving: if replicas == Replicas::One { Proving::Asked } else { Proving::Framed },
            stream: settings,
            index: args.common.data.join("ledger.index"),
            store: args.store.clone(),
            new_incarnation: args.new_incarnation,
        };
        let parts = Parts {
            stream,
            local: inbox.context("a ledger here has an inbox")?,
            view: ground.view.clone(),
            metrics,
        };
        let ledger = Ledger::start(config, parts, &shutdown.stage("ledger")).await?;
        let end = shutdown.trigger();
        tokio::spawn(async move {
            if let Err(error) = ledger.ended().await {
                tracing::error!(error = format!("{:#}", anyhow::Error::new(error)), "the ledger can't go on");
                end.cancel();
            }
        });
        Ok(())
    })
    .await
}

/// `rutter replicator`
pub(crate) async fn replicator(args: ControllerArgs) -> Result<()> {
    controller("replicator", Role::Replicator, args).await
}

/// `rutter placement`
pub(crate) async fn placement(args: ControllerArgs) -> Result<()> {
    controller("placement", Role::Placement, args).await
}

/// `rutter autoscaler`
pub(crate) async fn autoscaler(args: ControllerArgs) -> Result<()> {
    controller("autoscaler", Role::Autoscaler, args).await
}

async fn controller(name: &'static str, role: Role, args: ControllerArgs) -> Result<()> {
    let (common, metrics) = (args.common.clone(), Metrics::new());
    run(name, &common, metrics.clone(), async |shutdown| {
        let faults = args.faults.check()?;
        let ground = ground(&args.common, &role, faults.lag, shutdown).await?;
        let ground = Ground { metrics, guards: faults.guards, ..ground };
        let standby: Standby = args.standby.into();
        let client = client(&args.common, &role).await?;
        controllers::start_one(&role, &ground, client, standby, &shutdown.stage(name)).await
    })
    .await
}

/// `rutter nodeagent`
pub(crate) async fn nodeagent(args: NodeagentArgs) -> Result<()> {
    let home = Home::open(&args.common.data)?;
    // One agent to a directory, which `rutter down` finds and ends; below `rutter up`, that one holds it.
    let _held = (!args.common.with_parent).then(|| hold(&home)).transpose()?;
    agent(&home, args).await
}

/// The agent of a directory that is held.
pub(super) async fn agent(home: &Home, args: NodeagentArgs) -> Result<()> {
    let common = args.common.clone();
    run("nodeagent", &common, Metrics::new(), async |shutdown| {
        let config = node::config(args.runtime, args.nodes, args.node_name.clone(), home)?;
        let mut config = config.context("a node agent needs a runtime: containerd or sim")?;
        config.node_ip = args.node_ip;
        node::remember(home, &config)?;
        let role = node::role(&config);
        let connections = rutter_nodeagent::Connections {
            control: client(&args.common, &role).await?,
            data: client(&args.common, &role).await?,
        };
        let stage = shutdown.stage("node");
        let (stop, end) = (stage.token(), shutdown.trigger());
        stage.spawn(async move {
            if let Err(error) = rutter_nodeagent::run(config, connections, stop).await {
                tracing::error!(error = format!("{:#}", anyhow::Error::new(error)), "the node can't go on");
                end.cancel();
            }
        });
        match &args.demo_image {
            Some(program) if args.runtime == Runtime::Containerd => node::load_demo(home, program).await,
            _ => Ok(()),
        }
    })
    .await
}
