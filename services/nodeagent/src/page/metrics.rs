//! `/metrics` and below, under the names that upstream's kubelet and cAdvisor give.

use std::sync::atomic::AtomicU64;

use hyper::{Response, StatusCode};
use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::measured::{self, ContainerUse, Measured, PodUse};
use super::{Body, Pages, ending, of};
use crate::node::facts;
use crate::stream::Streams;

type Labels = Vec<(String, String)>;

/// The agent itself.
pub(super) async fn own(pages: &Pages, streams: &Streams) -> Response<Body> {
    let Some(measured) = measured::now(pages, streams).await else { return ending() };
    let running: usize = measured.pods.iter().map(|pod| pod.containers.len()).sum();
    let mut page = Page::default();
    page.gauge("kubelet_node_name", "The node's name", [(labels(&[("node", &pages.cfg.node_name)]), 1.0)]);
    page.gauge(
        "kubelet_running_pods",
        "Number of pods that have a running pod sandbox",
        [(Labels::new(), number(measured.pods.len()))],
    );
    page.gauge(
        "kubelet_running_containers",
        "Number of containers currently running",
        [(labels(&[("container_state", "running")]), number(running))],
    );
    page.gauge(
        "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds",
        [(Labels::new(), seconds(pages.began))],
    );
    page.answer()
}

/// What `metrics.k8s.io` is made of.
pub(super) async fn resource(pages: &Pages, streams: &Streams) -> Response<Body> {
    let Some(measured) = measured::now(pages, streams).await else { return ending() };
    let of_pod = |pod: &PodUse| labels(&[("pod", &pod.name), ("namespace", &pod.namespace)]);
    let of_container = |pod: &PodUse, container: &ContainerUse| {
        labels(&[("container", &container.name), ("pod", &pod.name), ("namespace", &pod.namespace)])
    };
    let mut page = Page::default();
    page.counter(
        "node_cpu_usage_seconds",
        "Cumulative cpu time consumed by the node in core-seconds",
        [(Labels::new(), spent(measured.node.cpu_nanoseconds))],
    );
    page.gauge(
        "node_memory_working_set_bytes",
        "Current working set of the node in bytes",
        [(Labels::new(), float(measured.node.memory.working_set))],
    );
    page.of_containers(&measured, of_container);
    page.counter(
        "pod_cpu_usage_seconds",
        "Cumulative cpu time consumed by the pod in core-seconds",
        measured.pods.iter().map(|pod| (of_pod(pod), spent(pod.whole.cpu_nanoseconds))),
    );
    page.gauge(
        "pod_memory_working_set_bytes",
        "Current working set of the pod in bytes",
        measured.pods.iter().map(|pod| (of_pod(pod), float(pod.whole.memory.working_set))),
    );
    page.gauge(
        "resource_scrape_error",
        "1 if there was an error while getting container metrics, 0 otherwise",
        [(Labels::new(), 0.0)],
    );
    page.answer()
}

/// Every container, and the machine.
pub(super) async fn cadvisor(pages: &Pages, streams: &Streams) -> Response<Body> {
    let Some(measured) = measured::now(pages, streams).await else { return ending() };
    let of_container = |pod: &PodUse, container: &ContainerUse| {
        labels(&[
            ("container", &container.name),
            ("id", &container.cgroup),
            ("image", &container.image),
            ("name", &container.id),
            ("namespace", &pod.namespace),
            ("pod", &pod.name),
        ])
    };
    let mut page = Page::default();
    page.of_containers(&measured, of_container);
    let each =
        || measured.pods.iter().flat_map(|pod| pod.containers.iter().map(move |container| (pod, container)));
    let memory = |of: fn(&ContainerUse) -> u64| {
        each()
            .map(move |(pod, container)| (of_container(pod, container), float(of(container))))
            .collect::<Vec<_>>()
    };
    page.gauge(
        "container_memory_usage_bytes",
        "Current memory usage in bytes, including all memory regardless of when it was accessed",
        memory(|container| container.used.memory.usage),
    );
    page.gauge("container_memory_rss", "Size of RSS in bytes", memory(|container| container.used.memory.rss));
    page.gauge(
        "container_last_seen",
        "Last time a container was seen by the exporter",
        each().map(|(pod, container)| (of_container(pod, container), seconds(measured.at))),
    );
    let cores = u32::try_from(facts::cpus()).map_or(0.0, f64::from);
    let bytes = u64::try_from(facts::memory_bytes()).unwrap_or(0);
    page.gauge("machine_cpu_cores", "Number of logical CPU cores", [(Labels::new(), cores)]);
    page.gauge(
        "machine_memory_bytes",
        "Amount of memory installed on the machine",
        [(Labels::new(), float(bytes))],
    );
    page.answer()
}

/// What is told.
#[derive(Default)]
struct Page(Registry);

impl Page {
    /// What both pages of containers tell.
    fn of_containers(&mut self, measured: &Measured, labels: impl Fn(&PodUse, &ContainerUse) -> Labels) {
        let each = || {
            measured.pods.iter().flat_map(|pod| pod.containers.iter().map(move |container| (pod, container)))
        };
        self.counter(
            "container_cpu_usage_seconds",
            "Cumulative cpu time consumed by the container in core-seconds",
            each().map(|(pod, container)| (labels(pod, container), spent(container.used.cpu_nanoseconds))),
        );
        self.gauge(
            "container_memory_working_set_bytes",
            "Current working set of the container in bytes",
            each().map(|(pod, container)| (labels(pod, container), float(container.used.memory.working_set))),
        );
        let started = each().filter_map(|(pod, container)| {
            let started_at = container.started_at?;
            Some((labels(pod, container), seconds(started_at)))
        });
        self.gauge(
            "container_start_time_seconds",
            "Start time of the container since unix epoch in seconds",
            started,
        );
    }

    fn gauge(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (Labels, f64)>) {
        let family: Family<Labels, Gauge<f64, AtomicU64>> = Family::default();
        for (labels, value) in samples {
            if labels.is_empty() {
                let gauge: Gauge<f64, AtomicU64> = Gauge::default();
                gauge.set(value);
                return self.0.register(name, help, gauge);
            }
            family.get_or_create(&labels).set(value);
        }
        self.0.register(name, help, family);
    }

    /// Its samples end in `_total`.
    fn counter(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (Labels, f64)>) {
        let family: Family<Labels, Counter<f64, AtomicU64>> = Family::default();
        for (labels, value) in samples {
            if labels.is_empty() {
                let counter: Counter<f64, AtomicU64> = Counter::default();
                counter.inc_by(value);
                return self.0.register(name, help, counter);
            }
            family.get_or_create(&labels).inc_by(value);
        }
        self.0.register(name, help, family);
    }

    fn answer(self) -> Response<Body> {
        let mut text = String::new();
        encode(&mut text, &self.0).expect("writing to a String does not fail");
        of(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", text)
    }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn spent(nanoseconds: u64) -> f64 {
    float(nanoseconds) / 1e9
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

/// Counters of bytes and nanoseconds lose nothing that matters beyond 2^53.
fn float(number: u64) -> f64 {
    number as f64
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}
