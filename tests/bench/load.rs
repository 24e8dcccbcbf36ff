//! Load over HTTPS: one HTTP/1.1 connection per worker, each with one request in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const JSON: &str = "application/json";

/// Where a load goes.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Arc<rustls::ClientConfig>,
}

/// What a load found.
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    pub(crate) bytes_per_second: f64,
    latencies: Vec<Duration>,
}

impl Measured {
    /// In milliseconds.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        percentile(&self.latencies, percent)
    }
}

/// The value below which `percent` of the sorted durations lie, in milliseconds.
pub(crate) fn percentile(sorted: &[Duration], percent: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let index = (last as f64 * percent / 100.0).round() as usize;
    sorted[index].as_secs_f64() * 1e3
}

/// A request of a load.
pub(crate) struct Call {
    method: &'static str,
    path: String,
    body: Bytes,
    /// Of the body, if there is one.
    content_type: &'static str,
    accept: Option<&'static str>,
}

impl Call {
    pub(crate) fn get(path: &str, accept: &'static str) -> Call {
        let (path, accept) = (path.to_owned(), Some(accept));
        Call { method: "GET", path, body: Bytes::new(), content_type: JSON, accept }
    }

    pub(crate) fn patch(path: &str, content_type: &'static str, body: Bytes) -> Call {
        Call { method: "PATCH", path: path.to_owned(), body, content_type, accept: None }
    }
}

impl From<(&'static str, String, Bytes)> for Call {
    fn from((method, path, body): (&'static str, String, Bytes)) -> Call {
        Call { method, path, body, content_type: JSON, accept: None }
    }
}

/// One connection.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    pub(crate) async fn open(target: &Target) -> Result<Connection> {
        let tcp = TcpStream::connect((target.host.as_str(), target.port)).await.context("connecting")?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(target.host.clone())?;
        let tls = TlsConnector::from(target.tls.clone()).connect(name, tcp).await.context("TLS")?;
        let (sender, connection) = handshake(TokioIo::new(tls)).await?;
        tokio::spawn(connection);
        Ok(Connection { sender, host: format!("{}:{}", target.host, target.port) })
    }

    /// Sends a request and reads the whole answer; its size in bytes.
    pub(crate) async fn send(&mut self, method: &'static str, path: &str, body: Bytes) -> Result<usize> {
        Ok(self.fetch(method, path, body).await?.len())
    }

    pub(crate) async fn fetch(&mut self, method: &'static str, path: &str, body: Bytes) -> Result<Bytes> {
        self.call((method, path.to_owned(), body).into()).await
    }

    pub(crate) async fn call(&mut self, call: Call) -> Result<Bytes> {
        let Call { method, path, body, content_type, accept } = call;
        let uri: Uri = path.parse()?;
        let mut request = Request::builder().method(method).uri(uri).header("host", &self.host);
        if !body.is_empty() {
            request = request.header("content-type", content_type);
        }
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        self.sender.ready().await?;
        let response = self.sender.send_request(request.body(Full::new(body))?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }
}

/// Runs `connections` workers for a while; `request` makes the nth request: its method, path and body, or more.
pub(crate) async fn run<C: Into<Call>>(
    target: &Target,
    connections: u32,
    length: Duration,
    request: impl Fn(u64) -> C + Send + Sync + 'static,
) -> Result<Measured> {
    let request = Arc::new(request);
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = Vec::new();
    for _ in 0..connections {
        let mut connection = Connection::open(target).await?;
        let (request, next) = (request.clone(), next.clone());
        workers.push(tokio::spawn(async move {
            let (mut latencies, mut bytes) = (Vec::with_capacity(1 << 16), 0);
            let began = Instant::now();
            while began.elapsed() < length {
                let call = request(next.fetch_add(1, Ordering::Relaxed)).into();
                let sent = Instant::now();
                bytes += connection.call(call).await?.len();
                latencies.push(sent.elapsed());
            }
            anyhow::Ok((latencies, bytes, began.elapsed()))
        }));
    }
    let (mut latencies, mut bytes, mut took) = (Vec::new(), 0, Duration::ZERO);
    for worker in workers {
        let (of_one, bytes_of_one, elapsed) = worker.await??;
        latencies.extend(of_one);
        bytes += bytes_of_one;
        took = took.max(elapsed);
    }
    latencies.sort_unstable();
    #[allow(clippy::cast_precision_loss)]
    let (per_second, bytes_per_second) =
        (latencies.len() as f64 / took.as_secs_f64(), bytes as f64 / took.as_secs_f64());
    Ok(Measured { per_second, bytes_per_second, latencies })
}
