//! Where a cluster of one machine keeps what.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The data directory. Its path is absolute, so that it means the same to every process.
#[derive(Clone, Debug)]
pub(crate) struct Home(PathBuf);

impl Home {
    pub(crate) fn open(data: &Path) -> Result<Home> {
        let make = || -> std::io::Result<PathBuf> {
            fs::create_dir_all(data.join("run"))?;
            data.canonicalize()
        };
        Ok(Home(make().with_context(|| format!("{} can't be made", data.display()))?))
    }

    /// Without making it.
    pub(crate) fn existing(data: &Path) -> Option<Home> {
        data.canonicalize().ok().map(Home)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    /// The process that holds the cluster; locked for as long as it lives.
    pub(crate) fn pid_file(&self) -> PathBuf {
        self.0.join("run/rutter.pid")
    }

    pub(crate) fn log_file(&self) -> PathBuf {
        self.0.join("rutter.log")
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.0.join("kubeconfig")
    }

    pub(crate) fn projection(&self) -> PathBuf {
        self.0.join("projection")
    }

    /// What our own nats-server keeps.
    pub(crate) fn nats(&self) -> PathBuf {
        self.0.join("nats")
    }

    /// The projections of services that run apart.
    pub(crate) fn services(&self) -> PathBuf {
        self.0.join("services")
    }

    /// By which those reach nats-server.
    pub(crate) fn credentials(&self) -> PathBuf {
        self.0.join("run/creds")
    }

    pub(crate) fn node(&self) -> PathBuf {
        self.0.join("node")
    }

    /// Outside what is backed up with the data: `$RUTTER_KEY_FILE`, else beside the data directory.
    pub(crate) fn cluster_key(&self) -> PathBuf {
        let beside = || {
            let mut name = self.0.file_name().unwrap_or_default().to_owned();
            name.push(".key");
            self.0.with_file_name(name)
        };
        std::env::var_os("RUTTER_KEY_FILE").map_or_else(beside, PathBuf::from)
    }
}
