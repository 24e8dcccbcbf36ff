//! What was acknowledged, held against the history of each object.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream};
use rutter_schemas::protocol::ledger::HistoryAnswer;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::writer::{Told, Written};
use crate::{Client, eventually};

/// Counts over all runs. Everything but the first two has to be zero.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Verdict {
    acked: u64,
    unknown: u64,
    /// Acknowledged, and not in the history with that count.
    lost: u64,
    /// One count stored twice.
    double: u64,
    /// Acknowledged under another revision than it has.
    wrong_revision: u64,
    /// Refused, and yet in the history.
    refused_but_there: u64,
    /// In the history, and attempted by nobody.
    from_nowhere: u64,
    /// Containers that ran before and have another id, or are gone, after.
    pub containers_changed: u64,
}

impl Verdict {
    pub fn add(&mut self, other: Verdict) {
        self.acked += other.acked;
        self.unknown += other.unknown;
        self.lost += other.lost;
        self.double += other.double;
        self.wrong_revision += other.wrong_revision;
        self.refused_but_there += other.refused_but_there;
        self.from_nowhere += other.from_nowhere;
        self.containers_changed += other.containers_changed;
    }

    pub fn holds(&self) -> bool {
        let wrong = [
            self.lost,
            self.double,
            self.wrong_revision,
            self.refused_but_there,
            self.from_nowhere,
            self.containers_changed,
        ];
        wrong.iter().all(|count| *count == 0)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "acked={} lost={} double={} wrong_revision={} unknown={} refused_but_there={} from_nowhere={} containers_changed={}",
            self.acked,
            self.lost,
            self.double,
            self.wrong_revision,
            self.unknown,
            self.refused_but_there,
            self.from_nowhere,
            self.containers_changed
        )
    }
}

/// Objects that are asked for at the same time.
const AT_ONCE: usize = 16;

/// Checks every object that the writers touched.
pub async fn all(client: &Client, written: &[Written]) -> Result<Verdict> {
    let verdicts = stream::iter(written).map(|object| one(client, object)).buffer_unordered(AT_ONCE);
    let sum = |mut sum: Verdict, one| async move {
        sum.add(one);
        Ok(sum)
    };
    verdicts.try_fold(Verdict::default(), sum).await
}

async fn one(client: &Client, object: &Written) -> Result<Verdict> {
    let history = history(client, &object.name).await?;
    let mut verdict = Verdict::default();
    let mut times: BTreeMap<u64, u64> = BTreeMap::new();
    for count in history.values() {
        *times.entry(*count).or_default() += 1;
    }
    verdict.double = times.values().filter(|times| **times > 1).count() as u64;
    for attempt in &object.attempts {
        match &attempt.told {
            Told::Unknown => verdict.unknown += 1,
            Told::Refused => {
                let retried = object.attempts.iter().filter(|other| other.count == attempt.count).count() > 1;
                verdict.refused_but_there += u64::from(times.contains_key(&attempt.count) && !retried);
            }
            Told::Done(revision) => {
                verdict.acked += 1;
                let stands = revision.parse().ok().and_then(|revision: u64| history.get(&revision));
                match stands {
                    Some(count) if *count == attempt.count => {}
                    _ if times.contains_key(&attempt.count) => verdict.wrong_revision += 1,
                    _ => verdict.lost += 1,
                }
            }
        }
    }
    let attempted = |count: &u64| object.attempts.iter().any(|attempt| attempt.count == *count);
    verdict.from_nowhere = times.keys().filter(|count| !attempted(count)).count() as u64;
    Ok(verdict)
}

/// Revision → the count it stored, of every version of the object.
async fn history(client: &Client, name: &str) -> Result<BTreeMap<u64, u64>> {
    let path = format!(
        "/apis/rutter.dev/v1/history?resource=configmaps&namespace=default&name={name}&limit=1000&objects=true"
    );
    let answer: HistoryAnswer =
        eventually("the history of an object", async || client.get(&path).await).await?;
    let HistoryAnswer::Facts { facts, .. } = answer else { return Ok(BTreeMap::new()) };
    let mut counts = BTreeMap::new();
    for fact in facts {
        let Some(object) = fact.object else { continue };
        let object: Value = serde_json::from_str(object.get())?;
        let count = object["data"]["count"].as_str().and_then(|count| count.parse().ok());
        counts.insert(fact.revision.0, count.unwrap_or(u64::MAX));
    }
    Ok(counts)
}
