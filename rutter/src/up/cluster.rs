//! The cluster in this process: what is started, on what, and in which order it ends.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rutter_client::Client;
use rutter_ledger::core::Role as LedgerRole;
use rutter_ledger::{Ledger, LedgerConfig, LedgerState};
use rutter_runtime::nats;
use rutter_runtime::pki::cluster::{self, ClusterKeys};
use rutter_runtime::roles::Role;
use rutter_runtime::seal::SealKey;
use rutter_runtime::shutdown::{Shutdown, Stage};
use rutter_runtime::standby::Standby;
use rutter_runtime::stream::LogStream;
use rutter_runtime::telemetry::{self, Form};
use tokio::sync::watch;

use super::args::{Runtime, UpArgs};
use super::broker::{self, Broker};
use super::paths::Home;
use super::progress::Progress;
use super::{kubeconfig, lock, ready};
use crate::process::{Ground, Ledger as LedgerPlace};
use crate::service::{self, Addresses, node};

/// How long the first leader may take: an orphan's append may have to be settled first.
const LEADING: Duration = Duration::from_secs(60);

/// Runs the cluster until it is asked to end.
pub(super) async fn run(args: UpArgs, home: Home, progress: Progress) -> Result<()> {
    let telemetry = telemetry::start("rutter", &args.log, Form::Text)?;
    let _held = lock::take(&home)?;
    let mut shutdown = Shutdown::new();
    let server = start(&args, &home, &progress, &mut shutdown).await;
    let outcome = match server {
        Ok(server) => {
            shutdown.asked().await?;
            tracing::info!("stopping");
            shutdown.finish().await;
            server.stop().await;
            Ok(())
        }
        Err(error) => {
            shutdown.finish().await;
            Err(error)
        }
    };
    telemetry.finish();
    outcome
}

async fn start(args: &UpArgs, home: &Home, progress: &Progress, shutdown: &mut Shutdown) -> Result<Broker> {
    let began = Instant::now();
    let broker = Broker::start(args, home, progress).await?;
    progress.step("opening the log");
    let log = shutdown.stage("log");
    let stream = ensure_stream(args, home, &broker).await?;
    let seal = SealKey::open(&home.cluster_key())?;
    let gateway_connection = broker.connection(args, &Role::Gateway)?;
    let (ground, inbox) = Ground::lay(
        &gateway_connection,
        &Role::Gateway,
        home.projection().as_path().into(),
        LedgerPlace::Here,
        seal,
        &log,
    )
    .await?;
    if !args.new_incarnation {
        service::check_log(&ground.view).await?;
    }

    let leading = shutdown.stage("ledger");
    let config = LedgerConfig {
        name: "ledger".to_owned(),
        proving: broker.proving(),
        stream: broker::settings(args, home)?,
        index: home.root().join("ledger.index"),
        store: broker.store(home),
        new_incarnation: args.new_incarnation,
    };
    let parts = rutter_ledger::Parts {
        stream,
        local: inbox.context("a ledger here has an inbox")?,
        view: ground.view.clone(),
        metrics: ground.metrics.clone(),
    };
    let ledger = Ledger::start(config, parts, &leading).await?;
    leads(ledger.state()).await?;
    if args.new_incarnation {
        // What was kept of the lost end is thrown away first.
        ground.view.fit(tokio::time::Instant::now() + LEADING).await?;
    }
    ground.view.ready().await?;
    let end = shutdown.trigger();
    tokio::spawn(async move {
        if let Err(error) = ledger.ended().await {
            tracing::error!(error = format!("{:#}", anyhow::Error::new(error)), "the ledger can't go on");
            end.cancel();
        }
    });

    progress.step("starting the API");
    let keys = cluster::ensure(&ground.writer, &ground.registry.now(), &ground.seal).await?;
    let api = api(args, &broker, &ground, &keys, shutdown.stage("gateway")).await?;
    kubeconfig::write(&home.kubeconfig(), &keys, &api.to_string())?;
    let client = Client::open(Some(&home.kubeconfig()))?;
    ready::api(&client).await?;
    tracing::info!("API ready after {:.3} s", began.elapsed().as_secs_f64());
    progress.step(&format!("the API answers on https://{api}"));

    let controllers = shutdown.stage("controllers");
    service::start_controllers(&ground, &|role| broker.connection(args, role), Standby::Silent, &controllers)
        .await?;
    start_nodes(args, home, &broker, progress, shutdown).await?;
    ready::nodes(&client, args.wanted_nodes()).await?;
    tracing::info!("ready after {:.3} s", began.elapsed().as_secs_f64());
    progress.ready();
    Ok(broker)
}

async fn ensure_stream(args: &UpArgs, home: &Home, broker: &Broker) -> Result<LogStream> {
    let client = nats::connect(&broker.connection(args, &Role::Ledger)?, &Role::Ledger).await?;
    Ok(LogStream::ensure(client, &broker::settings(args, home)?).await?)
}

async fn leads(mut state: watch::Receiver<LedgerState>) -> Result<()> {
    let leading = state.wait_for(|state| state.role == LedgerRole::Active);
    tokio::time::timeout(LEADING, leading)
        .await
        .context("the ledger does not come to lead")?
        .context("the ledger ended")?;
    Ok(())
}

async fn api(
    args: &UpArgs,
    broker: &Broker,
    ground: &Ground,
    keys: &ClusterKeys,
    stage: Stage,
) -> Result<SocketAddr> {
    let data = nats::connect(&broker.connection(args, &Role::Gateway)?, &Role::Gateway).await?;
    let Addresses { operators, pods, door_for_pods } = Addresses::of(args.listen, node::own_address());
    let config = rutter_gateway::Config {
        listen: SocketAddr::new(args.listen, args.port),
        listen_for_pods: door_for_pods,
        advertise: pods,
        joining: broker.joining(),
        ..rutter_gateway::Config::default()
    };
    let given = ground.to_gateway(data, keys.clone());
    let (_, address) = rutter_gateway::start(config, given, &stage).await?;
    Ok(SocketAddr::new(operators, address.port()))
}

async fn start_nodes(
    args: &UpArgs,
    home: &Home,
    broker: &Broker,
    progress: &Progress,
    shutdown: &mut Shutdown,
) -> Result<()> {
    let Some(config) = node::config(args.runtime, args.nodes, args.node_name.clone(), home)? else {
        return Ok(());
    };
    progress.step(&format!("starting the node {}", config.node_name));
    node::remember(home, &config)?;
    let stage = shutdown.stage("node");
    let role = node::role(&config);
    let connection = broker.connection(args, &role)?;
    let connections = rutter_nodeagent::Connections {
        control: nats::connect(&connection, &role).await?,
        data: nats::connect(&connection, &role).await?,
    };
    let end = shutdown.trigger();
    let (running, stop) = (config.clone(), stage.token());
    stage.spawn(async move {
        if let Err(error) = rutter_nodeagent::run(running, connections, stop).await {
            tracing::error!(error = format!("{:#}", anyhow::Error::new(error)), "the node can't go on");
            end.cancel();
        }
    });
    if let (Some(program), Runtime::Containerd) = (&args.demo_image, args.runtime) {
        progress.step("loading rutter/demo:latest");
        node::load_demo(home, program).await?;
    }
    Ok(())
}
