//! The hub: frames that the view has applied, sorted by resource and handed to those who watch it. An event's encodings
//! are made once and shared, however many watch.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use rutter_projection::Change;
use rutter_runtime::view::{SubscriptionEnd, View};
use rutter_schemas::Revision;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::convert::Conversions;
use super::events::Event;

/// Frames of one resource that a watch may fall behind before it is ended.
const BEHIND: usize = 1_024;

/// What one frame did to one resource.
#[derive(Debug)]
pub struct Batch {
    pub events: Vec<Arc<Event>>,
    /// The same in other versions, where somebody has to be asked for them.
    pub conversions: Conversions,
}

type Resource = (String, String);

/// Hands events to watches. Cheap to clone.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    resources: Mutex<HashMap<Resource, broadcast::Sender<Arc<Batch>>>>,
    handed: watch::Sender<Revision>,
}

/// The live end of one resource.
pub struct Live {
    pub batches: broadcast::Receiver<Arc<Batch>>,
    /// Up to here everything has been handed out.
    pub handed: watch::Receiver<Revision>,
}

impl Hub {
    pub fn new() -> Hub {
        Hub(Arc::new(Inner { resources: Mutex::default(), handed: watch::Sender::new(Revision::NONE) }))
    }

    /// Every event of a resource from now on.
    pub fn subscribe(&self, group: &str, resource: &str) -> Live {
        let key = (group.to_owned(), resource.to_owned());
        let mut resources = self.0.resources.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = resources.entry(key).or_insert_with(|| broadcast::Sender::new(BEHIND));
        Live { batches: sender.subscribe(), handed: self.0.handed.subscribe() }
    }

    /// Hands out what the view applies, until `stop`.
    pub async fn run(self, view: View, stop: CancellationToken) {
        let mut applied = view.applied();
        loop {
            let frame = tokio::select! {
                () = stop.cancelled() => return self.end_all(),
                frame = applied.next() => frame,
            };
            match frame {
                Ok(frame) => self.hand(frame.revision, &frame.changes),
                // Frames are lost, so every watch is: each goes on from its own last revision.
                Err(SubscriptionEnd::Lagged) => {
                    tracing::warn!("the watches' hub fell behind the log; watches begin anew");
                    self.end_all();
                }
                Err(SubscriptionEnd::Closed) => return self.end_all(),
            }
        }
    }

    fn hand(&self, revision: Revision, changes: &[Change]) {
        for ((group, resource), changes) in sorted(changes) {
            self.hand_of(&(group.to_owned(), resource.to_owned()), &changes);
        }
        self.0.handed.send_replace(revision);
    }

    /// Events are made for those that are watched only.
    fn hand_of(&self, resource: &Resource, changes: &[&Change]) {
        let mut resources = self.0.resources.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = resources.get(resource) else { return };
        let events = changes.iter().map(|&change| Arc::new(Event::new(change.clone()))).collect();
        let batch = Batch { events, conversions: Conversions::default() };
        if sender.send(Arc::new(batch)).is_err() {
            resources.remove(resource);
        }
    }

    /// Dropping the senders ends the watches.
    fn end_all(&self) {
        self.0.resources.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Default for Hub {
    fn default() -> Hub {
        Hub::new()
    }
}

fn sorted(changes: &[Change]) -> BTreeMap<(&str, &str), Vec<&Change>> {
    let mut sorted: BTreeMap<(&str, &str), Vec<&Change>> = BTreeMap::new();
    for change in changes {
        sorted.entry((&change.key.group, &change.key.resource)).or_default().push(change);
    }
    sorted
}
