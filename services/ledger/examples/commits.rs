//! Commits per second through the ledger, next to one JetStream message per commit, at the same numbers in flight.
//!
//! `commits [seconds] [event bytes] [data directory] [in flight …]`: prints one table; each row's floor is measured
//! right before it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use rutter_ledger::core::{Proving, Role};
use rutter_ledger::{Ledger, LedgerConfig, Parts};
use rutter_projection::Options;
use rutter_runtime::executor::Letterhead;
use rutter_runtime::metrics::Metrics;
use rutter_runtime::nats;
use rutter_runtime::proposer::{Proposer, local};
use rutter_runtime::roles::Role as NatsRole;
use rutter_runtime::server::{EmbeddedServer, ServerConfig};
use rutter_runtime::shutdown::Shutdown;
use rutter_runtime::stream::{LogStream, Replicas, StreamSettings};
use rutter_runtime::view::{View, ViewOptions};
use rutter_schemas::{Event, Meta, ObjectRef, Op, Outcome, Revision, Uuid, state};
use serde_json::json;

const IN_FLIGHT: [usize; 4] = [1, 16, 64, 256];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let bytes: usize = arguments.next().map_or(Ok(1_100), |text| text.parse())?;
    let dir = arguments.next().map_or_else(|| PathBuf::from("target/bench-commits"), PathBuf::from);
    let numbers = arguments.map(|text| text.parse()).collect::<Result<Vec<usize>, _>>()?;
    let numbers = if numbers.is_empty() { IN_FLIGHT.to_vec() } else { numbers };
    let _ = std::fs::remove_dir_all(&dir);
    let bench = Bench { dir, bytes, long: Duration::from_secs(seconds) };
    println!("in flight   messages/s  p50 ms   commits/s  p50 ms   ratio");
    for in_flight in numbers {
        let floor = bench.floor(in_flight).await?;
        let ledger = bench.ledger(in_flight).await?;
        println!(
            "{in_flight:>9} {:>12.0} {:>7.2} {:>11.0} {:>7.2} {:>6.2}x",
            floor.rate,
            floor.p50_ms,
            ledger.rate,
            ledger.p50_ms,
            ledger.rate / floor.rate
        );
    }
    Ok(())
}

struct Bench {
    dir: PathBuf,
    bytes: usize,
    long: Duration,
}

struct Measured {
    rate: f64,
    p50_ms: f64,
}

impl Bench {
    /// One synced JetStream message per commit, nothing checked.
    async fn floor(&self, in_flight: usize) -> anyhow::Result<Measured> {
        let dir = self.dir.join(format!("floor-{in_flight}"));
        let server = serve(&dir).await?;
        let client = nats::connect(&server.connection(&NatsRole::Ledger), &NatsRole::Ledger).await?;
        LogStream::ensure(client.clone(), &settings()).await?;
        let payload = bytes::Bytes::from(vec![b'x'; self.bytes + 400]);
        let measured = self
            .closed_loop(in_flight, move |_| {
                let (client, payload) = (client.clone(), payload.clone());
                async move {
                    client.request("rutter.log", payload).await.context("a bare publish")?;
                    Ok(())
                }
            })
            .await?;
        server.stop().await;
        Ok(measured)
    }

    /// The same through proposer and ledger, with the view of the process following.
    async fn ledger(&self, in_flight: usize) -> anyhow::Result<Measured> {
        let dir = self.dir.join(format!("ledger-{in_flight}"));
        let server = serve(&dir).await?;
        let mut shutdown = Shutdown::new();
        let stage = shutdown.stage("ledger");
        let client = nats::connect(&server.connection(&NatsRole::Ledger), &NatsRole::Ledger).await?;
        let stream = LogStream::ensure(client.clone(), &settings()).await?;
        let options = ViewOptions { dir: dir.join("view"), projection: Options::with_history() };
        let view = View::start(stream.clone(), options, &stage).await?;
        let (way_in, inbox) = local();
        let parts = Parts { stream, local: inbox, view, metrics: Metrics::new() };
        let ledger = Ledger::start(config(&dir), parts, &stage).await?;
        ledger.state().wait_for(|state| state.role == Role::Active).await?;
        let proposer = Proposer::with_local(client, way_in);
        let bytes = self.bytes;
        let measured = self
            .closed_loop(in_flight, move |number| {
                let (proposer, text) = (proposer.clone(), commit(number, bytes));
                async move {
                    match proposer.attempt(text).await.context("no answer")? {
                        Outcome::Committed { .. } => Ok(()),
                        Outcome::Rejected(rejection) => anyhow::bail!("rejected: {rejection}"),
                    }
                }
            })
            .await?;
        shutdown.finish().await;
        server.stop().await;
        Ok(measured)
    }

