//! Paths. What is sensitive lies below `run_dir`, which is a tmpfs; what must survive a reboot below `data_dir`.

use std::path::{Path, PathBuf};

use crate::Config;

/// The places of one node.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    data: PathBuf,
    run: PathBuf,
}

impl Paths {
    pub(crate) fn of(cfg: &Config) -> Paths {
        Paths { data: cfg.data_dir.clone(), run: cfg.run_dir.clone() }
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn run(&self) -> &Path {
        &self.run
    }

    /// containerd's content, images and snapshots.
    pub(crate) fn containerd_root(&self) -> PathBuf {
        self.data.join("containerd")
    }

    /// containerd's running state: sockets, mounts, network namespaces.
    pub(crate) fn containerd_state(&self) -> PathBuf {
        self.run.join("containerd")
    }

    pub(crate) fn containerd_socket(&self) -> PathBuf {
        self.run.join("containerd.sock")
    }

    pub(crate) fn containerd_config(&self) -> PathBuf {
        self.run.join("containerd.toml")
    }

    pub(crate) fn containerd_pid(&self) -> PathBuf {
        self.run.join("containerd.pid")
    }

    pub(crate) fn containerd_log(&self) -> PathBuf {
        self.data.join("containerd.log")
    }

    pub(crate) fn cni_conf(&self) -> PathBuf {
        self.run.join("cni")
    }

    /// Reserved addresses; they don't outlive the pods.
    pub(crate) fn cni_state(&self) -> PathBuf {
        self.run.join("cni-addresses")
    }

    pub(crate) fn registries(&self) -> PathBuf {
        self.data.join("certs.d")
    }

    /// The last feed, without Secrets.
    pub(crate) fn feed(&self) -> PathBuf {
        self.data.join("feed.json")
    }

    /// The Secrets of the last feed.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.memory().join("secrets.json")
    }

    pub(crate) fn pods(&self) -> PathBuf {
        self.data.join("pods")
    }

    pub(crate) fn pod(&self, uid: &str) -> PathBuf {
        self.pods().join(uid)
    }

    /// Volumes that may only be in memory.
    pub(crate) fn pod_memory(&self, uid: &str) -> PathBuf {
        self.pods_memory().join(uid)
    }

    pub(crate) fn pods_memory(&self) -> PathBuf {
        self.memory().join("pods")
    }

    /// What the placeholders of each container stand for, by the container's id.
    pub(crate) fn veiled(&self) -> PathBuf {
        self.memory().join("veiled")
    }

    /// What containerd takes for runc in pods whose containers have something to hide.
    pub(crate) fn veiled_runc(&self) -> PathBuf {
        self.run.join(crate::veil::PROGRAM)
    }

    /// runc's own state.
    pub(crate) fn runc_state(&self) -> PathBuf {
        self.run.join("runc")
    }

    /// A tmpfs, as all of `run_dir` is.
    pub(crate) fn memory(&self) -> PathBuf {
        self.run.join("memory")
    }

    pub(crate) fn volume(&self, uid: &str, volume: &str) -> PathBuf {
        self.pod(uid).join("volumes").join(volume)
    }

    /// A link to where a volume of the node's own lies.
    pub(crate) fn host_volume(&self, uid: &str, volume: &str) -> PathBuf {
        self.pod(uid).join("host-volumes").join(volume)
    }

    pub(crate) fn image_volumes(&self, uid: &str) -> PathBuf {
        self.pod(uid).join("image-volumes")
    }

    /// Where an image is mounted.
    pub(crate) fn image_volume(&self, uid: &str, volume: &str) -> PathBuf {
        self.image_volumes(uid).join(volume)
    }

    pub(crate) fn memory_volume(&self, uid: &str, volume: &str) -> PathBuf {
        self.pod_memory(uid).join("volumes").join(volume)
    }

    pub(crate) fn hosts(&self, uid: &str) -> PathBuf {
        self.pod(uid).join("etc-hosts")
    }

    pub(crate) fn message(&self, uid: &str, container: &str, attempt: u32) -> PathBuf {
        self.pod(uid).join("containers").join(container).join(format!("message-{attempt}"))
    }

    /// The directory of a pod's logs; below it `<container>/<attempt>.log`.
    pub(crate) fn logs(&self, uid: &str) -> PathBuf {
        self.pod(uid).join("logs")
    }

    pub(crate) fn log(&self, uid: &str, container: &str, attempt: u32) -> PathBuf {
        self.logs(uid).join(log_name(container, attempt))
    }
}

/// A log's path below the pod's log directory.
pub(crate) fn log_name(container: &str, attempt: u32) -> String {
    format!("{container}/{attempt}.log")
}
