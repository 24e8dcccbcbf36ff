//! What the servers say of the stream, each asked by a connection of its own, so that none is lost with another.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_nats::{Client, ConnectOptions};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rutter_schemas::subjects;
use serde_json::Value;
use tokio::time::{Instant, interval, timeout};

use crate::apart::{Apart, THREE_HOSTS};
use crate::wait::eventually;

/// Between two questions. One that nobody leads to hear it is lost, so others are asked beside it.
const ASK: Duration = Duration::from_millis(20);
const ANSWER: Duration = Duration::from_secs(2);
/// How long an election may take before the run gives up.
const GIVE_UP: Duration = Duration::from_secs(90);

/// See the module.
pub(super) struct Watch(BTreeMap<&'static str, Client>);

/// What one answer says.
struct Said {
    leader: String,
    last: u64,
    /// Followers that hold all of it.
    current: usize,
}

impl Watch {
    pub(super) async fn connect(cluster: &Apart) -> Result<Watch> {
        let mut clients = BTreeMap::new();
        for host in THREE_HOSTS {
            let creds = cluster.dir().join("creds/ledger.creds");
            let options = ConnectOptions::with_credentials_file(&creds).await?;
            let options = options.add_root_certificates(cluster.dir().join("ca.crt")).require_tls(true);
            let options = options.custom_inbox_prefix("_INBOX.ledger").ignore_discovered_servers();
            clients.insert(host, options.connect(cluster.server_url(host)).await?);
        }
        Ok(Watch(clients))
    }

    /// Waits until all three servers hold all of the stream.
    pub(super) async fn in_step(&self) -> Result<()> {
        eventually("the servers are in step", async || {
            let said = self.ask_any().await?;
            ensure!(said.current == 2, "{} of the others are current", said.current);
            Ok(())
        })
        .await
    }

    /// The server that leads the stream.
    pub(super) async fn leader(&self) -> Result<String> {
        eventually("the stream has a leader", async || Ok(self.ask_any().await?.leader)).await
    }

    /// When another leads than the one that was lost, and when the stream has grown since; both after `began`.
    pub(super) async fn election(&self, lost: &str, began: Instant) -> Result<(Duration, Duration)> {
        let others: Vec<&Client> =
            self.0.iter().filter(|(host, _)| **host != lost).map(|(_, one)| one).collect();
        let mut asked = FuturesUnordered::new();
        let (mut tick, mut led) = (interval(ASK), None);
        let looking = async {
            loop {
                tokio::select! {
                    _ = tick.tick() => asked.extend(others.iter().map(|one| ask(one))),
                    Some(answer) = asked.next() => {
                        let Ok(said) = answer else { continue };
                        let (elected, then) = *led.get_or_insert((began.elapsed(), said.last));
                        if said.last > then {
                            return (elected, began.elapsed());
                        }
                    }
                }
            }
        };
        timeout(GIVE_UP, looking).await.context("the stream does not grow again")
    }

    async fn ask_any(&self) -> Result<Said> {
        let mut asked: FuturesUnordered<_> = self.0.values().map(ask).collect();
        while let Some(answer) = asked.next().await {
            if answer.is_ok() {
                return answer;
            }
        }
        anyhow::bail!("no server says anything of the stream")
    }
}

async fn ask(client: &Client) -> Result<Said> {
    let subject = format!("$JS.API.STREAM.INFO.{}", subjects::STREAM);
    let answer = timeout(ANSWER, client.request(subject, Bytes::new())).await??;
    let info: Value = serde_json::from_slice(&answer.payload)?;
    let cluster = &info["cluster"];
    let leader = cluster["leader"].as_str().filter(|name| !name.is_empty()).context("nobody leads")?;
    let followers = cluster["replicas"].as_array().map_or(&[][..], Vec::as_slice);
    Ok(Said {
        leader: leader.to_owned(),
        last: info["state"]["last_seq"].as_u64().context("the stream has an end")?,
        current: followers.iter().filter(|server| server["current"] == true).count(),
    })
}
