//! The node of this machine.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rutter_nodeagent::{Config, RuntimeKind, image};
use rutter_runtime::roles::Role;
use sha2::{Digest, Sha256};

use crate::up::{Home, Runtime};

/// How long containerd may take to start.
const CONTAINERD: Duration = Duration::from_secs(60);

/// The node that runs in (or beside) a cluster of this machine; none when it is to have none.
pub(crate) fn config(
    runtime: Runtime,
    nodes: u32,
    name: Option<String>,
    home: &Home,
) -> Result<Option<Config>> {
    let runtime = match runtime {
        Runtime::None => return Ok(None),
        Runtime::Containerd => RuntimeKind::Containerd,
        Runtime::Sim => RuntimeKind::Sim { nodes },
    };
    let mut config = Config { data_dir: home.node(), run_dir: run_dir(home), runtime, ..Config::default() };
    if let Some(name) = name {
        config.node_name = name;
    }
    config.check()?;
    Ok(Some(config))
}

/// Whose work the agent's connection does.
pub(crate) fn role(config: &Config) -> Role {
    match config.runtime {
        RuntimeKind::Containerd => Role::Node(config.node_name.clone()),
        RuntimeKind::Sim { .. } => Role::Simulation(config.node_name.clone()),
    }
}

/// The address that other machines know this one by; a loopback address where there is none.
pub(crate) fn own_address() -> IpAddr {
    rutter_nodeagent::own_address()
}

/// Sockets want short paths, so they do not lie below the data: one directory for each cluster of the machine.
fn run_dir(home: &Home) -> PathBuf {
    let digest = Sha256::digest(home.root().as_os_str().as_encoded_bytes());
    let short: String = digest[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    PathBuf::from(format!("/run/rutter/{short}"))
}

/// The node that was started last from this directory, if there was one.
fn remembered(home: &Home) -> Option<Config> {
    serde_json::from_slice(&std::fs::read(home.root().join("run/node.json")).ok()?).ok()
}

/// Whether an agent has noted what it runs.
pub(crate) fn is_remembered(home: &Home) -> bool {
    remembered(home).is_some()
}

/// Notes what runs, so that a later command can find and end it.
pub(crate) fn remember(home: &Home, config: &Config) -> Result<()> {
    let path = home.root().join("run/node.json");
    std::fs::write(&path, serde_json::to_vec(config)?)
        .with_context(|| format!("{} can't be written", path.display()))
}

/// Ends what the node has on this machine; nothing when there never was one.
pub(crate) async fn teardown(home: &Home) -> Result<()> {
    let Some(config) = remembered(home) else { return Ok(()) };
    if config.runtime == RuntimeKind::Containerd {
        rutter_nodeagent::teardown(&config).await?;
    }
    // Whatever is left of it is in nobody's way.
    let _ = std::fs::remove_file(home.root().join("run/node.json"));
    Ok(())
}

/// Loads an archive of images; their names.
pub(crate) async fn load_image(home: &Home, archive: &Path) -> Result<Vec<String>> {
    let config = remembered(home).context("no node of this machine runs")?;
    Ok(image::load(&socket(&config), archive).await?)
}

/// Makes rutter/demo:latest of a static program, and loads it. It is rutter/demo:next too, so that there is an image to
/// roll out to.
pub(crate) async fn load_demo(home: &Home, program: &Path) -> Result<()> {
    let config = remembered(home).context("no node of this machine runs")?;
    let program = std::fs::read(program).with_context(|| format!("{} can't be read", program.display()))?;
    let demo = image::demo(program, "rutter/demo:latest");
    let archive = image::pack(&image::Image { also: vec!["rutter/demo:next".to_owned()], ..demo });
    let deadline = Instant::now() + CONTAINERD;
    while let Err(error) = image::load_bytes(&socket(&config), &archive).await {
        anyhow::ensure!(Instant::now() < deadline, "the demo image can't be loaded: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

fn socket(config: &Config) -> PathBuf {
    config.run_dir.join("containerd.sock")
}