    /// As many as `in_flight` at once, each again as soon as it is answered; as tasks, as services are.
    async fn closed_loop<F, W>(&self, in_flight: usize, work: F) -> anyhow::Result<Measured>
    where
        F: Fn(u64) -> W + Clone + Send + 'static,
        W: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let next = Arc::new(AtomicU64::new(0));
        let begun = Instant::now();
        let end = begun + self.long;
        let mut loops = tokio::task::JoinSet::new();
        for _ in 0..in_flight {
            loops.spawn(again_and_again(work.clone(), next.clone(), end));
        }
        let times: anyhow::Result<Vec<Vec<Duration>>> = loops.join_all().await.into_iter().collect();
        let took = begun.elapsed();
        let mut times = times?.concat();
        times.sort_unstable();
        let p50 = times.get(times.len() / 2).copied().unwrap_or_default();
        Ok(Measured { rate: times.len() as f64 / took.as_secs_f64(), p50_ms: p50.as_secs_f64() * 1e3 })
    }
}

/// How long each round took.
async fn again_and_again<F, W>(work: F, next: Arc<AtomicU64>, end: Instant) -> anyhow::Result<Vec<Duration>>
where
    F: Fn(u64) -> W,
    W: Future<Output = anyhow::Result<()>>,
{
    let mut times = Vec::new();
    while Instant::now() < end {
        let begun = Instant::now();
        work(next.fetch_add(1, Ordering::Relaxed)).await?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

async fn serve(dir: &Path) -> anyhow::Result<EmbeddedServer> {
    let cached = Path::new(".cache/bin/nats-server");
    let config = ServerConfig {
        data_dir: std::path::absolute(dir)?,
        listen: "127.0.0.1:0".parse()?,
        binary: cached.is_file().then(|| std::path::absolute(cached)).transpose()?,
        max_store_bytes: 16 << 30,
    };
    std::fs::create_dir_all(dir)?;
    Ok(EmbeddedServer::start(config).await?)
}

fn settings() -> StreamSettings {
    StreamSettings { replicas: Replicas::One, max_bytes: 8 << 30 }
}

fn config(dir: &Path) -> LedgerConfig {
    LedgerConfig {
        name: "bench".into(),
        proving: Proving::Owned,
        stream: settings(),
        index: dir.join("index"),
        store: None,
        new_incarnation: false,
    }
}

/// The birth of a ConfigMap, encoded.
fn commit(number: u64, bytes: usize) -> bytes::Bytes {
    let (name, uid) = (format!("c{number}"), Uuid::new_v4().to_string());
    let object = json!({"kind": "ConfigMap", "apiVersion": "v1", "data": {"text": "x".repeat(bytes)},
                        "metadata": {"name": name, "namespace": "default", "uid": uid}});
    let about = ObjectRef {
        version: "v1".into(),
        kind: "ConfigMap".into(),
        resource: "configmaps".into(),
        namespace: "default".into(),
        name,
        uid,
        ..ObjectRef::default()
    };
    let event = Event {
        event_type: "ConfigMapCreated".into(),
        op: Op::Create,
        object: about,
        prior: Revision::NONE,
        meta: Meta::default(),
        touches: Vec::new(),
        state: state::encode(&object),
    };
    let letterhead = Letterhead { why: "bench".into(), writer: "bench/0".into(), ..Letterhead::default() };
    letterhead.commit(Uuid::now_v7(), Revision::NONE, 0, vec![event]).encode()
}
