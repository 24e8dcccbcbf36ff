//! Commits per second through the ledger, beside one JetStream message per commit, as many in flight.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use rutter_ledger::core::Role;
use rutter_ledger::{Ledger, LedgerConfig, Parts};
use rutter_projection::Options;
use rutter_runtime::metrics::Metrics;
use rutter_runtime::proposer::{Proposer, local};
use rutter_runtime::shutdown::Shutdown;
use rutter_runtime::view::{View, ViewOptions};
use rutter_schemas::{Outcome, Rejection, Revision, subjects};

use crate::broker::{self, Broker, Kind};
use crate::cluster::Bench;
use crate::events;
use crate::report::{Bound, Report};

const IN_FLIGHT: [u32; 4] = [1, 16, 64, 256];
/// Among so many commits one loses, in the rows with losers.
const LOSERS: u64 = 100;
/// An object that is there, so that its creation loses.
const TAKEN: &str = "taken";

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    for kind in [Kind::Alone, Kind::Three, Kind::Slow] {
        if kind == Kind::Slow && !broker::can_be_slowed() {
            report.skip("commits, 8 ms a sync", "strace is not installed");
            continue;
        }
        let dir = bench.file("commits");
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        on(kind, &dir, bench.length, report).await?;
        std::fs::remove_dir_all(&dir)?;
    }
    Ok(())
}

async fn on(kind: Kind, dir: &Path, length: Duration, report: &mut Report) -> Result<()> {
    let bare = Bare::start(kind, &dir.join("floor")).await?;
    let ours = Ours::start(kind, &dir.join("ours")).await?;
    for in_flight in IN_FLIGHT {
        let least = closed_loop(in_flight, length, bare.work()).await?;
        let measured = closed_loop(in_flight, length, ours.work(None)).await?;
        let bound = match in_flight {
            1 => Bound::Share(0.7),
            64 => Bound::Share(4.0),
            _ => Bound::Free,
        };
        let name = format!("commits, {in_flight} in flight, {}", kind.name());
        report.add(name, "1/s", measured, Some(least), bound);
    }
    ours.take(TAKEN).await?;
    let without = closed_loop(64, length, ours.work(None)).await?;
    let with = closed_loop(64, length, ours.work(Some(LOSERS))).await?;
    let name = format!("commits, 64 in flight, 1 % losers, {}", kind.name());
    report.add(name, "1/s", with, Some(without), Bound::Share(0.9));
    ours.stop().await;
    bare.broker.stop().await;
    Ok(())
}

/// One synced message per commit, nothing checked.
struct Bare {
    broker: Broker,
    client: async_nats::Client,
}

impl Bare {
    async fn start(kind: Kind, dir: &Path) -> Result<Bare> {
        let broker = Broker::start(kind, dir).await?;
        let client = broker.stream().await?.client().clone();
        Ok(Bare { broker, client })
    }

    fn work(&self) -> impl Fn() -> Work + Clone + Send + 'static {
        let client = self.client.clone();
        let payload = events::commit("c0", Revision::NONE);
        move || {
            let (client, payload) = (client.clone(), payload.clone());
            Box::pin(async move {
                client.request(subjects::LOG, payload).await.context("a bare publish")?;
                Ok(())
            })
        }
    }
}

/// Proposer, ledger and a view with history, as in `rutter up`.
struct Ours {
    broker: Broker,
    shutdown: Shutdown,
    proposer: Proposer,
    next: Arc<AtomicU64>,
}

impl Ours {
    async fn start(kind: Kind, dir: &Path) -> Result<Ours> {
        let broker = Broker::start(kind, dir).await?;
        let mut shutdown = Shutdown::new();
        let stage = shutdown.stage("ledger");
        let stream = broker.stream().await?;
        let client = stream.client().clone();
        let options = ViewOptions::new(dir.join("view"), Options::with_history());
        let view = View::start(stream.clone(), options, &stage).await?;
        let (way_in, inbox) = local();
        let parts = Parts { stream, local: inbox, view, metrics: Metrics::new() };
        let config = LedgerConfig {
            name: "bench".into(),
            proving: kind.proving(),
            stream: broker.settings(),
            index: dir.join("index"),
            store: None,
            new_incarnation: false,
        };
        let ledger = Ledger::start(config, parts, &stage).await?;
        ledger.state().wait_for(|state| state.role == Role::Active).await?;
        let proposer = Proposer::with_local(client, way_in);
        Ok(Ours { broker, shutdown, proposer, next: Arc::default() })
    }

    /// Makes an object of this name.
    async fn take(&self, name: &str) -> Result<()> {
        propose(&self.proposer, events::commit(name, Revision::NONE)).await.map(drop)
    }

    /// Commits that each create an object; one among `losers` creates one that is there.
    fn work(&self, losers: Option<u64>) -> impl Fn() -> Work + Clone + Send + 'static {
        let (proposer, next) = (self.proposer.clone(), self.next.clone());
        move || {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let loses = losers.is_some_and(|among| number.is_multiple_of(among));
            let name = if loses { TAKEN.to_owned() } else { format!("c{number}") };
            let (proposer, text) = (proposer.clone(), events::commit(&name, Revision::NONE));
            Box::pin(async move {
                let won = propose(&proposer, text).await?;
                anyhow::ensure!(won != loses, "the wrong one won");
                Ok(())
            })
        }
    }

    async fn stop(self) {
        self.shutdown.finish().await;
        self.broker.stop().await;
    }
}

/// Whether the commit won.
async fn propose(proposer: &Proposer, text: Bytes) -> Result<bool> {
    match proposer.attempt(text).await.context("no answer")? {
        Outcome::Committed { .. } => Ok(true),
        Outcome::Rejected(Rejection::Stale { .. }) => Ok(false),
        Outcome::Rejected(rejection) => bail!("rejected: {rejection}"),
    }
}

type Work = std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// As many at once, each again as soon as it is answered; how many a second.
async fn closed_loop(
    in_flight: u32,
    length: Duration,
    work: impl Fn() -> Work + Clone + Send + 'static,
) -> Result<f64> {
    let began = Instant::now();
    let mut loops = tokio::task::JoinSet::new();
    for _ in 0..in_flight {
        let work = work.clone();
        loops.spawn(async move {
            let mut rounds = 0_u64;
            while began.elapsed() < length {
                work().await?;
                rounds += 1;
            }
            Ok(rounds)
        });
    }
    let rounds: Result<Vec<u64>> = loops.join_all().await.into_iter().collect();
    #[allow(clippy::cast_precision_loss)]
    Ok(rounds?.iter().sum::<u64>() as f64 / began.elapsed().as_secs_f64())
}
