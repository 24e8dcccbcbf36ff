//! Watchers outlive their gateway: it is killed under writes, and right after it is back each goes on from the last
//! revision it saw, or from one far behind, missing and repeating nothing.
//!
//! `RUTTER_WATCHERS` (200) is how many there are. A kill waits for acknowledged writes, and the writing for the kill, so
//! that one always falls into the other.

use std::collections::BTreeSet;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::StreamExt;
use http::Method;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rutter_client::Client;
use rutter_tests::cluster::{self, Cluster};
use rutter_tests::steps::{Called, Step, skipped};
use serde_json::{Value, json};
use tokio::sync::watch;

const STEPS: &[Step] = &[("watchers_go_on_after_a_kill_missing_and_repeating_nothing", go_on)];

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const OBJECTS: u64 = 20;
/// How many writes there are at least before the first watch, and around each kill.
const WRITES: u64 = 150;
/// So many of them are acknowledged before the kill.
const WRITES_BEFORE: u64 = WRITES / 3;
const KILLS: u32 = 2;

fn main() -> ExitCode {
    let Some(called) = Called::to_play(STEPS) else { return ExitCode::SUCCESS };
    if let Some(missing) = cluster::missing(&["nats-server"]) {
        return skipped("watchers", &missing, STEPS);
    }
    let cluster = Cluster::simulated("watchers", 1);
    let verdicts = called.play(STEPS, &cluster);
    let data = cluster.stop();
    verdicts.tell(&data)
}

fn go_on(cluster: &Cluster) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let told = runtime.block_on(story(cluster));
    println!("  {}", told.unwrap_or_else(|error| panic!("{error:#}")));
}

async fn story(cluster: &Cluster) -> Result<String> {
    let count: usize = std::env::var("RUTTER_WATCHERS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let config = Arc::new(cluster.kubeconfig());
    let client = Client::open(Some(&config))?;
    let start: Value = client.get(MAPS).await?;
    let start: u64 = revision(&start)?;

    let mut writer = Writer { client: &client, acknowledged: BTreeSet::new(), count: 0 };
    for _ in 0..WRITES {
        writer.write().await?;
    }
    let acknowledged = &writer.acknowledged;
    let oldest = *acknowledged.first().context("something was written")?;
    let newest = *acknowledged.last().context("something was written")?;
    let finish = Arc::new(AtomicU64::new(u64::MAX));
    let watchers: Vec<_> = (0..count as u64)
        .map(|n| {
            // From the beginning, from now, and from everywhere between.
            let from = if n == 0 { start } else { oldest + (newest - oldest) * n / count as u64 };
            let watcher = Watcher { config: config.clone(), from, seen: Vec::new(), finish: finish.clone() };
            tokio::spawn(watcher.run())
        })
        .collect();

    for _ in 0..KILLS {
        kill_while_writing(cluster, &mut writer).await?;
    }
    let acknowledged = writer.acknowledged;
    finish.store(revision(&client.get(MAPS).await?)?, Ordering::SeqCst);
    // The last write of all ends every watch.
    put(&client, "last", 0).await?;

    let mut seen = Vec::new();
    for watcher in watchers {
        seen.push(watcher.await??);
    }
    let whole = seen[0].1.clone();
    ensure!(acknowledged.iter().all(|one| whole.contains(one)), "an acknowledged write was not told");
    for (from, seen) in &seen {
        let expected: Vec<u64> = whole.iter().copied().filter(|revision| revision > from).collect();
        ensure!(*seen == expected, "a watcher from {from} saw {seen:?} instead of {expected:?}");
    }
    Ok(format!(
        "{count} watchers, {KILLS} kills, {} events, nothing missed and nothing repeated",
        whole.len()
    ))
}

/// Kills the cluster's process once enough was acknowledged and starts it again, while the writing goes on until it was
/// killed and enough was written.
async fn kill_while_writing(cluster: &Cluster, writer: &mut Writer<'_>) -> Result<()> {
    let (acknowledged, mut told) = watch::channel(0);
    let (kill, start) = (killer(cluster), starter(cluster));
    let (dead, is_dead) = watch::channel(false);
    let write = async {
        while *acknowledged.borrow() < WRITES || !*is_dead.borrow() {
            writer.write().await?;
            acknowledged.send_modify(|count| *count += 1);
        }
        anyhow::Ok(())
    };
    let murder = async {
        told.wait_for(|count| *count >= WRITES_BEFORE).await?;
        tokio::task::spawn_blocking(kill).await??;
        dead.send(true)?;
        tokio::task::spawn_blocking(start).await?
    };
    tokio::try_join!(write, murder)?;
    Ok(())
}

/// Kills the cluster's process, and waits until it is gone.
fn killer(cluster: &Cluster) -> impl FnOnce() -> Result<()> + Send + 'static {
    let pid_file = cluster.data().join("run/rutter.pid");
    move || {
        let pid = Pid::from_raw(std::fs::read_to_string(pid_file)?.trim().parse()?);
        kill(pid, Signal::SIGKILL)?;
        while kill(pid, None).is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

/// Starts the cluster again.
fn starter(cluster: &Cluster) -> impl FnOnce() -> Result<()> + Send + 'static {
    let line = cluster.up_line();
    let environment: Vec<_> =
        cluster.command("true").get_envs().map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned))).collect();
    move || {
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).envs(environment.into_iter().filter_map(|(k, v)| Some((k, v?))));
        ensure!(command.status()?.success(), "rutter up failed");
        Ok(())
    }
}

