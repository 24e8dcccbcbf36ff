//! What a ledger counts, for `/metrics`.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// What the ledger counts.
#[derive(Debug, Clone)]
pub struct Counters {
    pub proposals: Counter,
    pub rejections: Counter,
    pub frames: Counter,
    pub append_seconds: Histogram,
    pub epochs: Counter,
    pub revision: Gauge,
    pub objects: Gauge,
    pub index_bytes: Gauge,
    pub active: Gauge,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            proposals: Counter::default(),
            rejections: Counter::default(),
            frames: Counter::default(),
            // From 0.1 ms, a quick disk, to 1.6 s, beyond the time-out.
            append_seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 15)),
            epochs: Counter::default(),
            revision: Gauge::default(),
            objects: Gauge::default(),
            index_bytes: Gauge::default(),
            active: Gauge::default(),
        }
    }
}

impl Counters {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("proposals", "Commits proposed", self.proposals.clone());
        registry.register("rejections", "Commits rejected", self.rejections.clone());
        registry.register("frames", "Frames sent to the stream, repeats included", self.frames.clone());
        registry.register(
            "append_seconds",
            "From sending a frame to hearing of it",
            self.append_seconds.clone(),
        );
        registry.register("objects", "Objects there are", self.objects.clone());
        registry.register("index_bytes", "Memory of the sequencer's index", self.index_bytes.clone());
        registry.register("epochs", "Take-overs by this ledger", self.epochs.clone());
        registry.register("revision", "The last acknowledged revision", self.revision.clone());
        registry.register("active", "1 while this is the active ledger", self.active.clone());
    }
}
