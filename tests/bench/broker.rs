//! Brokers of the bench: one nats-server, three that hold the log together, or one on a slow disk.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rutter_ledger::core::Proving;
use rutter_runtime::nats;
use rutter_runtime::port::Port;
use rutter_runtime::roles::Role;
use rutter_runtime::server::{self, EmbeddedServer, Member, ServerConfig};
use rutter_runtime::stream::{LogStream, Replicas, StreamSettings};

/// Three servers choose their leaders first.
const ELECTIONS: Duration = Duration::from_secs(60);
/// Any free port of loopback.
const LOCAL: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

/// Which promise an acknowledgement rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Synced on one server.
    Alone,
    /// Synced on two of three servers.
    Three,
    /// Synced on one server whose disk takes 8 ms for that.
    Slow,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Alone => "one server",
            Kind::Three => "R3",
            Kind::Slow => "8 ms a sync",
        }
    }

    /// How a ledger on it proves that it leads.
    pub(crate) fn proving(self) -> Proving {
        match self {
            Kind::Alone | Kind::Slow => Proving::Owned,
            Kind::Three => Proving::Framed,
        }
    }
}

/// A running broker.
pub(crate) struct Broker {
    servers: Vec<EmbeddedServer>,
    settings: StreamSettings,
}

impl Broker {
    pub(crate) async fn start(kind: Kind, dir: &Path) -> Result<Broker> {
        match kind {
            Kind::Alone => Broker::alone(dir).await,
            Kind::Three => Broker::three(dir).await,
            Kind::Slow => Broker::one(dir, Some(slowed(dir)?)).await,
        }
    }

    pub(crate) async fn alone(dir: &Path) -> Result<Broker> {
        Broker::one(dir, None).await
    }

    async fn one(dir: &Path, binary: Option<PathBuf>) -> Result<Broker> {
        let server = EmbeddedServer::start(config(dir, binary)?).await?;
        Ok(Broker { servers: vec![server], settings: settings(Replicas::One) })
    }

    async fn three(dir: &Path) -> Result<Broker> {
        let held = [Port::hold(LOCAL)?, Port::hold(LOCAL)?, Port::hold(LOCAL)?];
        let peers = held.each_ref().map(Port::address);
        let mut servers = Vec::new();
        for (number, listen) in peers.iter().enumerate() {
            let member = Member {
                name: format!("nats-{number}"),
                listen: *listen,
                routes: peers.iter().map(SocketAddr::to_string).collect(),
                reached_as: Vec::new(),
                keys: dir.join("keys"),
            };
            let config = config(&dir.join(&member.name), None)?;
            servers.push(EmbeddedServer::start_member(config, &member).await?);
        }
        Ok(Broker { servers, settings: settings(Replicas::Three) })
    }

    pub(crate) fn settings(&self) -> StreamSettings {
        self.settings
    }

    /// The log's stream on it, made if it isn't there.
    pub(crate) async fn stream(&self) -> Result<LogStream> {
        let mut connection = self.servers[0].connection(&Role::Ledger);
        connection.servers =
            self.servers.iter().map(|server| server.url().parse()).collect::<Result<_, _>>()?;
        let client = nats::connect(&connection, &Role::Ledger).await?;
        let deadline = Instant::now() + ELECTIONS;
        loop {
            match LogStream::ensure(client.clone(), &self.settings).await {
                Ok(stream) => return Ok(stream),
                Err(error) if Instant::now() > deadline => return Err(error).context("the stream"),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    pub(crate) async fn stop(self) {
        for server in self.servers {
            server.stop().await;
        }
    }
}

fn settings(replicas: Replicas) -> StreamSettings {
    StreamSettings { replicas, max_bytes: 16 << 30 }
}

fn config(dir: &Path, binary: Option<PathBuf>) -> Result<ServerConfig> {
    std::fs::create_dir_all(dir)?;
    let data_dir = std::path::absolute(dir)?;
    Ok(ServerConfig { data_dir, listen: LOCAL, binary, max_store_bytes: 32 << 30 })
}

/// A program that is nats-server with every sync of a file drawn out, by strace.
fn slowed(dir: &Path) -> Result<PathBuf> {
    ensure!(can_be_slowed(), "strace is not installed");
    std::fs::create_dir_all(dir)?;
    let server = std::path::absolute(server::find_binary(None)?)?;
    let server = server.display();
    let script = format!(
        "#!/bin/sh\n\
         [ \"$1\" = --version ] && exec {server} --version\n\
         exec strace -D -f -q --seccomp-bpf -o /dev/null -e trace=fsync,fdatasync \
         -e inject=fsync,fdatasync:delay_exit=8000 {server} \"$@\"\n"
    );
    let path = std::path::absolute(dir.join("slow-nats-server"))?;
    std::fs::write(&path, script)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// Whether a slow disk can be played.
pub(crate) fn can_be_slowed() -> bool {
    let version = std::process::Command::new("strace").arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}