/// Changes objects one after another, through whatever happens; remembers what was acknowledged.
struct Writer<'a> {
    client: &'a Client,
    acknowledged: BTreeSet<u64>,
    /// Each write says something new.
    count: u64,
}

impl Writer<'_> {
    async fn write(&mut self) -> Result<()> {
        self.count += 1;
        let name = format!("w{}", self.count % OBJECTS);
        let mut tries = 0;
        loop {
            match put(self.client, &name, self.count).await {
                Ok(revision) => {
                    self.acknowledged.insert(revision);
                    return Ok(());
                }
                Err(error) if tries > 600 => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
            tries += 1;
        }
    }
}

async fn put(client: &Client, name: &str, count: u64) -> Result<u64> {
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
        "data": {"count": count.to_string()}});
    match client.json::<Value>(Method::PUT, &format!("{MAPS}/{name}"), Some(&object)).await {
        Ok(stored) => revision(&stored),
        Err(error) if format!("{error:#}").contains("not found") => {
            object["metadata"]["labels"] = json!({"new": "yes"});
            revision(&client.json(Method::POST, MAPS, Some(&object)).await?)
        }
        Err(error) => Err(error),
    }
}

fn revision(object: &Value) -> Result<u64> {
    let text = object["metadata"]["resourceVersion"].as_str().context("an object has a resourceVersion")?;
    Ok(text.parse()?)
}

struct Watcher {
    config: Arc<std::path::PathBuf>,
    from: u64,
    seen: Vec<u64>,
    /// What was written up to this revision is all that counts.
    finish: Arc<AtomicU64>,
}

impl Watcher {
    /// Watches until the last write; gives back where it began and what it saw.
    async fn run(mut self) -> Result<(u64, Vec<u64>)> {
        let client = Client::open(Some(&self.config))?;
        for _ in 0..600 {
            match self.watch(&client).await {
                Ok(true) => return Ok((self.from, self.seen)),
                Ok(false) => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        bail!("a watcher from {} did not see the end", self.from)
    }

    /// One watch; true when the last write was told.
    async fn watch(&mut self, client: &Client) -> Result<bool> {
        let from = self.seen.last().copied().unwrap_or(self.from);
        let path = format!("{MAPS}?watch=true&resourceVersion={from}");
        let mut lines = Box::pin(client.lines(&path).await?);
        while let Some(line) = lines.next().await {
            let event: Value = serde_json::from_slice(&line?)?;
            assert_ne!(event["type"], "ERROR", "{event}");
            let object = &event["object"];
            if object["metadata"]["name"] == "last" {
                let finish = self.finish.load(Ordering::SeqCst);
                self.seen.retain(|revision| *revision <= finish);
                return Ok(true);
            }
            self.seen.push(revision(object)?);
        }
        Ok(false)
    }
}
