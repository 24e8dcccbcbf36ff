//! The floors over HTTP: the least that any program could do for the same promise, as a process of its own beside a
//! nats-server of its own, over the same TLS: as Rutter is.

mod frames;
mod server;

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::load::Target;
pub(crate) use server::{Args, serve};

/// The bytes of one object.
pub(crate) const ONE: &str = "/one";
/// The bytes of a list.
pub(crate) const MANY: &str = "/many";
/// What is posted is appended to the log's stream in frames, and then answered with.
pub(crate) const LOG: &str = "/log";
/// The same with a bare file in place of the stream: what a database of our own could reach.
pub(crate) const FILE: &str = "/file";

/// How long it may take to end.
const END: Duration = Duration::from_secs(10);

/// What the process says when it listens.
#[derive(Serialize, Deserialize)]
struct Listening {
    port: u16,
    certificate: String,
}

/// A running floor; ended when dropped.
pub(crate) struct Floor {
    pub(crate) target: Target,
    process: Child,
}

impl Floor {
    /// Starts a process that serves these bytes, and keeps what it appends in `dir`.
    pub(crate) async fn start(one: &Bytes, many: &Bytes, dir: &Path) -> Result<Floor> {
        if dir.exists() {
            std::fs::remove_dir_all(dir)?;
        }
        std::fs::create_dir_all(dir)?;
        let args = Args { one: dir.join("one"), many: dir.join("many"), dir: dir.to_owned() };
        std::fs::write(&args.one, one)?;
        std::fs::write(&args.many, many)?;
        let mut process = Command::new(std::env::current_exe()?)
            .args(["floor", "--one"])
            .arg(&args.one)
            .arg("--many")
            .arg(&args.many)
            .arg("--dir")
            .arg(&args.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = process.stdout.take().context("its output is piped")?;
        let Some(line) = BufReader::new(said).lines().next_line().await? else {
            bail!("the floor ended at its start");
        };
        let target = target(&serde_json::from_str(&line)?)?;
        Ok(Floor { target, process })
    }
}

impl Drop for Floor {
    /// It ends when its input does, and its nats-server with it; killed, it would leave that behind.
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let began = Instant::now();
        while began.elapsed() < END {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // It may have ended this moment.
        let _ = self.process.start_kill();
    }
}

fn target(listening: &Listening) -> Result<Target> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(listening.certificate.as_bytes())?)?;
    let tls =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
    Ok(Target { host: "127.0.0.1".to_owned(), port: listening.port, tls: Arc::new(tls) })
}
