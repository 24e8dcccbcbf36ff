//! The process: axum on rustls, serving bytes from memory, checking nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
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
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::frames::{self, Frames};
use super::{FILE, LOG, Listening, MANY, ONE};
use crate::broker::Broker;

/// What the process is told.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The bytes of one object
    #[arg(long)]
    pub(crate) one: PathBuf,
    /// The bytes of a list
    #[arg(long)]
    pub(crate) many: PathBuf,
    /// Where it appends
    #[arg(long)]
    pub(crate) dir: PathBuf,
}

#[derive(Clone)]
struct Floor {
    one: Bytes,
    many: Bytes,
    log: Frames,
    file: Frames,
}

/// Serves until its input ends, which is when its parent does.
pub(crate) async fn serve(args: Args) -> Result<()> {
    let broker = Broker::alone(&args.dir).await?;
    let floor = Floor {
        one: std::fs::read(&args.one)?.into(),
        many: std::fs::read(&args.many)?.into(),
        log: frames::on_stream(broker.stream().await?),
        file: frames::in_file(&args.dir.join("frames"))?,
    };
    let app = Router::new()
        .route(ONE, get(async |State(floor): State<Floor>| floor.one))
        .route(MANY, get(async |State(floor): State<Floor>| floor.many))
        .route(LOG, post(async |State(floor): State<Floor>, body: Bytes| floor.log.append(body).await))
        .route(FILE, post(async |State(floor): State<Floor>, body: Bytes| floor.file.append(body).await))
        .with_state(floor);
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)?;
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let listening = Listening { port: listener.local_addr()?.port(), certificate: cert.pem() };
    println!("{}", serde_json::to_string(&listening)?);
    let (mut parent, mut rest) = (tokio::io::stdin(), Vec::new());
    tokio::select! {
        () = accept(listener, TlsAcceptor::from(Arc::new(tls)), app) => {}
        read = parent.read_to_end(&mut rest) => drop(read?),
    }
    broker.stop().await;
    Ok(())
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
