//! The floors over HTTP: an axum server on rustls that serves bytes from memory, and appends what it is sent to a file
//! in frames (one write and one fdatasync for all that waited), checking nothing.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use bytes::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls_pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

use crate::load::Target;

type Waiting = (Bytes, oneshot::Sender<()>);

#[derive(Clone)]
struct Floor {
    one: Bytes,
    many: Bytes,
    append: mpsc::Sender<Waiting>,
}

/// Serves `one` at `/one`, `many` at `/many`, and appends what is posted to `/append` to `file`.
pub(crate) async fn serve(one: Bytes, many: Bytes, file: &Path) -> Result<Target> {
    let (append, waiting) = mpsc::channel(4096);
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(file)?;
    std::thread::spawn(move || write_frames(file, waiting));
    let app = Router::new()
        .route("/one", get(async |State(floor): State<Floor>| floor.one))
        .route("/many", get(async |State(floor): State<Floor>| floor.many))
        .route("/append", post(append_one))
        .with_state(Floor { one, many, append });
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
    let server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert.der().clone())?;
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(server)), app));
    Ok(Target { host: "127.0.0.1".to_owned(), port, tls: Arc::new(client) })
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, app: Router) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (tls, app) = (tls.clone(), app.clone());
        tokio::spawn(async move {
            if tcp.set_nodelay(true).is_ok()
                && let Ok(stream) = tls.accept(tcp).await
            {
                // A client that goes away ends its connection; the floor has nothing to say about it.
                let _ = Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app))
                    .await;
            }
        });
    }
}

async fn append_one(State(floor): State<Floor>, body: Bytes) -> Bytes {
    let (done, written) = oneshot::channel();
    if floor.append.send((body.clone(), done)).await.is_ok() {
        // The writer answers each, or the process ends.
        let _ = written.await;
    }
    body
}

/// Takes all that waits, writes it, syncs once, answers all of it.
fn write_frames(mut file: File, mut waiting: mpsc::Receiver<Waiting>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut frame = vec![first];
        while let Ok(next) = waiting.try_recv() {
            frame.push(next);
        }
        let bytes: Vec<u8> = frame.iter().flat_map(|(body, _)| body.iter().copied()).collect();
        if file.write_all(&bytes).and_then(|()| file.sync_data()).is_err() {
            return;
        }
        for (_, done) in frame {
            // Who no longer waits needs no answer.
            let _ = done.send(());
        }
    }
}
