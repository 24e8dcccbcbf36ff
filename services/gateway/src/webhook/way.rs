//! The way to a webhook: a connection to the host of its URL, or to a ready endpoint of its Service. A pod is reached
//! through its node, as `services/proxy` does; an endpoint that is no pod by its address.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rutter_projection::Snapshot;
use rutter_runtime::view::View;
use rutter_schemas::Key;
use rutter_schemas::protocol::dial::DialTarget;
use serde_json::Value;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::either::Either;

use super::hook::At;
use crate::node::dial::{self, Dialler};
use crate::node::endpoint::{self, Endpoint};

/// What it takes to find endpoints and to reach them.
#[derive(Clone)]
pub(super) struct Reach {
    pub(super) view: View,
    pub(super) dialler: Dialler,
}

/// Connects to one webhook, to whatever endpoint it has then.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) at: At,
    pub(super) reach: Reach,
}

/// Why there is no connection.
#[derive(Debug, Error)]
#[error("{0}")]
pub(super) struct Unreachable(pub(super) String);

impl tower::Service<Uri> for Way {
    type Response = TokioIo<Wire>;
    type Error = Unreachable;
    type Future = BoxFuture<'static, Result<TokioIo<Wire>, Unreachable>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unreachable>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let way = self.clone();
        Box::pin(async move { way.connect(&uri).await.map(TokioIo::new) })
    }
}

impl Way {
    async fn connect(&self, uri: &Uri) -> Result<Wire, Unreachable> {
        match &self.at {
            At::Url(_) => {
                let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
                let port = uri.port_u16().unwrap_or(443);
                let to = TcpStream::connect((host, port)).await;
                tcp(to, &format!("{}:{port}", uri.host().unwrap_or_default()))
            }
            At::Service { namespace, name, port, .. } => self.to_service(namespace, name, *port).await,
        }
    }

    async fn to_service(&self, namespace: &str, name: &str, port: u16) -> Result<Wire, Unreachable> {
        let snapshot = self.reach.view.snapshot().map_err(|error| Unreachable(error.to_string()))?;
        let found = of_service(&snapshot, namespace, name, port).map_err(Unreachable)?;
        drop(snapshot);
        match found {
            Endpoint::Pod { node, pod, port } => {
                let dialled = self.reach.dialler.dial(&node, DialTarget::Connect { pod, port }).await;
                let dialled = dialled.map_err(|status| Unreachable(status.message))?;
                Ok(Wire(Either::Right(dial::as_io(dialled))))
            }
            Endpoint::Address { ip, port } => {
                let address = SocketAddr::new(ip, port);
                tcp(TcpStream::connect(address).await, &address.to_string())
            }
        }
    }
}

fn tcp(connected: io::Result<TcpStream>, to: &str) -> Result<Wire, Unreachable> {
    let stream = connected.map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
            _ => error.to_string(),
        };
        Unreachable(format!("dial tcp {to}: {why}"))
    })?;
    // Questions and answers are written whole.
    let _ = stream.set_nodelay(true);
    Ok(Wire(Either::Left(stream)))
}

/// A ready endpoint of a Service's port (`k8s.io/apiserver/pkg/util/proxy`, ResolveEndpoint).
fn of_service(snapshot: &Snapshot, namespace: &str, name: &str, port: u16) -> Result<Endpoint, String> {
    let found =
        snapshot.get_object(&Key::new("", "services", namespace, name)).map_err(|error| error.to_string())?;
    let service = found.ok_or_else(|| format!("service {name:?} not found"))?;
    let service: Value = serde_json::from_slice(&service).map_err(|error| error.to_string())?;
    let kind = service.pointer("/spec/type").and_then(Value::as_str).unwrap_or_default();
    if !matches!(kind, "ClusterIP" | "LoadBalancer" | "NodePort") {
        return Err(format!("unsupported service type {kind:?}"));
    }
    let ports = service.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten();
    let named = ports.into_iter().find(|known| known["port"].as_u64() == Some(u64::from(port)));
    let named = named.ok_or_else(|| format!("no service port {port} found for service {name:?}"))?;
    let ready = endpoint::ready(snapshot, namespace, name, named["name"].as_str().unwrap_or_default());
    let ready = ready.map_err(|error| error.to_string())?;
    endpoint::any(ready).ok_or_else(|| format!("no endpoints available for service {name:?}"))
}

/// An open connection.
pub(super) struct Wire(Either<TcpStream, DuplexStream>);

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
