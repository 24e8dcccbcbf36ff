//! A writer: creates a ConfigMap of its own, then counts in it, and remembers what it was told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::Client;

/// One attempt to write, and what was said of it.
pub struct Attempt {
    /// The count that was to be stored.
    pub count: u64,
    pub told: Told,
}

pub enum Told {
    /// Acknowledged, with this resourceVersion.
    Done(String),
    /// Refused: it must not be there.
    Refused,
    /// No answer, or "may have been applied".
    Unknown,
}

/// All that one writer did to one object.
pub struct Written {
    pub name: String,
    pub attempts: Vec<Attempt>,
}

const COLLECTION: &str = "/api/v1/namespaces/default/configmaps";

/// How many writes of each writer were acknowledged, while they go on.
pub struct Progress(Vec<AtomicU64>);

impl Progress {
    pub fn of(writers: u32) -> Progress {
        Progress((0..writers).map(|_| AtomicU64::new(0)).collect())
    }

    pub fn counts(&self) -> Vec<u64> {
        self.0.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    /// Whether every writer was acknowledged something since.
    pub fn has_grown_everywhere(&self, then: &[u64]) -> bool {
        self.counts().iter().zip(then).all(|(now, then)| now > then)
    }

    fn acknowledged(&self, writer: u32) {
        self.0[writer as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// Writes until told to stop; survives everything.
pub async fn write(
    client: Arc<Client>,
    run: u32,
    writer: u32,
    progress: Arc<Progress>,
    stop: CancellationToken,
) -> Vec<Written> {
    let acknowledged = || progress.acknowledged(writer);
    let mut all = Vec::new();
    for object in 0.. {
        if stop.is_cancelled() {
            break;
        }
        let name = format!("crash-{run}-{writer}-{object}");
        let mut written = Written { name, attempts: Vec::new() };
        count_up(&client, &mut written, &acknowledged, &stop).await;
        all.push(written);
    }
    all
}

/// Creates the object and counts to 20; an unknown outcome is settled by reading before going on.
async fn count_up(
    client: &Client,
    written: &mut Written,
    acknowledged: &impl Fn(),
    stop: &CancellationToken,
) {
    let mut from: Option<String> = None;
    let mut count = 0;
    while count < 20 && !stop.is_cancelled() {
        let told = attempt(client, &written.name, count, from.as_deref()).await;
        let next = match &told {
            Told::Done(revision) => {
                acknowledged();
                Some(revision.clone())
            }
            Told::Refused | Told::Unknown => None,
        };
        written.attempts.push(Attempt { count, told });
        (from, count) = match next {
            Some(revision) => (Some(revision), count + 1),
            None => settle(client, &written.name, count, from).await,
        };
    }
}

async fn attempt(client: &Client, name: &str, count: u64, from: Option<&str>) -> Told {
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
                            "data": {"count": count.to_string()}});
    let request = match from {
        None => client.json::<Value>(Method::POST, COLLECTION, Some(&object)).await,
        Some(revision) => {
            object["metadata"]["resourceVersion"] = revision.into();
            client.json::<Value>(Method::PUT, &format!("{COLLECTION}/{name}"), Some(&object)).await
        }
    };
    match request {
        Ok(stored) => {
            Told::Done(stored["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned())
        }
        // 409 and 4xx were decided; everything else may have been applied.
        Err(error) if decided(&format!("{error:#}")) => Told::Refused,
        Err(_) => Told::Unknown,
    }
}

fn decided(error: &str) -> bool {
    error.contains("the object has been modified")
        || error.contains("already exists")
        || error.contains("not found")
}

/// Reads what stands, as long as it takes, and goes on from there.
async fn settle(client: &Client, name: &str, count: u64, from: Option<String>) -> (Option<String>, u64) {
    for _ in 0..600 {
        match client.get::<Value>(&format!("{COLLECTION}/{name}")).await {
            Ok(stored) => {
                let revision = stored["metadata"]["resourceVersion"].as_str().map(str::to_owned);
                let stands: u64 =
                    stored["data"]["count"].as_str().and_then(|count| count.parse().ok()).unwrap_or(0);
                return (revision, stands + 1);
            }
            Err(error) if format!("{error:#}").contains("not found") => return (from, count),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    (from, count)
}
