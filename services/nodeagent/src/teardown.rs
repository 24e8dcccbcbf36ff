//! Ending everything a node has on the machine.

use std::io;
use std::path::Path;

use crate::disk::{Paths, unmount_below};
use crate::net::Network;
use crate::node::cgroups;
use crate::runtime::{Cri, Instances, Runtime, containerd};
use crate::{Config, ContainerdError};

/// What could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum TeardownError {
    #[error("the configuration can't be run")]
    Config(#[from] crate::ConfigError),
    #[error("containerd could not be asked to end its pods")]
    Containerd(#[from] ContainerdError),
    #[error("pod {uid} could not be removed: {why}")]
    Pod { uid: String, why: String },
    #[error("containerd doesn't tell what it has: {0}")]
    List(String),
    #[error("{path} could not be removed")]
    Path { path: String, source: io::Error },
}

/// Ends everything this node has on the machine: pods, containerd, mounts, network namespaces, its nft table, its
/// cgroups. Images and the last feed stay in `data_dir`. Safe to repeat.
///
/// # Errors
/// The first thing that could not be removed; the rest has been tried.
pub async fn teardown(cfg: &Config) -> Result<(), TeardownError> {
    cfg.check()?;
    let paths = Paths::of(cfg);
    let pods = end_pods(cfg, &paths).await;
    containerd::stop(&paths).await;
    cgroups::kill_all(&cfg.node_name);
    containerd::kill_shims(&paths);
    let range = Network::new(&paths, &cfg.node_name).written_range();
    crate::net::leftovers::remove(range.as_deref());
    crate::net::remove(cfg).await;
    let files = remove_files(&paths);
    cgroups::remove_node(&cfg.node_name);
    pods.and(files)
}

async fn end_pods(cfg: &Config, paths: &Paths) -> Result<(), TeardownError> {
    let had_pods = paths.containerd_root().exists() && has_entries(&paths.pods());
    if containerd::running(paths).is_none() && !had_pods {
        return Ok(());
    }
    // Pods that outlived their containerd are ended by a new one.
    containerd::ensure(cfg, paths).await?;
    let runtime = Runtime::Cri(Cri::new(paths.clone(), &cfg.node_name, Instances::default()));
    let found = runtime.list().await.map_err(TeardownError::List)?;
    let removals = found.into_keys().map(|uid| {
        let runtime = runtime.clone();
        async move { runtime.remove_pod(&uid).await.map_err(|why| TeardownError::Pod { uid, why }) }
    });
    futures::future::join_all(removals).await.into_iter().collect()
}

fn has_entries(dir: &Path) -> bool {
    std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some())
}

fn remove_files(paths: &Paths) -> Result<(), TeardownError> {
    let mut outcome = Ok(());
    for dir in [paths.run().to_owned(), paths.pods()] {
        let removed = unmount_below(&dir).and_then(|()| match std::fs::remove_dir_all(&dir) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
            _ => Ok(()),
        });
        if let Err(source) = removed {
            outcome = Err(TeardownError::Path { path: dir.display().to_string(), source });
        }
    }
    outcome
}
