//! Traces and logs: talk goes to stderr, spans to OTLP when an endpoint is set.
//!
//! One trace runs from the HTTP request through the events it caused to the container they start. What
//! carries it across processes is the W3C `traceparent` text (<https://www.w3.org/TR/trace-context/>), stored
//! in every commit header; [`here`] reads it from the current span, [`continues`] hangs a span below it.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Where the OTLP collector listens (gRPC), as OpenTelemetry's specification names it.
pub const OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// How stderr looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    #[default]
    Text,
    Json,
}

/// Keeps the exporter alive; [`Telemetry::finish`] sends what is still buffered.
#[derive(Debug)]
#[must_use = "dropping it loses the last spans"]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

/// Why telemetry could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("cannot export traces to {OTLP_ENDPOINT}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    #[error("a subscriber is installed already")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts logging to stderr for the process named `service`, filtered by `filter` (the syntax of `RUST_LOG`),
/// and exporting spans when [`OTLP_ENDPOINT`] is set. Call inside the async runtime.
///
/// # Errors
/// [`TelemetryError`]: a broken endpoint, or a second call in one process.
pub fn start(service: &'static str, filter: &str, form: Form) -> Result<Telemetry, TelemetryError> {
    let provider = match std::env::var_os(OTLP_ENDPOINT) {
        Some(_) => Some(exporting(service)?),
        None => None,
    };
    let spans = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("rutter"))
            .with_filter(EnvFilter::new("info"))
    });
    let talk = match form {
        Form::Text => tracing_subscriber::fmt::layer().with_writer(std::io::stderr).boxed(),
        Form::Json => tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr).boxed(),
    };
    tracing_subscriber::registry().with(talk.with_filter(EnvFilter::new(filter))).with(spans).try_init()?;
    Ok(Telemetry { provider })
}

impl Telemetry {
    /// Sends what is buffered and stops exporting.
    pub fn finish(self) {
        let Some(provider) = self.provider else { return };
        if let Err(error) = provider.shutdown() {
            tracing::warn!(%error, "the last spans may be lost");
        }
    }
}

/// The current span as a `traceparent`; `None` when nothing is traced here.
#[must_use]
pub fn here() -> Option<String> {
    let mut carrier = HashMap::new();
    propagator().inject_context(&Span::current().context(), &mut carrier);
    carrier.remove("traceparent")
}

/// Makes `span` a child of the span that `traceparent` names; a malformed text is ignored, as W3C asks.
pub fn continues(span: &Span, traceparent: Option<&str>) {
    let Some(traceparent) = traceparent else { return };
    let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    // Refused only when the span has no OpenTelemetry layer, or has started already: nothing to hang it on.
    let _ = span.set_parent(propagator().extract(&carrier));
}

fn propagator() -> TraceContextPropagator {
    TraceContextPropagator::new()
}

fn exporting(service: &'static str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().build()?;
    let resource = Resource::builder().with_service_name(format!("rutter-{service}")).build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_goes_on_below_the_traceparent_it_was_given() {
        let provider = SdkTracerProvider::builder().build();
        let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let _guard = tracing_subscriber::registry().with(spans).set_default();
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";

        let span = tracing::info_span!("apply");
        continues(&span, Some(&format!("00-{trace}-00f067aa0ba902b7-01")));

        let inside = span.in_scope(here).unwrap();
        assert!(inside.contains(trace), "{inside}");
        assert!(!inside.contains("00f067aa0ba902b7"), "the span has an id of its own: {inside}");
    }

    #[test]
    fn nothing_is_carried_where_nothing_is_traced() {
        assert_eq!(here(), None);
    }
}
