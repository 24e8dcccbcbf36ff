//! Gives back what belonged to Services and nodes that others deleted: a namespace that ended, an owner that was
//! collected. Two gateways that sweep at once release once: the second finds the claim gone.

use std::sync::Arc;

use rutter_apimachinery::status::{Status, Subject};
use rutter_runtime::view::{Applied, View};
use rutter_schemas::Key;
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::Claim;
use crate::Gateway;
use crate::authn::User;
use crate::node::addresses;
use crate::store::{Intent, Plan};

/// Follows the log until `stop`.
pub async fn run(gateway: Gateway, view: View, stop: CancellationToken) {
    let mut applied = view.applied();
    loop {
        let frame = tokio::select! {
            () = stop.cancelled() => return,
            frame = applied.recv() => frame,
        };
        match frame {
            Ok(frame) => release(&gateway, &frame).await,
            Err(RecvError::Lagged(frames)) => {
                tracing::warn!(frames, "Services deleted meanwhile keep their addresses")
            }
            Err(RecvError::Closed) => return,
        }
    }
}

async fn release(gateway: &Gateway, frame: &Arc<Applied>) {
    for change in frame.changes.iter().filter(|change| change.after.is_none() && change.key.group.is_empty())
    {
        let Some(last) = change.last.as_ref().or(change.before.as_ref()) else { continue };
        let released = match change.key.resource.as_str() {
            "services" => release_of_service(gateway, &change.key, &parsed(&last.object)).await,
            "nodes" => release_of_node(gateway, &change.key, &parsed(&last.object)).await,
            _ => continue,
        };
        if let Err(status) = released {
            tracing::warn!(object = %change.key, why = %status.message, "its addresses stay taken");
        }
    }
}

fn parsed(object: &[u8]) -> Value {
    serde_json::from_slice(object).unwrap_or_default()
}

async fn release_of_node(gateway: &Gateway, node: &Key, last: &Value) -> Result<(), Status> {
    let intent = Intent::of(&User::service("gateway"));
    let decide = |snapshot: &rutter_projection::Snapshot| {
        // A node of the same name may be back, with the same range.
        let back = snapshot.get(node).map_err(|error| crate::store::failed(&error))?.is_some();
        let draft = if back { None } else { addresses::released(snapshot, last)? };
        Ok(Plan::many(draft.into_iter().collect(), format!("{node} is gone"), ()))
    };
    gateway.store.write(&intent, Subject::new("", "nodes"), &node.name, decide).await.map(drop)
}

async fn release_of_service(gateway: &Gateway, service: &Key, last: &Value) -> Result<(), Status> {
    let intent = Intent::of(&User::service("gateway"));
    let registry = gateway.registry();
    let subject = Subject::new("", "services");
    let why = format!("{service} is gone");
    gateway
        .store
        .write(&intent, subject, &service.name, |snapshot| {
            // A Service of the same name may be back, with the same claims.
            let held = match snapshot.get(service).map_err(|error| crate::store::failed(&error))? {
                Some(record) => serde_json::from_slice(&record.object)
                    .map(|service| Claim::of(&service))
                    .unwrap_or_default(),
                None => Vec::new(),
            };
            let gone = Claim::of(last).into_iter().filter(|claim| !held.contains(claim));
            let ours = gone.filter(|claim| claim.is_held_by(snapshot, service));
            let drafts: Result<Vec<_>, Status> =
                ours.filter_map(|claim| claim.released(&registry, snapshot).transpose()).collect();
            Ok(Plan::many(drafts?, why.clone(), ()))
        })
        .await
        .map(drop)
}

impl Claim {
    /// Whether the claim is this Service's: another may have taken the address since.
    fn is_held_by(&self, snapshot: &rutter_projection::Snapshot, service: &Key) -> bool {
        let Ok(Some(object)) = snapshot.get_object(&self.key()) else { return false };
        let Ok(object) = serde_json::from_slice::<Value>(&object) else { return false };
        let parent = &object["spec"]["parentRef"];
        parent["namespace"].as_str() == Some(&service.namespace)
            && parent["name"].as_str() == Some(&service.name)
    }
}
