//! How pods find the API: the Service `kubernetes` leads to every gateway that lives. Each gateway lists itself, and
//! strikes those that it does not hear any more; all of them writing the same, the first one's write is enough.

mod endpoints;
mod peers;

use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, Subscriber};
use futures::StreamExt;
use jiff::Timestamp;
use rutter_apimachinery::status::Subject;
use rutter_runtime::roles::Role;
use rutter_runtime::standby;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

pub(crate) use endpoints::{Ports, drafts};

use crate::Gateway;
use crate::authn::User;
use crate::store::{Intent, Plan};
use peers::{Beat, Peers};

/// Between two signs of life; three may be lost.
const BEAT: Duration = Duration::from_secs(4);
/// Between attempts to subscribe.
const RETRY: Duration = Duration::from_secs(1);

/// Whether pods can reach a gateway at this address: a loopback address is everybody's own, and no endpoint.
pub(crate) fn is_worth_listing(gateway: &Gateway) -> bool {
    !gateway.address.is_loopback() && !gateway.address.is_unspecified()
}

/// Keeps the list until `stop`, then says goodbye.
pub(crate) async fn run(gateway: Gateway, stop: CancellationToken) {
    if !is_worth_listing(&gateway) {
        tracing::info!(address = %gateway.address, "pods can't reach the API: it is known by a loopback address only");
        return;
    }
    let work = async {
        let mut peers = Peers::new(gateway.address);
        loop {
            match gateway.nats.subscribe(subject()).await {
                Ok(beats) => keep(&gateway, &mut peers, beats).await,
                Err(error) => tracing::warn!(%error, "other gateways can't be heard"),
            }
            peers.listening(false, Timestamp::now());
            sleep(RETRY).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => say(&gateway.nats, &Beat { address: gateway.address, leaving: true }).await,
    }
}

async fn keep(gateway: &Gateway, peers: &mut Peers, mut beats: Subscriber) {
    let mut tick = interval(BEAT);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let look = tokio::select! {
            _ = tick.tick() => {
                peers.listening(gateway.nats.connection_state() == State::Connected, Timestamp::now());
                say(&gateway.nats, &Beat { address: gateway.address, leaving: false }).await;
                true
            }
            beat = beats.next() => {
                let Some(message) = beat else { return };
                let beat = serde_json::from_slice::<Beat>(&message.payload);
                beat.is_ok_and(|beat| peers.hear(&beat, Timestamp::now()))
            }
        };
        if look {
            list(gateway, peers).await;
        }
    }
}

async fn list(gateway: &Gateway, peers: &Peers) {
    let intent = Intent::of(&User::service("gateway"));
    let written = gateway.store.write(&intent, Subject::new("", "endpoints"), "kubernetes", |snapshot| {
        let living = |listed: &_| peers.living(listed, Timestamp::now());
        let drafts = drafts(gateway, snapshot, Ports::Kept, living)?;
        Ok(Plan::many(drafts, "these gateways live", ()))
    });
    if let Err(status) = written.await {
        tracing::warn!(why = %status.message, "the Service kubernetes may list gateways that are gone");
    }
}

fn subject() -> String {
    standby::subject(&Role::Gateway.to_string())
}

async fn say(client: &Client, beat: &Beat) {
    let Ok(text) = serde_json::to_vec(beat) else { return };
    if let Err(error) = client.publish(subject(), text.into()).await {
        tracing::debug!(%error, "a sign of life was not sent");
    }
}
