//! What the node tells of itself over HTTP: those pages of upstream's kubelet that only tell (`pkg/kubelet/server`).
//! Nobody listens: a gateway dials, for `nodes/proxy`. What changes something (`exec`, `run` …) has subresources of pods.
//!
//! | page | what it tells |
//! | --- | --- |
//! | `/healthz` | whether the agent's loop answers |
//! | `/pods`, `/runningpods/` | the pods that are wanted here; those whose containers run |
//! | `/metrics`, `/metrics/resource`, `/metrics/cadvisor` | OpenMetrics under upstream's names |
//! | `/stats/summary` | the same in the form of `k8s.io/kubelet/pkg/apis/stats/v1alpha1` |
//! | `/logs/` | the files of the machine's `/var/log` |
//! | `/containerLogs/<namespace>/<pod>/<container>` | as `pods/log` |
//! | `/configz` | the settings |

mod files;
mod health;
mod logs;
mod measured;
mod metrics;
mod pods;
mod settings;
mod summary;

use std::convert::Infallible;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rutter_schemas::protocol::node::NodeStats;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::Config;
use crate::stream::Streams;

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// What the pages know beside the pods.
pub(crate) struct Pages {
    pub(crate) cfg: Config,
    pub(crate) began: Timestamp,
    /// The last sample: rates are differences.
    pub(crate) sampled: watch::Receiver<NodeStats>,
}

/// Answers on one connection.
pub(crate) async fn serve<S>(io: S, pages: Arc<Pages>, streams: Streams)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answering = service_fn(move |request| {
        let (pages, streams) = (pages.clone(), streams.clone());
        async move { Ok::<_, Infallible>(answer(&pages, &streams, request).await) }
    });
    let served =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(io), answering).await;
    if let Err(why) = served {
        tracing::debug!(%why, "a connection to the node's pages has ended");
    }
}

async fn answer(pages: &Pages, streams: &Streams, request: Request<Incoming>) -> Response<Body> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "405: Method Not Allowed");
    }
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let query = request.uri().query().unwrap_or_default();
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    match parts[..] {
        ["healthz"] => health::whole(streams, query).await,
        ["healthz", check] => health::one(streams, check).await,
        ["pods"] => pods::wanted(streams).await,
        ["runningpods"] => pods::running(streams).await,
        ["metrics"] => metrics::own(pages, streams).await,
        ["metrics", "resource"] => metrics::resource(pages, streams).await,
        ["metrics", "cadvisor"] => metrics::cadvisor(pages, streams).await,
        ["stats", "summary"] => summary::page(pages, streams).await,
        ["logs", ..] => files::page(&path["logs".len()..]).await,
        ["configz"] => json(&settings::page(&pages.cfg)),
        ["containerLogs", namespace, pod, container] => {
            logs::page(streams, [namespace, pod, container], query).await
        }
        _ => text(StatusCode::NOT_FOUND, "404 page not found"),
    }
}

fn text(code: StatusCode, words: &str) -> Response<Body> {
    of(code, "text/plain; charset=utf-8", format!("{words}\n"))
}

fn json(value: &Value) -> Response<Body> {
    of(StatusCode::OK, "application/json", value.to_string())
}

fn of(code: StatusCode, kind: &'static str, bytes: impl Into<Bytes>) -> Response<Body> {
    with_body(code, kind, Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync())
}

fn streamed(
    kind: &'static str,
    pieces: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
) -> Response<Body> {
    let body = StreamBody::new(pieces.map(|piece| piece.map(Frame::data)));
    with_body(StatusCode::OK, kind, body.boxed_unsync())
}

fn with_body(code: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// The agent is on its way out, and answers nothing any more.
fn ending() -> Response<Body> {
    text(StatusCode::INTERNAL_SERVER_ERROR, "the node agent is ending")
}
