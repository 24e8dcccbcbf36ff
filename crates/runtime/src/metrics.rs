//! What every service tells about itself over HTTP: `/metrics`, `/livez`, `/readyz`.
//!
//! Metrics are OpenMetrics text from one registry per process. Readiness is a set of named checks: ready
//! means every check is; `/readyz?verbose` lists them in the form kubectl users know.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

/// The registry and the readiness of one process; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    checks: Arc<Mutex<BTreeMap<&'static str, Readiness>>>,
}

/// Whether one part of the process can do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    /// Why not yet, or no longer, in words for an operator.
    NotReady(String),
}

impl Metrics {
    /// An empty registry, ready because nothing was promised yet.
    #[must_use]
    pub fn new() -> Metrics {
        Metrics::default()
    }

    /// Adds metrics: `register` gets the process's registry, below the prefix `rutter_<service>`.
    pub fn register(&self, service: &'static str, register: impl FnOnce(&mut Registry)) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        register(registry.sub_registry_with_prefix(format!("rutter_{service}")));
    }

    /// Sets a named check.
    pub fn set(&self, check: &'static str, readiness: Readiness) {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).insert(check, readiness);
    }

    /// Every check, by name.
    #[must_use]
    pub fn checks(&self) -> BTreeMap<&'static str, Readiness> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The registry as OpenMetrics text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        encode(&mut text, &registry).expect("writing to a String does not fail");
        text
    }

    /// `/metrics`, `/livez` and `/readyz`, to be served alone or merged into a service's own router.
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        Router::new()
            .route("/metrics", get(metrics))
            .route("/livez", get(|| async { "ok" }))
            .route("/readyz", get(readyz))
            .with_state(self.clone())
    }

    /// Serves [`Metrics::router`] over plain HTTP until `stop`.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub async fn serve(&self, address: SocketAddr, stop: CancellationToken) -> std::io::Result<()> {
        let listener = tokio::net::TcpListener::bind(address).await?;
        axum::serve(listener, self.router::<()>().with_state(()))
            .with_graceful_shutdown(stop.cancelled_owned())
            .await
    }
}

async fn metrics(State(metrics): State<Metrics>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics.text()).into_response()
}

async fn readyz(State(metrics): State<Metrics>, RawQuery(query): RawQuery) -> Response {
    let checks = metrics.checks();
    let ready = checks.values().all(|check| *check == Readiness::Ready);
    let verbose = query.as_deref().is_some_and(|query| query.starts_with("verbose"));
    match (ready, verbose) {
        (true, false) => "ok".into_response(),
        (true, true) => format!("{}readyz check passed\n", lines(&checks)).into_response(),
        (false, _) => {
            let body = format!("{}readyz check failed\n", lines(&checks));
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
    }
}

fn lines(checks: &BTreeMap<&'static str, Readiness>) -> String {
    checks.iter().fold(String::new(), |mut text, (name, readiness)| {
        // Writing to a String does not fail.
        let _ = match readiness {
            Readiness::Ready => writeln!(text, "[+]{name} ok"),
            Readiness::NotReady(why) => writeln!(text, "[-]{name} failed: {why}"),
        };
        text
    })
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[test]
    fn a_counter_shows_under_its_service_prefix() {
        let metrics = Metrics::new();
        let commits = Counter::<u64>::default();
        metrics.register("ledger", |registry| registry.register("commits", "Commits", commits.clone()));
        commits.inc();
        assert!(metrics.text().contains("rutter_ledger_commits_total 1"), "{}", metrics.text());
    }

    #[tokio::test]
    async fn one_check_that_fails_makes_the_process_not_ready_and_says_why() {
        let metrics = Metrics::new();
        metrics.set("log", Readiness::Ready);
        metrics.set("view", Readiness::NotReady("replaying: 10 of 20".to_owned()));

        let response = readyz(State(metrics.clone()), RawQuery(None)).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
        assert_eq!(body, "[+]log ok\n[-]view failed: replaying: 10 of 20\nreadyz check failed\n");

        metrics.set("view", Readiness::Ready);
        assert_eq!(readyz(State(metrics), RawQuery(None)).await.status(), StatusCode::OK);
    }
}
