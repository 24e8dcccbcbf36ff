//! The broker of a cluster on one machine: a nats-server of our own, or the one that was named.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use rutter_ledger::core::Proving;
use rutter_runtime::files::{self, PRIVATE};
use rutter_runtime::nats::NatsConfig;
use rutter_runtime::roles::Role;
use rutter_runtime::server::{EmbeddedServer, ServerConfig};
use rutter_runtime::stream::{Replicas, StreamSettings};

use super::args::UpArgs;
use super::paths::Home;
use super::progress::Progress;
use crate::service;

/// The nats-server, when it is ours.
pub(super) struct Broker(Option<EmbeddedServer>);

/// How another process reaches the broker as some role.
pub(super) struct Reach {
    pub(super) url: String,
    pub(super) creds: Option<PathBuf>,
    pub(super) ca: Option<PathBuf>,
}

impl Broker {
    pub(super) async fn start(args: &UpArgs, home: &Home, progress: &Progress) -> Result<Broker> {
        if args.nats.is_some() {
            return Ok(Broker(None));
        }
        // Others reach it by this address, and its certificate is for it.
        ensure!(!args.nats_listen.ip().is_unspecified(), "--nats-listen takes one address of this machine");
        progress.step("starting nats-server");
        let config = ServerConfig {
            data_dir: home.root().to_owned(),
            listen: args.nats_listen,
            binary: None,
            max_store_bytes: max_log_bytes(args, home)?,
        };
        Ok(Broker(Some(EmbeddedServer::start(config).await?)))
    }

    /// How this process connects as a role.
    pub(super) fn connection(&self, args: &UpArgs, role: &Role) -> Result<NatsConfig> {
        match (&self.0, &args.nats) {
            (Some(server), _) => Ok(server.connection(role)),
            (None, Some(url)) => {
                service::connection(url, args.nats_creds.as_deref(), args.nats_ca.as_deref())
            }
            (None, None) => anyhow::bail!("there is no broker"),
        }
    }

    /// How another process of this machine does: with credentials in a file of the role's.
    pub(super) fn reach(&self, args: &UpArgs, home: &Home, role: &Role) -> Result<Reach> {
        let Some(server) = &self.0 else {
            let url = args.nats.clone().context("there is no broker")?;
            return Ok(Reach { url, creds: args.nats_creds.clone(), ca: args.nats_ca.clone() });
        };
        let dir = home.credentials();
        let creds = dir.join(format!("{}.creds", role.to_string().replace(' ', "-")));
        let text = server.authority().credentials(role, jiff::Timestamp::now().as_second());
        files::create_private_dir(&dir)
            .and_then(|()| files::write_atomically(&creds, text.text().as_bytes(), PRIVATE))
            .with_context(|| format!("{} can't be written", creds.display()))?;
        Ok(Reach { url: server.url(), creds: Some(creds), ca: Some(home.nats().join("ca.crt")) })
    }

    /// How nodes of other machines join, when the broker is ours.
    pub(super) fn joining(&self) -> Option<rutter_gateway::Joining> {
        let server = self.0.as_ref()?;
        let nats_ca_pem = server.ca().certificate_pem().to_owned();
        Some(rutter_gateway::Joining {
            authority: server.authority().clone(),
            nats: server.url(),
            nats_ca_pem,
        })
    }

    /// Where it keeps the log, when it is ours.
    pub(super) fn store(&self, home: &Home) -> Option<PathBuf> {
        self.0.is_some().then(|| home.nats())
    }

    /// How a ledger in this process proves that it leads: with our own server under our own lock, nobody else can
    /// append.
    pub(super) fn proving(&self) -> Proving {
        if self.0.is_some() { Proving::Owned } else { Proving::Asked }
    }

    pub(super) async fn stop(self) {
        if let Some(server) = self.0 {
            server.stop().await;
        }
    }
}

/// What the ledger wants of the stream.
pub(super) fn settings(args: &UpArgs, home: &Home) -> Result<StreamSettings> {
    // JetStream keeps files of its own beside the messages.
    Ok(StreamSettings { replicas: Replicas::One, max_bytes: max_log_bytes(args, home)? / 10 * 9 })
}

/// What the log may take of the disk.
fn max_log_bytes(args: &UpArgs, home: &Home) -> Result<u64> {
    if let Some(gib) = args.max_log_gib {
        return Ok(gib << 30);
    }
    let disk = disk_bytes(home)?;
    Ok((disk / 4).max(1 << 30))
}

/// The size of the file system that holds the data, so that the share doesn't shrink with every start.
fn disk_bytes(home: &Home) -> Result<u64> {
    let stat = nix::sys::statvfs::statvfs(home.root())?;
    Ok(stat.blocks() * stat.fragment_size())
}
