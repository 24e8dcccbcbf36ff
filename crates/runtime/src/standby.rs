//! Which of several copies of a service proposes: the oldest one that is heard.
//!
//! Copies tell each other that they live, on core NATS. A younger one stays silent for as long as it hears an
//! older one. Correctness never depends on this (plans are serialisable): it only saves refused plans.

use std::time::Duration;

use async_nats::Client;
use futures::StreamExt;
use jiff::Timestamp;
use rutter_schemas::Uuid;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, interval, sleep_until};

use crate::shutdown::Stage;

const BEAT: Duration = Duration::from_millis(500);
/// Silence after which an older copy counts as gone.
const SILENCE: Duration = Duration::from_millis(2_000);
/// How long a copy that just came listens for the answers to its first beat, before it takes itself for the oldest.
const FIRST_SILENCE: Duration = Duration::from_millis(250);

/// How a second copy behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standby {
    /// It proposes only while no older copy is heard.
    #[default]
    Silent,
    /// `--standby=never`: all copies propose.
    Never,
}

/// One copy's sign of life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Beat {
    since: Timestamp,
    id: Uuid,
    #[serde(default)]
    leaving: bool,
    /// It just came: the others say at once that they are there.
    #[serde(default)]
    asks: bool,
}

impl Beat {
    fn is_older_than(&self, other: &Beat) -> bool {
        (self.since, self.id) < (other.since, other.id)
    }
}

/// The subject on which the copies of `service` hear each other.
#[must_use]
pub fn subject(service: &str) -> String {
    format!("rutter.standby.{service}")
}

/// Whether this copy of `service` is to propose, followed live.
pub fn watch(client: Client, service: &'static str, mode: Standby, stage: &Stage) -> watch::Receiver<bool> {
    let (tell, active) = watch::channel(mode == Standby::Never);
    if mode == Standby::Silent {
        let stop = stage.token();
        let me = Beat { since: Timestamp::now(), id: Uuid::now_v7(), leaving: false, asks: false };
        stage.spawn(async move {
            tokio::select! {
                () = listen(&client, service, &me, &tell) => {}
                () = stop.cancelled() => say(&client, service, &Beat { leaving: true, ..me.clone() }).await,
            }
        });
    }
    active
}

async fn listen(client: &Client, service: &'static str, me: &Beat, tell: &watch::Sender<bool>) {
    let Ok(mut others) = client.subscribe(subject(service)).await else { return };
    say(client, service, &Beat { asks: true, ..me.clone() }).await;
    let mut beat = interval(BEAT);
    let mut silent_until = Instant::now() + FIRST_SILENCE;
    loop {
        tokio::select! {
            _ = beat.tick() => say(client, service, me).await,
            Some(message) = others.next() => {
                let Ok(other) = serde_json::from_slice::<Beat>(&message.payload) else { continue };
                if other.is_older_than(me) {
                    silent_until = if other.leaving { Instant::now() } else { Instant::now() + SILENCE };
                    set(tell, service, false);
                } else if other.asks && other.id != me.id {
                    say(client, service, me).await;
                }
            }
            () = sleep_until(silent_until), if !*tell.borrow() => set(tell, service, true),
        }
    }
}

fn set(tell: &watch::Sender<bool>, service: &str, active: bool) {
    let changed = tell.send_if_modified(|old| std::mem::replace(old, active) != active);
    if changed {
        tracing::info!(service, active, "this copy {}", if active { "proposes" } else { "stands by" });
    }
}

async fn say(client: &Client, service: &str, beat: &Beat) {
    let Ok(text) = serde_json::to_vec(beat) else { return };
    if let Err(error) = client.publish(subject(service), text.into()).await {
        tracing::debug!(%error, "a sign of life was not sent");
    }
}
