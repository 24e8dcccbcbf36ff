//! Who writes, and who reads what was written.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use http::Method;
use rutter_client::Client;
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;

use super::Outcome;
use super::chaos::Takeovers;

const COLLECTION: &str = "/api/v1/namespaces/default/configmaps";
/// After an error, before the next attempt.
const PAUSE: Duration = Duration::from_millis(20);
/// Every so many reads are of the collection.
const LISTS: u64 = 8;
const EXAMPLES: usize = 5;

/// What is counted while it runs.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) reads: AtomicU64,
    /// Writes that were acknowledged, the load's included.
    pub(super) acknowledged: AtomicU64,
    stale: AtomicU64,
    read_errors: AtomicU64,
    write_errors: AtomicU64,
    writes: AtomicU64,
    examples: Mutex<Vec<String>>,
}

impl Counts {
    pub(super) fn outcome(&self, takeovers: Takeovers) -> Outcome {
        Outcome {
            reads: self.reads.load(Relaxed),
            stale: self.stale.load(Relaxed),
            read_errors: self.read_errors.load(Relaxed),
            write_errors: self.write_errors.load(Relaxed),
            writes: self.writes.load(Relaxed),
            takeovers,
            examples: self.examples.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    fn judge(&self, wrote: &Shown, shown: Option<&Shown>) {
        self.reads.fetch_add(1, Relaxed);
        // Nobody else writes the object: another state than the one written is an older one.
        if shown == Some(wrote) {
            return;
        }
        self.stale.fetch_add(1, Relaxed);
        let mut examples = self.examples.lock().unwrap_or_else(PoisonError::into_inner);
        if examples.len() < EXAMPLES {
            examples.push(format!("{wrote:?} was acknowledged, and a later read shows {shown:?}"));
        }
    }
}

/// What a state of an object says: its revision, and the count in it.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    revision: u64,
    count: u64,
}

impl Shown {
    fn of(object: &Value) -> Result<Shown> {
        let revision =
            object["metadata"]["resourceVersion"].as_str().context("a resourceVersion")?.parse()?;
        let count = object["data"]["count"].as_str().context("a count")?.parse()?;
        Ok(Shown { revision, count })
    }
}

/// Counts in an object of its own through one gateway, and after each acknowledgement reads it through the other.
pub(super) async fn write_and_read(
    near: Arc<Client>,
    far: Arc<Client>,
    reader: u64,
    counts: Arc<Counts>,
    stop: CancellationToken,
) {
    let name = format!("pair-{reader}");
    for count in 0.. {
        let Some(wrote) = write_on(&near, &name, count, &counts, &stop).await else { return };
        while !stop.is_cancelled() {
            let read = match count % LISTS {
                0 => listed(&far, &name).await,
                _ => got(&far, &name).await,
            };
            match read {
                Ok(shown) => {
                    counts.judge(&wrote, shown.as_ref());
                    break;
                }
                Err(_) => {
                    counts.read_errors.fetch_add(1, Relaxed);
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Writes objects of its own, for load.
pub(super) async fn write(client: Arc<Client>, writer: u64, counts: Arc<Counts>, stop: CancellationToken) {
    let name = format!("load-{writer}");
    for count in 0.. {
        if write_on(&client, &name, count, &counts, &stop).await.is_none() {
            return;
        }
        counts.writes.fetch_add(1, Relaxed);
    }
}

/// Writes until it is acknowledged; none when it is time to stop.
async fn write_on(
    client: &Client,
    name: &str,
    count: u64,
    counts: &Counts,
    stop: &CancellationToken,
) -> Option<Shown> {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
                        "data": {"count": count.to_string()}});
    let path = format!("{COLLECTION}/{name}");
    while !stop.is_cancelled() {
        // The state whole, so that it may be sent as often as it takes.
        let put = client.json::<Value>(Method::PUT, &path, Some(&object)).await;
        let stored = match put {
            Err(error) if format!("{error:#}").contains("not found") => {
                client.json::<Value>(Method::POST, COLLECTION, Some(&object)).await
            }
            other => other,
        };
        if let Ok(shown) = stored.and_then(|stored| Shown::of(&stored)) {
            counts.acknowledged.fetch_add(1, Relaxed);
            return Some(shown);
        }
        counts.write_errors.fetch_add(1, Relaxed);
        sleep(PAUSE).await;
    }
    None
}

async fn got(client: &Client, name: &str) -> Result<Option<Shown>> {
    match client.get::<Value>(&format!("{COLLECTION}/{name}")).await {
        Ok(object) => Shown::of(&object).map(Some),
        // Written, and not there: as stale as can be.
        Err(error) if format!("{error:#}").contains("not found") => Ok(None),
        Err(error) => Err(error),
    }
}

async fn listed(client: &Client, name: &str) -> Result<Option<Shown>> {
    let list: Value = client.get(&format!("{COLLECTION}?fieldSelector=metadata.name%3D{name}")).await?;
    list["items"].as_array().context("a list has items")?.first().map(Shown::of).transpose()
}
