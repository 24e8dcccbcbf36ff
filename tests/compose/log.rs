//! The log's servers and ledgers, seen with the ledgers' own credentials: who leads, and who is in step.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_nats::{Client, ConnectOptions};
use futures::StreamExt;
use rutter_schemas::protocol::ledger::Beat;
use rutter_schemas::subjects;
use rutter_tests::eventually;
use serde_json::Value;

/// A connection to the log's servers.
pub(crate) struct Log(Client);

/// Their fixed addresses.
const SERVERS: [&str; 3] = ["tls://172.29.96.11", "tls://172.29.96.12", "tls://172.29.96.13"];
/// A ledger that leads says so five times a second.
const BEAT: Duration = Duration::from_secs(30);

impl Log {
    /// `etc` holds what `rutter nats-setup` wrote.
    pub(crate) async fn connect(etc: &Path) -> Result<Log> {
        let creds = etc.join("creds/ledger.creds");
        let options = ConnectOptions::with_credentials_file(&creds).await;
        let options = options.with_context(|| format!("{} can't be read", creds.display()))?;
        let options = options.add_root_certificates(etc.join("ca.crt")).require_tls(true);
        let options = options.custom_inbox_prefix("_INBOX.ledger").ignore_discovered_servers();
        Ok(Log(options.connect(SERVERS.as_slice()).await?))
    }

    /// The name of the server that leads the stream.
    pub(crate) async fn stream_leader(&self) -> Result<String> {
        let info = self.info().await?;
        let leader = info["cluster"]["leader"].as_str().filter(|name| !name.is_empty());
        Ok(leader.context("the stream has no leader")?.to_owned())
    }

    /// Waits until all three servers hold all of it.
    pub(crate) async fn in_step(&self) -> Result<()> {
        eventually("the servers are in step", async || {
            let info = self.info().await?;
            let followers = info["cluster"]["replicas"].as_array().context("it has no replicas")?;
            let current = followers.iter().filter(|server| server["current"] == true).count();
            ensure!(current == 2, "{}", info["cluster"]);
            Ok(())
        })
        .await
    }

    /// The name of the ledger that leads.
    pub(crate) async fn active_ledger(&self) -> Result<String> {
        let mut beats = self.0.subscribe(subjects::BEAT).await?;
        let message = tokio::time::timeout(BEAT, beats.next()).await.context("no ledger leads")?;
        let beat: Beat = serde_json::from_slice(&message.context("the connection ended")?.payload)?;
        Ok(beat.ledger)
    }

    async fn info(&self) -> Result<Value> {
        let subject = format!("$JS.API.STREAM.INFO.{}", subjects::STREAM);
        let answer = self.0.request(subject, "".into()).await?;
        Ok(serde_json::from_slice(&answer.payload)?)
    }
}
