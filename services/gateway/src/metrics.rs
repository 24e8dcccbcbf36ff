//! What operators see of requests, under upstream's names where they have one.

use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use rutter_runtime::metrics::Metrics as Registry;

use crate::chain::Labels;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    verb: String,
    group: String,
    resource: String,
    subresource: String,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Took {
    verb: String,
    resource: String,
}

/// Requests by what they asked for and how they were answered, and how long they took to be answered: for a watch, to
/// its beginning.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests: Family<Answered, Counter>,
    seconds: Family<Took, Histogram, fn() -> Histogram>,
}

impl Metrics {
    pub fn register(registry: &Registry) -> Metrics {
        let seconds: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_25, 2.0, 18));
        let metrics = Metrics { requests: Family::default(), seconds: Family::new_with_constructor(seconds) };
        registry.register("gateway", |registry| {
            registry.register("requests", "Requests answered", metrics.requests.clone());
            registry.register("request_duration_seconds", "Time to the answer", metrics.seconds.clone());
        });
        metrics
    }

    pub fn answered(&self, labels: &Labels, code: StatusCode, took: Duration) {
        let [verb, group, resource, subresource] = labels.clone();
        self.seconds
            .get_or_create(&Took { verb: verb.clone(), resource: resource.clone() })
            .observe(took.as_secs_f64());
        let code = code.as_u16();
        self.requests.get_or_create(&Answered { verb, group, resource, subresource, code }).inc();
    }
}
