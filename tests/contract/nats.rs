//! Real nats-servers: one, or three that hold the stream together.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rutter_runtime::nats::{self, NatsConfig};
use rutter_runtime::port::Port;
use rutter_runtime::roles::Role;
use rutter_runtime::server::{EmbeddedServer, Member, ServerConfig, ServerState};
use rutter_runtime::stream::{Appended, Delivery, LogStream, Replicas, StreamSettings};
use rutter_schemas::{FrameText, subjects};
use rutter_tests::apart;
use rutter_tests::wait::eventually;
use serde_json::Value;

use crate::broker::{Broker, Heard};

pub(crate) struct Nats {
    servers: Vec<EmbeddedServer>,
    stream: LogStream,
}

impl Nats {
    pub(crate) async fn start(dir: &Path, count: usize) -> Nats {
        let local: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let held: Vec<Port> = (0..count).map(|_| Port::hold(local).unwrap()).collect();
        let peers: Vec<SocketAddr> = held.iter().map(Port::address).collect();
        let mut servers = Vec::new();
        for (number, listen) in peers.iter().enumerate() {
            let name = format!("nats-{number}");
            let config = ServerConfig {
                data_dir: dir.join(&name),
                listen: local,
                binary: Some(apart::nats_server()),
                max_store_bytes: 1 << 30,
            };
            let routes =
                if count > 1 { peers.iter().map(SocketAddr::to_string).collect() } else { Vec::new() };
            let keys = dir.join("keys");
            let member = Member { name, listen: *listen, routes, reached_as: Vec::new(), keys };
            servers.push(EmbeddedServer::start_member(config, &member).await.unwrap());
        }
        let replicas = if count == 1 { Replicas::One } else { Replicas::Three };
        let settings = StreamSettings { replicas, max_bytes: 256 << 20 };
        let client = nats::connect(&connection(&servers), &Role::Ledger).await.unwrap();
        let ensure = async || Ok(LogStream::ensure(client.clone(), &settings).await?);
        let stream = eventually("the stream", ensure).await.unwrap();
        Nats { servers, stream }
    }

    pub(crate) async fn stop(self) {
        for server in self.servers {
            server.stop().await;
        }
    }

    /// Which of the servers leads the stream.
    async fn leader(&self) -> Result<usize> {
        if self.servers.len() == 1 {
            return Ok(0);
        }
        let asked = format!("$JS.API.STREAM.INFO.{}", subjects::STREAM);
        let answer = self.stream.client().request(asked, Bytes::new()).await?;
        let info: Value = serde_json::from_slice(&answer.payload)?;
        let number = info["cluster"]["leader"].as_str().and_then(|name| name.strip_prefix("nats-"));
        Ok(number.context("there is no leader")?.parse()?)
    }
}

impl Broker for Nats {
    /// Sends the same bytes until the leader has an opinion, and asks what stands when it heard of none before.
    async fn append(&mut self, frame: &FrameText, expected_last: u64) -> Heard {
        let mut heard_all = true;
        loop {
            match self.stream.append(frame.text.clone(), expected_last).await {
                Appended::Acked(sequence) => return Heard::Acked(sequence),
                Appended::Refused if heard_all => return Heard::Refused,
                Appended::Refused => {
                    let ours = self.read(expected_last + 1).await.as_ref() == Some(&frame.text);
                    return if ours { Heard::Acked(expected_last + 1) } else { Heard::Refused };
                }
                Appended::TimedOut | Appended::Unavailable(_) => heard_all = false,
                Appended::Full(why) => panic!("{why}"),
            }
        }
    }

    async fn append_unheard(&mut self, frame: &FrameText, expected_last: u64) {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Expected-Last-Sequence", expected_last.to_string().as_str());
        let client = self.stream.client();
        client.publish_with_headers(subjects::LOG, headers, frame.text.clone()).await.unwrap();
        client.flush().await.unwrap();
    }

    async fn read(&mut self, sequence: u64) -> Option<Bytes> {
        eventually("a frame is read", async || Ok(self.stream.read(sequence).await?)).await.unwrap()
    }

    async fn last(&mut self) -> u64 {
        eventually("the last sequence", async || Ok(self.stream.last().await?)).await.unwrap()
    }

    async fn consume(&mut self, from: u64, until: u64) -> Vec<(u64, Bytes)> {
        let (mut follow, mut delivered) = (self.stream.follow(from), Vec::new());
        while delivered.last().is_none_or(|(sequence, _)| *sequence < until) {
            if let Delivery::Frame(sequence, bytes) = follow.next().await {
                delivered.push((sequence, bytes));
            }
        }
        delivered
    }

    async fn lose_leader(&mut self) {
        let leader = eventually("a leader", async || self.leader().await).await.unwrap();
        let mut state = self.servers[leader].state();
        let ServerState::Running { pid: old } = *state.borrow_and_update() else { panic!("it does not run") };
        kill(Pid::from_raw(i32::try_from(old).unwrap()), Signal::SIGKILL).unwrap();
        let again = |state: &ServerState| matches!(state, ServerState::Running { pid } if *pid != old);
        state.wait_for(again).await.unwrap();
        let answers = async || {
            self.leader().await?;
            ensure!(self.stream.last().await.is_ok(), "the stream has no leader");
            Ok(())
        };
        eventually("the stream answers again", answers).await.unwrap();
    }

    async fn purge(&mut self, below: u64) {
        let asked = format!("$JS.API.STREAM.PURGE.{}", subjects::STREAM);
        let answer =
            self.stream.client().request(asked, format!("{{\"seq\":{below}}}").into()).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
        assert_eq!(answer["success"], true, "{answer}");
    }
}

/// A connection that knows all servers.
fn connection(servers: &[EmbeddedServer]) -> NatsConfig {
    let mut all = servers[0].connection(&Role::Ledger);
    all.servers = servers.iter().map(|server| server.url().parse().unwrap()).collect();
    all
}
