//! Gives back what belonged to Services and nodes that others deleted: a namespace that ended, an owner that was
//! collected. Two gateways that sweep at once release once: the second finds the claim gone.
//!
//! Keeps true: what is left behind is found, also by a gateway that did not see it happen. Each round begins with all
//! that is held for nobody, and ends when the log goes faster than we release. A frame is let go at once; what waits is
//! only what it left behind.

use std::time::Duration;

use rutter_apimachinery::status::{Status, Subject};
use rutter_projection::{Change, Snapshot};
use rutter_runtime::view::{Applied, Subscription, View};
use rutter_schemas::Key;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Claim;
use super::claims::left_behind;
use crate::Gateway;
use crate::authn::User;
use crate::node::addresses;
use crate::store::{Intent, Plan, failed};

/// What may wait to be released; when more would, the next round finds it.
const WAITING: usize = 1_024;
/// Between two rounds: one ends when a ledger or the view has failed, or more is gone than may wait, and nothing tells
/// when that is better.
const PAUSE: Duration = Duration::from_secs(1);

/// What is gone, and what it left behind.
enum Gone {
    Service(Key, Vec<Claim>),
    /// As it was.
    Node(Key, Value),
}

/// Follows the log until `stop`.
pub async fn run(gateway: Gateway, view: View, stop: CancellationToken) {
    let rounds = async {
        loop {
            if let Err(status) = round(&gateway, &view).await {
                tracing::debug!(why = %status.message, "what Services and nodes left behind stays taken for now");
            }
            sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = rounds => {}
        () = stop.cancelled() => {}
    }
}

async fn round(gateway: &Gateway, view: &View) -> Result<(), Status> {
    view.ready().await.map_err(crate::store::unready)?;
    let (snapshot, frames) = view.subscribe().map_err(crate::store::unready)?;
    let left = left(gateway, &snapshot)?;
    drop(snapshot);
    if !left.is_empty() {
        drop(frames);
        let mut released = Ok(());
        for gone in &left {
            released = release(gateway, gone).await.and(released);
        }
        return released;
    }
    let (to, waiting) = mpsc::channel(WAITING);
    tokio::select! {
        heard = hear(gateway, frames, to) => heard,
        released = release_all(gateway, waiting) => released,
    }
}

/// All that is held for Services and nodes that aren't there.
fn left(gateway: &Gateway, snapshot: &Snapshot) -> Result<Vec<Gone>, Status> {
    let claims = left_behind(snapshot)?;
    // The API server's own address waits for its Service, which is made again.
    let own = Claim::Address(gateway.ranges.api_server());
    let services = claims.into_iter().filter(|(_, claim)| *claim != own);
    let nodes = addresses::left_behind(snapshot)?;
    let services = services.map(|(service, claim)| Gone::Service(service, vec![claim]));
    Ok(services.chain(nodes.into_iter().map(|(node, last)| Gone::Node(node, last))).collect())
}

/// Hands on what frames tell, until that is too much.
async fn hear(gateway: &Gateway, mut frames: Subscription, to: mpsc::Sender<Gone>) -> Result<(), Status> {
    while let Ok(frame) = frames.next().await {
        for gone in gone(gateway, &frame)? {
            if to.try_send(gone).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What a frame took away and something is held for still: where we deleted it, nothing is.
fn gone(gateway: &Gateway, frame: &Applied) -> Result<Vec<Gone>, Status> {
    let ended = |change: &&Change| {
        let is_holder = matches!(&*change.key.resource, "services" | "nodes") && change.key.group.is_empty();
        is_holder && change.after.is_none()
    };
    let mut ended = frame.changes.iter().filter(ended).peekable();
    if ended.peek().is_none() {
        return Ok(Vec::new());
    }
    let snapshot = gateway.store.view().snapshot().map_err(crate::store::unready)?;
    let mut all = Vec::new();
    for change in ended {
        let Some(last) = change.last.as_ref().or(change.before.as_ref()) else { continue };
        let (key, last) = (change.key.clone(), parsed(&last.object));
        if key.resource == "nodes" {
            if addresses::released(&snapshot, &last)?.is_some() {
                all.push(Gone::Node(key, last));
            }
            continue;
        }
        let held = |claim: &Claim| claim.is_held_by(&snapshot, &key);
        let claims: Vec<Claim> = Claim::of(&last).into_iter().filter(held).collect();
        if !claims.is_empty() {
            all.push(Gone::Service(key, claims));
        }
    }
    Ok(all)
}

fn parsed(object: &[u8]) -> Value {
    serde_json::from_slice(object).unwrap_or_default()
}

/// What can't be released, the next round finds again.
async fn release_all(gateway: &Gateway, mut waiting: mpsc::Receiver<Gone>) -> Result<(), Status> {
    while let Some(gone) = waiting.recv().await {
        release(gateway, &gone).await?;
    }
    Ok(())
}

async fn release(gateway: &Gateway, gone: &Gone) -> Result<(), Status> {
    match gone {
        Gone::Service(key, claims) => release_of_service(gateway, key, claims).await,
        Gone::Node(key, last) => release_of_node(gateway, key, last).await,
    }
}

async fn release_of_node(gateway: &Gateway, node: &Key, last: &Value) -> Result<(), Status> {
    let intent = Intent::of(&User::service("gateway"));
    let decide = |snapshot: &Snapshot| {
        // A node of the same name may be back, with the same range.
        let back = snapshot.get(node).map_err(|error| failed(&error))?.is_some();
        let draft = if back { None } else { addresses::released(snapshot, last)? };
        Ok(Plan::many(draft.into_iter().collect(), format!("{node} is gone"), ()))
    };
    gateway.store.write(&intent, Subject::new("", "nodes"), &node.name, decide).await.map(drop)
}

async fn release_of_service(gateway: &Gateway, service: &Key, claims: &[Claim]) -> Result<(), Status> {
    let intent = Intent::of(&User::service("gateway"));
    let registry = gateway.registry();
    let subject = Subject::new("", "services");
    let why = format!("{service} is gone");
    gateway
        .store
        .write(&intent, subject, &service.name, |snapshot| {
            // A Service of the same name may be back, with the same claims.
            let held = match snapshot.get_object(service).map_err(|error| failed(&error))? {
                Some(service) => Claim::of(&parsed(&service)),
                None => Vec::new(),
            };
            let gone = claims.iter().filter(|claim| !held.contains(claim));
            let ours = gone.filter(|claim| claim.is_held_by(snapshot, service));
            let drafts: Result<Vec<_>, Status> =
                ours.filter_map(|claim| claim.released(&registry, snapshot).transpose()).collect();
            Ok(Plan::many(drafts?, why.clone(), ()))
        })
        .await
        .map(drop)
}
