//! A whole cluster on one machine, every service in a process of its own.
//!
//! This process keeps nats-server and the services running and does nothing else. A service that dies, of a bug or of
//! too little memory, takes no other with it and is started again. When this process ends, however it ends, the
//! services end too: each holds the other end of a pipe ([`crate::service::lifeline`]).

mod child;
mod services;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rutter_client::Client;
use rutter_runtime::shutdown::Shutdown;
use rutter_runtime::telemetry::{self, Form};

use super::args::{Runtime, UpArgs};
use super::broker::Broker;
use super::paths::Home;
use super::progress::Progress;
use super::{lock, ready};
use crate::service::node;
use child::Children;

/// How long the first service may take to write the kubeconfig, and the agent to say that it is there.
const WRITTEN: Duration = Duration::from_secs(120);

/// Runs the cluster until it is asked to end.
pub(super) async fn run(args: UpArgs, home: Home, progress: Progress) -> Result<()> {
    let telemetry = telemetry::start("rutter", &args.log, Form::Text)?;
    let _held = lock::take(&home)?;
    let shutdown = Shutdown::new();
    let broker = Broker::start(&args, &home, &progress).await?;
    let mut children = Children::default();
    let mut outcome = start(&args, &home, &broker, &progress, &mut children).await;
    if outcome.is_ok() {
        outcome = shutdown.asked().await.map_err(Into::into);
        tracing::info!("stopping");
    }
    children.end().await;
    broker.stop().await;
    telemetry.finish();
    outcome
}

async fn start(
    args: &UpArgs,
    home: &Home,
    broker: &Broker,
    progress: &Progress,
    children: &mut Children,
) -> Result<()> {
    let began = Instant::now();
    progress.step("starting the services");
    for group in services::of(args, home, broker)? {
        children.start(group)?;
    }
    let client = api(home).await?;
    ready::api(&client).await?;
    tracing::info!("API ready after {:.3} s", began.elapsed().as_secs_f64());
    progress.step(&format!("the API answers on https://{}:{}", args.advertise(), args.port));
    if let (Some(program), Runtime::Containerd) = (&args.demo_image, args.runtime) {
        progress.step("loading rutter/demo:latest");
        until(|| node::is_remembered(home), "the node's agent does not start").await?;
        node::load_demo(home, program).await?;
    }
    progress.step("waiting for the node");
    ready::nodes(&client, args.wanted_nodes()).await?;
    tracing::info!("ready after {:.3} s", began.elapsed().as_secs_f64());
    progress.ready();
    Ok(())
}

/// A client by the kubeconfig that the gateway writes.
async fn api(home: &Home) -> Result<Client> {
    until(|| home.kubeconfig().exists(), "the gateway writes no kubeconfig").await?;
    Client::open(Some(&home.kubeconfig()))
}

async fn until(holds: impl Fn() -> bool, what: &'static str) -> Result<()> {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WRITTEN, waiting).await.context(what)
}
