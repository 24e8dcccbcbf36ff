//! The loss of the stream's leader: three servers hold the log together, two of each service that writes take, and the
//! server that leads is killed while writers write. What is measured is told in the order in which it happens, so that
//! what NATS takes for its election is told apart from what comes on top of it.

mod watch;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::Method;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::Client;
use crate::apart::Apart;
use crate::check::{self, Verdict};
use crate::wait::until;
use crate::writer::{self, Progress, Written};

use watch::Watch;

/// What a run is made of.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub losses: u32,
    pub end: End,
    /// Who write all the while.
    pub writers: u32,
}

/// What happens to the server that leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// SIGKILL: its connections end with it.
    Killed,
    /// SIGSTOP, as a machine that hangs: its connections stay, and nothing comes by them.
    Halted,
}

/// One loss, and when what was back; all from the loss on.
#[derive(Clone, Debug)]
pub struct Loss {
    pub lost: String,
    /// A server says that it leads the stream.
    pub elected: Duration,
    /// The stream has grown since.
    pub appended: Duration,
    /// The first write that was begun after it is answered, by each gateway.
    pub written: [Duration; 2],
}

impl Loss {
    /// The first write by whichever gateway.
    #[must_use]
    pub fn back(&self) -> Duration {
        self.written[0].min(self.written[1])
    }

    /// What came on top of the election, until both gateways wrote again.
    #[must_use]
    pub fn ours(&self) -> Duration {
        self.written[0].max(self.written[1]).saturating_sub(self.elected)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Loss { lost, elected, appended, written: [one, other] } = self;
        write!(
            f,
            "{lost} lost: a new leader after {elected:.1?}, frames after {appended:.1?}, writes after {one:.1?} \
             and {other:.1?}; {:.1?} on top of the election",
            self.ours()
        )
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub losses: Vec<Loss>,
    /// What the writers were told, held against the history.
    pub verdict: Verdict,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slowest = |of: fn(&Loss) -> Duration| self.losses.iter().map(of).max().unwrap_or_default();
        let quick = self.losses.iter().filter(|loss| loss.back() <= Duration::from_secs(10)).count();
        write!(
            f,
            "losses={} back_within_10s={quick} slowest={:.1?} most_on_top={:.1?} {}",
            self.losses.len(),
            slowest(Loss::back),
            slowest(Loss::ours),
            self.verdict
        )
    }
}

const LEDGERS: [&str; 2] = ["ledger-a", "ledger-b"];
/// Between two writes that are tried: an attempt may hang for as long as a request may take, others go beside it.
const ATTEMPTS: Duration = Duration::from_millis(50);
/// How long writes may stay away before the run gives up.
const GIVE_UP: Duration = Duration::from_secs(90);

/// Runs it in a directory that is empty; `progress` is told each loss.
///
/// # Errors
/// When writes don't come back; never for being slow, or for what the verdict says.
pub async fn run(
    rutter: &Path,
    dir: &Path,
    setup: &Setup,
    mut progress: impl FnMut(&Loss),
) -> Result<Outcome> {
    let mut cluster = Apart::start_three(rutter, dir).await?;
    for ledger in LEDGERS {
        cluster.ledger(ledger)?;
    }
    let gateways =
        [Arc::new(cluster.gateway("gateway-1").await?), Arc::new(cluster.gateway("gateway-2").await?)];
    let watch = Watch::connect(&cluster).await?;
    let writers = Writers::start(setup.writers, &gateways);
    let mut losses = Vec::new();
    for _ in 0..setup.losses {
        watch.in_step().await?;
        writers.write_more().await?;
        let loss = lose(&mut cluster, setup.end, &watch, &gateways).await?;
        match setup.end {
            End::Killed => cluster.start_server(&loss.lost).await?,
            End::Halted => cluster.signal(&loss.lost, Signal::SIGCONT)?,
        }
        progress(&loss);
        losses.push(loss);
    }
    let verdict = check::all(&gateways[0], &writers.end().await?).await?;
    cluster.check_alive()?;
    cluster.end_services().await?;
    Ok(Outcome { losses, verdict })
}

async fn lose(cluster: &mut Apart, end: End, watch: &Watch, gateways: &[Arc<Client>; 2]) -> Result<Loss> {
    let lost = watch.leader().await?;
    match end {
        End::Killed => cluster.end(&lost, Signal::SIGKILL).await?,
        End::Halted => cluster.signal(&lost, Signal::SIGSTOP)?,
    }
    let began = Instant::now();
    let (elections, one, other) = tokio::join!(
        watch.election(&lost, began),
        written(&gateways[0], began),
        written(&gateways[1], began),
    );
    let (elected, appended) = elections?;
    Ok(Loss { lost, elected, appended, written: [one?, other?] })
}

/// When the first write that is begun now or later is acknowledged.
async fn written(gateway: &Arc<Client>, began: Instant) -> Result<Duration> {
    let (tell, mut told) = mpsc::channel(1);
    let gateway = gateway.clone();
    let attempts = tokio::spawn(async move {
        loop {
            let (gateway, tell) = (gateway.clone(), tell.clone());
            tokio::spawn(async move {
                if write(&gateway).await.is_ok() {
                    // Another was first.
                    let _ = tell.try_send(began.elapsed());
                }
            });
            sleep(ATTEMPTS).await;
        }
    });
    let back = timeout(GIVE_UP, told.recv()).await;
    attempts.abort();
    back.context("writes do not come back")?.context("nobody writes")
}

async fn write(gateway: &Client) -> Result<()> {
    let probe = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "probe-"}});
    let path = "/api/v1/namespaces/default/configmaps";
    gateway.json::<Value>(Method::POST, path, Some(&probe)).await.map(drop)
}

/// Writers, half of them at each gateway.
struct Writers {
    progress: Arc<Progress>,
    stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<Vec<Written>>>,
}

impl Writers {
    fn start(count: u32, gateways: &[Arc<Client>; 2]) -> Writers {
        let (progress, stop) = (Arc::new(Progress::of(count)), CancellationToken::new());
        let begin = |writer: u32| {
            let gateway = gateways[writer as usize % 2].clone();
            tokio::spawn(writer::write(gateway, 0, writer, progress.clone(), stop.clone()))
        };
        let tasks = (0..count).map(begin).collect();
        Writers { progress, stop, tasks }
    }

    /// Waits until each was acknowledged something more.
    async fn write_more(&self) -> Result<()> {
        let then = self.progress.counts();
        until("everybody writes", async || self.progress.has_grown_everywhere(&then)).await
    }

    async fn end(self) -> Result<Vec<Written>> {
        self.stop.cancel();
        let mut written = Vec::new();
        for task in self.tasks {
            written.extend(task.await?);
        }
        ensure!(!written.is_empty(), "nobody wrote");
        Ok(written)
    }
}
