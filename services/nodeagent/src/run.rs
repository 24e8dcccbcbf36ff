//! Running a node, or many simulated ones.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rutter_apimachinery::recorder::{Note, Regarding};
use rutter_nodeagent_core::objects::Objects;
use rutter_nodeagent_core::plan::NodeFacts;
use rutter_schemas::protocol::node::{Feed, NodeCommand, NodeStats};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::agent::{Booted, Commands, Question, Recorder, boot, boot_sim};
use crate::disk::Paths;
use crate::link::{self, Link, nats};
use crate::node::{object, stats};
use crate::page::Pages;
use crate::runtime::{Runtime, containerd};
use crate::{Config, ConfigError, ContainerdError, RuntimeKind};

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
    #[error("there is no containerd")]
    Containerd(#[from] ContainerdError),
    #[error("the image that holds a pod's namespaces could not be loaded")]
    Pause(#[from] crate::image::LoadError),
    #[error("containerd doesn't tell what it has: {0}")]
    Runtime(String),
    #[error("{dir} could not be made")]
    Directory { dir: String, source: std::io::Error },
    #[error("the feeds can't be listened to")]
    Feeds(#[from] nats::SubscribeError),
}

/// Statistics, and with them the heartbeat, go out this often.
const STATS_EVERY: Duration = Duration::from_secs(10);
/// The status is told again at least this often, in case someone else changed it.
const STATUS_EVERY: Duration = Duration::from_secs(300);
/// A node that isn't ready looks this often whether it is.
const TROUBLE_EVERY: Duration = Duration::from_millis(50);
/// Trouble at the start that passes sooner isn't told.
const TROUBLE_WORTH_TELLING: Duration = Duration::from_secs(3);
/// containerd is looked after this often.
const WATCH_EVERY: Duration = Duration::from_millis(500);

/// Runs a node until `shutdown` is cancelled. Pods and containerd go on running after it returns; the next run adopts
/// them. [`crate::teardown`] ends them.
///
/// # Errors
/// When the configuration can't be run or containerd doesn't start. A lost connection is no error.
pub async fn run(cfg: Config, nats: Connections, shutdown: CancellationToken) -> Result<(), AgentError> {
    cfg.check()?;
    let line = nats::Line::new(nats.control.clone());
    match cfg.runtime {
        RuntimeKind::Containerd => {
            let (near, far) = link::pair();
            let (carried, ran) = tokio::join!(
                nats::carry(line, &cfg.node_name, &[Feed::Own, Feed::Shared], far, shutdown.clone()),
                run_node(&cfg, near, Some(nats.data.clone()), shutdown.clone()),
            );
            carried?;
            ran
        }
        RuntimeKind::Sim { nodes } => {
            // Tasks of their own, so that all cores work for them; dropped with the set, should one fail.
            let mut running = JoinSet::new();
            for index in 0..nodes {
                running.spawn(run_simulated(cfg.clone(), index, line.clone(), shutdown.clone()));
            }
            while let Some(ended) = running.join_next().await {
                ended.unwrap_or_else(|bug| std::panic::resume_unwind(bug.into_panic()))?;
            }
            Ok(())
        }
    }
}

/// Runs a node on a link of the caller's making; with streams if there is a connection for them.
///
/// # Errors
/// As [`run`].
pub async fn run_on(
    cfg: Config,
    link: Link,
    data: Option<async_nats::Client>,
    shutdown: CancellationToken,
) -> Result<(), AgentError> {
    cfg.check()?;
    run_node(&cfg, link, data, shutdown).await
}

async fn run_node(
    cfg: &Config,
    link: Link,
    data: Option<async_nats::Client>,
    shutdown: CancellationToken,
) -> Result<(), AgentError> {
    let stats_to = link.stats.clone();
    let booted = boot(cfg, link).await?;
    let Booted { agent, questions, services, process, commands, runtime, network, recorder, notes } = booted;
    let facts = agent.node.facts().clone();
    let company = CancellationToken::new();
    let paths = Paths::of(cfg);
    let _end = company.clone().drop_guard();
    let spawn = |task: Task| {
        tokio::spawn(company.clone().run_until_cancelled_owned(task));
    };
    if let Some(process) = process {
        spawn(Box::pin(watch_containerd(cfg.clone(), paths.clone(), process)));
    }
    spawn(Box::pin(notes.write_down(cfg.node_name.clone(), commands.clone())));
    spawn(Box::pin(tell_node(cfg.clone(), facts.clone(), commands, runtime.clone(), Some(recorder))));
    let (kept, sampled) = watch::channel(NodeStats::default());
    spawn(Box::pin(tell_stats(cfg.node_name.clone(), runtime.clone(), questions.clone(), stats_to, kept)));
    if let Some(data) = data {
        let pages = Pages { cfg: cfg.clone(), began: Timestamp::now(), sampled };
        spawn(Box::pin(crate::stream::serve(data, paths, runtime, questions, pages)));
    }
    crate::net::start(cfg, &facts, network, services, &company);
    agent.run(shutdown).await;
    Ok(())
}

type Task = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

async fn run_simulated(
    cfg: Config,
    index: u32,
    line: nats::Line,
    shutdown: CancellationToken,
) -> Result<(), AgentError> {
    let cfg = Config { node_name: format!("{}-{index}", cfg.node_name), ..cfg };
    let (near, far) = link::pair();
    let stats_to = near.stats.clone();
    let booted = boot_sim(&cfg, index, near);
    let facts = Arc::new(booted.agent.node.facts().clone());
    let (kept, _) = watch::channel(NodeStats::default());
    let beats = tell_stats(cfg.node_name.clone(), booted.runtime.clone(), booted.questions, stats_to, kept);
    // Thousands of nodes in one process say nothing to operators.
    let told = tell_node(cfg.clone(), NodeFacts::clone(&facts), booted.commands, booted.runtime, None);
    tokio::select! {
        // It programs no Services.
        carried = nats::carry(line, &cfg.node_name, &[Feed::Own], far, shutdown.clone()) => carried?,
        () = booted.agent.run(shutdown) => {}
        () = async { tokio::join!(told, beats); } => {}
    }
    Ok(())
}

/// Starts containerd again when it ends.
async fn watch_containerd(cfg: Config, paths: Paths, mut process: containerd::Process) {
    let mut tick = tokio::time::interval(WATCH_EVERY);
    loop {
        tick.tick().await;
        if process.is_alive() {
            continue;
        }
        tracing::warn!("containerd has ended; it is started again");
        match containerd::ensure(&cfg, &paths).await {
            Ok(fresh) => process = fresh,
            Err(why) => tracing::error!(%why, "containerd could not be started again"),
        }
    }
}

/// Registers the node, then keeps its status told.
async fn tell_node(
    cfg: Config,
    facts: NodeFacts,
    commands: Commands,
    runtime: Runtime,
    recorder: Option<Recorder>,
) {
    let tell = |reason, message: String| {
        if let Some(recorder) = &recorder {
            recorder.tell(Note::normal(Regarding::node(&cfg.node_name), reason, message));
        }
    };
    let register = NodeCommand::Register { node: object::node(&cfg, &facts) };
    retry(&commands, register).await;
    tell("Starting", "Starting kubelet.".to_owned());
    let mut was_ready = None;
    let mut told = Value::Null;
    let began = tokio::time::Instant::now();
    let mut since = began;
    loop {
        let trouble = runtime.trouble().await;
        let pause = if trouble.is_some() { TROUBLE_EVERY } else { STATS_EVERY };
        // A node that comes up is told once, when it is ready.
        if trouble.is_some() && told.is_null() && began.elapsed() < TROUBLE_WORTH_TELLING {
            tokio::time::sleep(pause).await;
            continue;
        }
        let images = runtime.images().await;
        let status = object::status(&cfg, &facts, trouble.as_deref(), images, Timestamp::now());
        let essence = essence(&status);
        if essence != told || since.elapsed() > STATUS_EVERY {
            let is_ready = trouble.is_none();
            let why = trouble.unwrap_or_else(|| "the node is ready".to_owned());
            retry(&commands, NodeCommand::NodeStatus { status, why }).await;
            if was_ready.replace(is_ready) != Some(is_ready) {
                let now = if is_ready { "NodeReady" } else { "NodeNotReady" };
                tell(now, format!("Node {} status is now: {now}", cfg.node_name));
            }
            (told, since) = (essence, tokio::time::Instant::now());
        }
        tokio::time::sleep(pause).await;
    }
}

/// A status without what changes by itself.
fn essence(status: &Value) -> Value {
    let mut essence = status.clone();
    for condition in essence["conditions"].as_array_mut().into_iter().flatten() {
        condition["lastHeartbeatTime"] = Value::Null;
        condition["lastTransitionTime"] = Value::Null;
    }
    essence["nodeInfo"]["bootID"] = json!("");
    essence
}

async fn retry(commands: &Commands, command: NodeCommand) {
    let mut pause = Duration::from_millis(100);
    while let Err(why) = commands.send(command.clone()).await {
        if !why.is_passing() {
            tracing::error!(%why, "the node was refused");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// Measures what runs, tells it, and keeps its logs short.
async fn tell_stats(
    node: String,
    runtime: Runtime,
    questions: mpsc::Sender<Question>,
    to: mpsc::Sender<NodeStats>,
    kept: watch::Sender<NodeStats>,
) {
    let mut sampler = stats::Sampler::default();
    let mut tick = tokio::time::interval(STATS_EVERY);
    loop {
        tick.tick().await;
        let (answer, wait) = oneshot::channel();
        let look = Box::new(move |node: &rutter_nodeagent_core::node::Node, _: &Objects| {
            let _ = answer.send(stats::running(node));
        });
        if questions.send(Question { look }).await.is_err() {
            return;
        }
        let Ok(pods) = wait.await else { return };
        let ids: Vec<String> = pods.iter().flat_map(|pod| pod.containers.values().cloned()).collect();
        let sample = sampler.sample(&node, pods);
        kept.send_replace(sample.clone());
        if to.send(sample).await.is_err() {
            return;
        }
        for id in ids {
            if let Err(why) = runtime.rotate_log(&id).await {
                tracing::warn!(container = id, why, "a log could not be put aside");
            }
        }
    }
}
