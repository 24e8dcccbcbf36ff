//! Snapshots that continue tokens point at, for gateways whose view keeps no history. A pinned snapshot holds files of
//! the store on disk, so there are few of them and they go after five minutes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rutter_projection::Snapshot;
use rutter_schemas::Revision;

/// As long as a token holds.
const HOLDS: Duration = Duration::from_secs(300);
/// At once; beyond it the oldest goes, and its tokens get 410.
const PINS: usize = 64;

/// Pinned snapshots by revision.
#[derive(Default)]
pub struct Pins(Mutex<BTreeMap<Revision, (Instant, Snapshot)>>);

impl Pins {
    /// Pins a snapshot that a token was given for. One with history needs no pin.
    pub fn pin(&self, snapshot: &Snapshot) {
        if snapshot.has_history() {
            return;
        }
        let now = Instant::now();
        let mut pins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pins.retain(|_, (since, _)| now.duration_since(*since) < HOLDS);
        pins.entry(snapshot.revision()).or_insert_with(|| (now, snapshot.clone()));
        while pins.len() > PINS {
            pins.pop_first();
        }
    }

    pub fn get(&self, revision: Revision) -> Option<Snapshot> {
        let pins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pins.get(&revision).map(|(_, snapshot)| snapshot.clone())
    }
}
