//! The clusters under measurement.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use rutter_client::{Credentials, Kubeconfig};

use crate::Args;
use crate::load::{Connection, Target};

/// What all rows share.
pub(crate) struct Bench {
    rutter: PathBuf,
    demo: PathBuf,
    data: PathBuf,
    port: u16,
    /// Of each load.
    pub(crate) length: Duration,
    /// The kubeconfig of another server to measure beside.
    pub(crate) beside: Option<PathBuf>,
    /// To replay.
    pub(crate) events: u64,
}

/// Between two looks whether an API is ready.
const POLL: Duration = Duration::from_millis(2);
/// How long a start may take.
const START: Duration = Duration::from_secs(60);

/// A running cluster; stopped and removed when dropped.
pub(crate) struct Cluster<'a> {
    bench: &'a Bench,
    data: PathBuf,
    pub(crate) target: Target,
}

impl Bench {
    pub(crate) fn new(args: &Args) -> Result<Bench> {
        fs::create_dir_all(&args.data)?;
        Ok(Bench {
            rutter: args.rutter.canonicalize()?,
            demo: args.demo.clone(),
            data: args.data.canonicalize()?,
            port: args.port,
            length: Duration::from_secs(args.seconds),
            beside: args.beside.clone(),
            events: args.events,
        })
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

    /// Why pods of containers can't run here.
    pub(crate) fn lacks_containers(&self) -> Option<&'static str> {
        let has = |program: &str| Command::new(program).arg("--version").output().is_ok();
        match () {
            () if !nix::unistd::geteuid().is_root() => Some("needs root"),
            () if !has("containerd") => Some("containerd is not installed"),
            () if !self.demo.exists() => Some("the demo image is not built: make bench builds it"),
            () => None,
        }
    }

    /// The arguments of a cluster that runs containers where they can run, else of one with a simulated node.
    pub(crate) fn real(&self) -> Vec<String> {
        match self.lacks_containers() {
            None => vec!["--demo-image".to_owned(), self.demo.display().to_string()],
            Some(_) => vec!["--runtime".to_owned(), "sim".to_owned()],
        }
    }

    /// `rutter` with these arguments.
    pub(crate) fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(&self.rutter);
        command.arg(subcommand).stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        command
    }

    /// A second port, for a gateway of its own.
    pub(crate) fn next_port(&self) -> u16 {
        self.port + 1
    }

    fn up(&self, data: &Path, more: &[&str]) -> Command {
        let mut command = self.command("up");
        command.args(["--background", "--port", &self.port.to_string(), "--data"]).arg(data).args(more);
        command
    }

    fn start(&self, data: &Path, more: &[&str]) -> Result<Cluster<'_>> {
        let status = self.up(data, more).status()?;
        ensure!(status.success(), "rutter up failed; see {}", data.join("rutter.log").display());
        let target = target(&data.join("kubeconfig"))?;
        Ok(Cluster { bench: self, data: data.to_owned(), target })
    }
}

impl Cluster<'_> {
    /// After a clean stop: the time from starting the binary until its API is ready, and until its nodes are.
    pub(crate) async fn restart(&mut self, more: &[&str]) -> Result<(Duration, Duration)> {
        self.stop()?;
        let began = Instant::now();
        let mut starting = self.bench.up(&self.data, more).spawn()?;
        while !is_ready(&self.target).await {
            tokio::time::sleep(POLL).await;
            ensure!(began.elapsed() < START, "the API does not come back");
        }
        let api = began.elapsed();
        let status = tokio::task::spawn_blocking(move || starting.wait()).await??;
        ensure!(status.success(), "rutter up failed; see {}", self.data.join("rutter.log").display());
        Ok((api, began.elapsed()))
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn client(&self) -> Result<rutter_client::Client> {
        rutter_client::Client::open(Some(&self.data.join("kubeconfig")))
    }

    /// Resident memory of the cluster's process and its nats-server, in MB.
    pub(crate) fn resident_mb(&self) -> Result<f64> {
        let pid = self.pid()?;
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

    /// The process of the cluster, which is all of it but nats-server.
    pub(crate) fn pid(&self) -> Result<u32> {
        Ok(fs::read_to_string(self.data.join("run/rutter.pid"))?.trim().parse()?)
    }

    /// Lets the peak of its memory begin anew at what it is now. See proc_pid_clear_refs(5).
    pub(crate) fn forget_peak(&self) -> Result<()> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.pid()?), "5")?)
    }

    /// The most memory its process has had resident since then, in MB.
    pub(crate) fn peak_mb(&self) -> Result<f64> {
        Ok(status_kb(self.pid()?, "VmHWM:")? / 1024.0)
    }

    /// Processor time its process has taken so far.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid()?))?;
        let (_, fields) = stat.rsplit_once(") ").context("stat")?;
        // Fields 14 and 15 of proc_pid_stat(5): in user mode and in the kernel, in hundredths of a second.
        let ticks: Vec<u64> = fields.split(' ').skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 10))
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

/// Resident memory of a process.
pub(crate) fn resident_kb(pid: u32) -> Result<f64> {
    status_kb(pid, "VmRSS:")
}

fn status_kb(pid: u32, field: &'static str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with(field)).context(field)?;
    Ok(line.split_whitespace().nth(1).context(field)?.parse()?)
}

async fn is_ready(target: &Target) -> bool {
    let asked = async {
        let mut connection = Connection::open(target).await?;
        connection.send("GET", "/readyz", Bytes::new()).await
    };
    asked.await.is_ok()
}

/// The address and TLS of a kubeconfig, for the load generator.
pub(crate) fn target(kubeconfig: &Path) -> Result<Target> {
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
