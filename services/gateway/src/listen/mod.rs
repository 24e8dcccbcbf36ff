//! The listener: TLS, connections, their bounds and their end. One slow or broken client costs one task and a bounded
//! buffer; it is never waited for by another, and it cannot hold up a shutdown for longer than the grace.

mod door;
mod peer;
pub mod tls;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::body::Body;
pub use door::{Callers, Door};
pub use peer::Peer;

/// What a connection may cost.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Open connections; more wait in the kernel's backlog. Ten thousand idle watches over HTTP/1.1 fit.
    pub connections: usize,
    /// From accept to the end of the TLS handshake.
    pub handshake: Duration,
    /// For a whole request head, and for how long an HTTP/1.1 connection may idle between requests.
    pub head: Duration,
    /// Between pings of an HTTP/2 connection that is silent.
    pub ping: Duration,
    /// Requests at once on one HTTP/2 connection (upstream: 100 by default, up to 1,000 watches share one).
    pub streams: u32,
    /// How long a shutdown waits for requests under way.
    pub grace: Duration,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            connections: 16_384,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(60),
            ping: Duration::from_secs(30),
            streams: 1_000,
            grace: Duration::from_secs(10),
        }
    }
}

/// Serves connections until `stop`, then lets what is under way end within the grace.
///
/// `answer` is asked once per request, with the peer its connection proved to be.
pub async fn serve<F, A>(door: Door, tls: TlsAcceptor, bounds: Bounds, stop: CancellationToken, answer: F)
where
    F: Fn(Arc<Peer>, Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(bounds.connections));
    let connections = TaskTracker::new();
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
            (place, door.listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((_, from)) if !door.callers.include(from.ip()) => {
                tracing::debug!(%from, "a connection from another machine is closed");
            }
            Ok((socket, from)) => {
                let connection = connection(socket, from, tls.clone(), bounds, stop.clone(), answer.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => pause_after(&error).await,
        }
    }
    connections.close();
    if tokio::time::timeout(bounds.grace, connections.wait()).await.is_err() {
        tracing::info!(left = connections.len(), "connections still open after the grace are dropped");
    }
}

/// Running out of file descriptors is passing: others will close theirs.
async fn pause_after(error: &std::io::Error) {
    tracing::warn!(%error, "could not accept a connection");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

async fn connection<F, A>(
    socket: TcpStream,
    from: SocketAddr,
    tls: TlsAcceptor,
    bounds: Bounds,
    stop: CancellationToken,
    answer: F,
) where
    F: Fn(Arc<Peer>, Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, %from, "no TCP_NODELAY");
    }
    let stream = match tokio::time::timeout(bounds.handshake, tls.accept(socket)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, %from, "TLS handshake failed"),
        Err(_) => return tracing::debug!(%from, "TLS handshake timed out"),
    };
    let peer = Arc::new(Peer::of(from, stream.get_ref().1));
    let service = service_fn(move |request| {
        let answer = answer(peer.clone(), request);
        async move { Ok::<_, std::convert::Infallible>(answer.await) }
    });

    let builder = builder(bounds);
    let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %from, "connection ended");
    }
}

fn builder(bounds: Bounds) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(bounds.head).max_buf_size(128 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(bounds.ping)
        .keep_alive_timeout(bounds.ping)
        .max_concurrent_streams(bounds.streams)
        .max_header_list_size(64 * 1024);
    builder
}
