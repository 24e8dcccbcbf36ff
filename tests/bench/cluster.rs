//! The clusters under measurement.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rutter_client::{Credentials, Kubeconfig};

use crate::load::Target;

/// What all rows share.
pub(crate) struct Bench {
    rutter: PathBuf,
    data: PathBuf,
    port: u16,
    pub(crate) length: Duration,
}

/// A running cluster; stopped and removed when dropped.
pub(crate) struct Cluster<'a> {
    bench: &'a Bench,
    data: PathBuf,
    pub(crate) target: Target,
}

impl Bench {
    pub(crate) fn new(rutter: &Path, data: &Path, port: u16, seconds: u64) -> Result<Bench> {
        fs::create_dir_all(data)?;
        let data = data.canonicalize()?;
        Ok(Bench { rutter: rutter.canonicalize()?, data, port, length: Duration::from_secs(seconds) })
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }

    /// Starts a fresh cluster with these further arguments of `rutter up`.
    pub(crate) fn cluster(&self, name: &str, more: &[&str]) -> Result<Cluster<'_>> {
        let data = self.data.join(name);
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        self.start(&data, more)
    }

    fn start(&self, data: &Path, more: &[&str]) -> Result<Cluster<'_>> {
        let mut command = Command::new(&self.rutter);
        command.args(["up", "--background", "--port", &self.port.to_string(), "--data"]).arg(data).args(more);
        let status = command.stderr(std::process::Stdio::null()).status()?;
        ensure!(status.success(), "rutter up failed; see {}", data.join("rutter.log").display());
        let target = target(&data.join("kubeconfig"))?;
        Ok(Cluster { bench: self, data: data.to_owned(), target })
    }
}

impl Cluster<'_> {
    /// The time from starting the binary to its being ready, after a clean stop.
    pub(crate) fn restart(&mut self, more: &[&str]) -> Result<Duration> {
        self.stop()?;
        let began = Instant::now();
        self.bench.start(&self.data, more).map(std::mem::forget)?;
        Ok(began.elapsed())
    }

    pub(crate) fn client(&self) -> Result<rutter_client::Client> {
        rutter_client::Client::open(Some(&self.data.join("kubeconfig")))
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.data.join("rutter.log")
    }

    /// Resident memory of the cluster's process and its nats-server, in MB.
    pub(crate) fn resident_mb(&self) -> Result<f64> {
        let pid: u32 = fs::read_to_string(self.data.join("run/rutter.pid"))?.trim().parse()?;
        let mut kilobytes = resident_kb(pid)?;
        for entry in fs::read_dir("/proc")?.flatten() {
            let Some(child) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            let Some((head, tail)) = stat.rsplit_once(')') else { continue };
            if head.ends_with("(nats-server") && tail.split_whitespace().nth(1) == Some(&pid.to_string()) {
                kilobytes += resident_kb(child)?;
            }
        }
        Ok(kilobytes / 1024.0)
    }

    fn stop(&self) -> Result<()> {
        let status = Command::new(&self.bench.rutter).args(["down", "--data"]).arg(&self.data).status()?;
        ensure!(status.success(), "rutter down failed");
        Ok(())
    }
}

impl Drop for Cluster<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("a cluster of the bench could not be stopped: {error:#}");
        }
        // What can't be removed is said by the next run, which starts afresh.
        let _ = fs::remove_dir_all(&self.data);
    }
}

fn resident_kb(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
    Ok(line.split_whitespace().nth(1).context("VmRSS")?.parse()?)
}

/// The address and TLS of a kubeconfig, for the load generator.
fn target(kubeconfig: &Path) -> Result<Target> {
    let config = Kubeconfig::load(Some(kubeconfig))?;
    let uri: http::Uri = config.server.parse()?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in config.authority {
        roots.add(certificate)?;
    }
    let Credentials::Certificate { chain, key } = config.credentials else {
        anyhow::bail!("no client certificate")
    };
    let tls =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
    let host = uri.host().context("the server has no host")?.to_owned();
    Ok(Target { host, port: uri.port_u16().unwrap_or(443), tls: Arc::new(tls) })
}
