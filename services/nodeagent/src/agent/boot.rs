//! Bringing a node up: directories, containerd, what it has, what was kept.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rutter_log::feed::Reader;
use rutter_nodeagent_core::node::Node;
use rutter_nodeagent_core::objects::Objects;
use rutter_schemas::protocol::node::Feed;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Agent, Commands, Notes, Question, Recorder, Workshop};
use crate::disk::{KeptFeed, Paths, load_feed};
use crate::link::Link;
use crate::net::Network;
use crate::runtime::{self, Cri, Happened, Instances, Runtime, Sim, containerd};
use crate::{AgentError, Config};

/// A node that is ready to run, and the ends others hold on to.
pub(crate) struct Booted {
    pub(crate) agent: Agent,
    pub(crate) questions: mpsc::Sender<Question>,
    pub(crate) services: watch::Receiver<Arc<Objects>>,
    pub(crate) process: Option<containerd::Process>,
    pub(crate) commands: Commands,
    pub(crate) runtime: Runtime,
    pub(crate) network: Arc<Network>,
    pub(crate) recorder: Recorder,
    /// To be written down by somebody.
    pub(crate) notes: Notes,
}

/// Inputs that may wait for the node's loop; tasks wait when it is full.
const INPUTS_WAITING: usize = 1024;

/// Makes a node of containerd.
pub(crate) async fn boot(cfg: &Config, link: Link) -> Result<Booted, AgentError> {
    let paths = Paths::of(cfg);
    make_directories(&paths)?;
    let network = Arc::new(Network::new(&paths, &cfg.node_name));
    if let Some(range) = &cfg.pod_cidr {
        network.set_range(range);
    }
    let process = containerd::ensure(cfg, &paths).await?;
    crate::image::load_pause(&paths.containerd_socket(), &cfg.pause_image).await?;
    let instances = Instances::default();
    let cri = Cri::new(paths.clone(), &cfg.node_name, instances.clone());
    let (events, happened) = mpsc::channel(INPUTS_WAITING);
    tokio::spawn(runtime::follow(cri.containerd(), events));
    let runtime = Runtime::Cri(cri);
    let found = runtime.list().await.map_err(AgentError::Runtime)?;
    let feed = load_feed(&paths);
    let mut booted = assemble(cfg, paths, runtime, instances, happened, feed, link, network);
    booted.agent.node.found(found);
    booted.process = Some(process);
    Ok(booted)
}

/// Makes one simulated node.
pub(crate) fn boot_sim(cfg: &Config, index: u32, link: Link) -> Booted {
    let paths = Paths::of(cfg);
    let instances = Instances::default();
    let (events, happened) = mpsc::channel(INPUTS_WAITING);
    let runtime = Runtime::Sim(Sim::new(&cfg.node_name, index, instances.clone(), events));
    let network = Arc::new(Network::new(&paths, &cfg.node_name));
    assemble(cfg, paths, runtime, instances, happened, KeptFeed::default(), link, network)
}

#[allow(clippy::too_many_arguments)]
fn assemble(
    cfg: &Config,
    paths: Paths,
    runtime: Runtime,
    instances: Instances,
    happened: mpsc::Receiver<Happened>,
    feed: KeptFeed,
    link: Link,
    network: Arc<Network>,
) -> Booted {
    let cfg = Arc::new(cfg.clone());
    let (inputs_to, inputs) = mpsc::channel(INPUTS_WAITING);
    let (questions_to, questions) = mpsc::channel(64);
    let (services, services_of) = watch::channel(Arc::new(Objects::default()));
    let commands = Commands::new(link.commands.clone());
    let (recorder, notes) = Recorder::new();
    let workshop = Workshop {
        cfg: cfg.clone(),
        paths: Arc::new(paths.clone()),
        runtime: runtime.clone(),
        instances: instances.clone(),
        commands: commands.clone(),
        inputs: inputs_to,
        running: Arc::new(Mutex::default()),
        network: network.clone(),
        recorder: recorder.clone(),
        end: CancellationToken::new(),
    };
    let agent = Agent {
        node: Node::new(crate::node::facts::facts(&cfg)),
        own: Reader::new(Feed::Own, feed.own),
        shared: Reader::new(Feed::Shared, feed.shared),
        cfg,
        paths,
        runtime: runtime.clone(),
        instances,
        workshop,
        feed,
        link,
        inputs,
        happened,
        services,
        questions,
        unsaved: false,
        checked_for_unwanted: false,
    };
    Booted {
        agent,
        questions: questions_to,
        services: services_of,
        process: None,
        commands,
        runtime,
        network,
        recorder,
        notes,
    }
}

fn make_directories(paths: &Paths) -> Result<(), AgentError> {
    let failed =
        |dir: &Path, source: std::io::Error| AgentError::Directory { dir: dir.display().to_string(), source };
    let dirs = [paths.data().to_owned(), paths.pods(), paths.pods_memory(), paths.veiled(), paths.cni_conf()];
    let run = paths.run();
    std::fs::create_dir_all(run).and_then(|()| keep_in_memory(run)).map_err(|source| failed(run, source))?;
    for dir in dirs {
        std::fs::create_dir_all(&dir).map_err(|source| failed(&dir, source))?;
    }
    Ok(())
}

/// Secrets lie below it: if it isn't in memory, it is made so.
fn keep_in_memory(dir: &Path) -> std::io::Result<()> {
    const TMPFS_MAGIC: i64 = 0x0102_1994;
    if rustix::fs::statfs(dir)?.f_type == TMPFS_MAGIC {
        return Ok(());
    }
    let flags = nix::mount::MsFlags::MS_NOSUID | nix::mount::MsFlags::MS_NODEV;
    nix::mount::mount(Some("tmpfs"), dir, Some("tmpfs"), flags, Some("mode=0755"))?;
    Ok(())
}
