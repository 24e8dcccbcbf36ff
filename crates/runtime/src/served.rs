//! What is served: the kinds known at build time, and those that definitions in the log add, as they come and go.
//!
//! One follower a process keeps the registry; who reads it gets a value that never changes under his hands. It lags the
//! view by no more than the making of a registry; who has to know that it doesn't lag waits ([`Served::caught_up`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::FutureExt;
use rutter_apimachinery::custom::{self, DEFINITIONS, GROUP};
use rutter_apimachinery::registry::{Registry, Resource};
use rutter_projection::{Change, ListQuery, Snapshot};
use rutter_schemas::Revision;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::shutdown::Stage;
use crate::view::{Applied, SubscriptionEnd, View, ViewError};

/// How long anyone waits for the registry to come up to the view.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between attempts to follow a view that doesn't serve.
const RETRY: Duration = Duration::from_millis(200);

/// The registry, now. Cheap to clone.
#[derive(Clone)]
pub struct Served(Arc<Inner>);

struct Inner {
    current: ArcSwap<Registry>,
    /// What was applied up to here is in it.
    reached: watch::Sender<Revision>,
}

impl Served {
    /// A registry that never changes, for who has no log.
    #[must_use]
    pub fn only(base: Registry) -> Served {
        let reached = watch::Sender::new(Revision(u64::MAX));
        Served(Arc::new(Inner { current: ArcSwap::from_pointee(base), reached }))
    }

    /// `base`, and what the log defines beside it.
    #[must_use]
    pub fn follow(view: View, base: Registry, stage: &Stage) -> Served {
        let reached = watch::Sender::new(Revision::NONE);
        let served = Served(Arc::new(Inner { current: ArcSwap::from_pointee(base.clone()), reached }));
        let (ours, stop) = (served.clone(), stage.token());
        stage.spawn(async move {
            tokio::select! {
                () = ours.keep(&view, &base) => {}
                () = stop.cancelled() => {}
            }
        });
        served
    }

    #[must_use]
    pub fn now(&self) -> Arc<Registry> {
        self.0.current.load_full()
    }

    /// The registry with everything in it that the view shows at this moment.
    pub async fn caught_up(&self, view: &View) -> Arc<Registry> {
        let wanted = view.revision();
        let mut reached = self.0.reached.subscribe();
        let there = reached.wait_for(|reached| *reached >= wanted);
        if tokio::time::timeout(PATIENCE, there).await.is_err() {
            tracing::warn!(%wanted, "the registry of custom resources lags");
        }
        self.now()
    }

    async fn keep(&self, view: &View, base: &Registry) {
        loop {
            if view.ready().await.is_ok() {
                match self.follow_once(view, base).await {
                    Ok(end) => tracing::debug!(%end, "the registry is made anew"),
                    Err(error) => tracing::debug!(%error, "the registry can't be made yet"),
                }
            }
            sleep(RETRY).await;
        }
    }

    async fn follow_once(&self, view: &View, base: &Registry) -> Result<SubscriptionEnd, ViewError> {
        let (snapshot, mut frames) = view.subscribe()?;
        let mut definitions = definitions(&snapshot)?;
        self.publish(base, &definitions, snapshot.revision());
        drop(snapshot);
        loop {
            let first = match frames.next().await {
                Ok(applied) => applied,
                Err(end) => return Ok(end),
            };
            let mut reached = first.revision;
            let mut changed = learn(&mut definitions, &first);
            // What waits is learned in one go: many definitions at once make few registries.
            let mut end = None;
            while let Some(next) = frames.next().now_or_never() {
                match next {
                    Ok(applied) => {
                        reached = applied.revision;
                        changed |= learn(&mut definitions, &applied);
                    }
                    Err(ended) => {
                        end = Some(ended);
                        break;
                    }
                }
            }
            match changed {
                true => self.publish(base, &definitions, reached),
                false => drop(self.0.reached.send_replace(reached)),
            }
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    fn publish(&self, base: &Registry, definitions: &Definitions, reached: Revision) {
        let mut registry = base.clone();
        for resource in definitions.values().flatten() {
            if base.has(&resource.group, &resource.plural) {
                continue;
            }
            registry.add(resource.clone());
        }
        self.0.current.store(Arc::new(registry));
        self.0.reached.send_replace(reached);
    }
}

/// What each definition adds, by its name.
type Definitions = BTreeMap<String, Vec<Arc<Resource>>>;

fn definitions(snapshot: &Snapshot) -> Result<Definitions, ViewError> {
    let mut all = Definitions::new();
    for found in snapshot.list(&ListQuery::of(GROUP, DEFINITIONS)) {
        let (key, record) = found?;
        all.insert(key.name, resources(&record.object));
    }
    Ok(all)
}

fn learn(definitions: &mut Definitions, applied: &Applied) -> bool {
    let ours = |change: &&Change| change.key.group == GROUP && change.key.resource == DEFINITIONS;
    let mut changed = false;
    for change in applied.changes.iter().filter(ours) {
        changed = true;
        match &change.after {
            Some(record) => definitions.insert(change.key.name.clone(), resources(&record.object)),
            None => definitions.remove(&change.key.name),
        };
    }
    changed
}

fn resources(definition: &[u8]) -> Vec<Arc<Resource>> {
    serde_json::from_slice::<Value>(definition)
        .map(|definition| custom::resources(&definition))
        .unwrap_or_default()
}

/// Every kind of object that a snapshot may hold, as group and plural: those of `base`, and all that are defined, served
/// or not.
///
/// # Errors
/// When the snapshot can't be read.
pub fn kinds(base: &Registry, snapshot: &Snapshot) -> Result<Vec<(String, String)>, ViewError> {
    let mut kinds: Vec<(String, String)> = Vec::new();
    for resource in base.resources() {
        kinds.push((resource.group.to_string(), resource.plural.to_string()));
    }
    for found in snapshot.list(&ListQuery::of(GROUP, DEFINITIONS)) {
        let (key, _) = found?;
        if let Some((plural, group)) = key.name.split_once('.') {
            kinds.push((group.to_owned(), plural.to_owned()));
        }
    }
    kinds.sort();
    kinds.dedup();
    Ok(kinds)
}
