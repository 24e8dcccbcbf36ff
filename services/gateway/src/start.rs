//! Starting a gateway: what it is told, what it is given, and the tasks that it runs.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use rutter_runtime::executor::Writer;
use rutter_runtime::metrics::{Metrics as Readiness, Readiness as State};
use rutter_runtime::pki::PkiError;
use rutter_runtime::pki::cluster::ClusterKeys;
use rutter_runtime::seal::SealKey;
use rutter_runtime::served::Served;
use rutter_runtime::shutdown::Stage;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::authn::token::{KeyError, Tokens};
use crate::listen::{self, Bounds, Callers, Door, tls};
use crate::metrics::Metrics;
use crate::node::addresses::PodRange;
use crate::node::dial::Dialler;
use crate::node::{commands, feeds};
use crate::pages::OpenApi;
use crate::pages::rutter::tokens::Joining;
use crate::pins::Pins;
use crate::service::{Ranges, RangesError, sweep};
use crate::store::Store;
use crate::verbs::watch::hub::Hub;
use crate::webhook::Webhooks;
use crate::{Gateway, Parts, advertise, bootstrap, chain};

/// What a gateway is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes any.
    pub listen: SocketAddr,
    /// An address of this machine to listen on as well, at the same port, for what runs here: pods above all. Connections
    /// from other machines are closed unheard.
    pub listen_for_pods: Option<IpAddr>,
    /// The address that others reach this gateway by; pods do, unless it is a loopback address.
    pub advertise: IpAddr,
    /// Further DNS names and addresses that clients know it by.
    pub names: Vec<String>,
    pub service_cidr: String,
    /// First and last.
    pub node_ports: (u16, u16),
    /// Nodes get their ranges of pod addresses from here.
    pub pod_cidr: String,
    pub bounds: Bounds,
    /// With it, nodes may join by tokens.
    pub joining: Option<Joining>,
    /// How long a webhook may take to convert custom resources.
    pub conversion_timeout: Duration,
}

/// Upstream's `defaultRequestTimeout` of webhooks.
const CONVERSION: Duration = Duration::from_secs(30);

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: SocketAddr::from(([0, 0, 0, 0], 6443)),
            listen_for_pods: None,
            advertise: IpAddr::from([127, 0, 0, 1]),
            names: Vec::new(),
            service_cidr: "10.96.0.0/16".to_owned(),
            node_ports: (30000, 32767),
            pod_cidr: "10.244.0.0/16".to_owned(),
            bounds: Bounds::default(),
            joining: None,
            conversion_timeout: CONVERSION,
        }
    }
}

/// What a gateway works with.
#[derive(Clone)]
pub struct Given {
    /// The view has history where this process keeps the ledger's; without it, older questions go to a ledger.
    pub writer: Writer,
    /// Commands, feeds, questions.
    pub control: async_nats::Client,
    /// Streams.
    pub data: async_nats::Client,
    pub keys: ClusterKeys,
    pub seal: SealKey,
    /// With what is never stored ([`crate::review::beside`]) in its base.
    pub registry: Served,
    pub metrics: Readiness,
}

/// Why a gateway doesn't start.
#[derive(Debug, Error)]
pub enum StartError {
    #[error("the ranges of Services are not usable")]
    Ranges(#[from] RangesError),
    #[error("{0:?} is not a range of pod addresses like 10.244.0.0/16")]
    PodCidr(String),
    #[error("the cluster's keys are not usable")]
    Tokens(#[from] KeyError),
    #[error(transparent)]
    Certificate(#[from] PkiError),
    #[error("the API server's certificate can't be read back")]
    Pem(#[from] rustls_pki_types::pem::Error),
    #[error("TLS can't be set up")]
    Tls(#[from] tls::TlsError),
    #[error("cannot listen on {address}: is another API server running there?")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
}

/// The readiness check that is true once the first objects are there.
const READY: &str = "gateway";

/// Starts a gateway as tasks of `stage`; answers it and where it listens. Requests are answered from then on, with 503
/// until the view serves.
///
/// # Errors
/// [`StartError`].
pub async fn start(config: Config, given: Given, stage: &Stage) -> Result<(Gateway, SocketAddr), StartError> {
    let acceptor = acceptor(&config, &given.keys)?;
    let bind_failed = |source| StartError::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(bind_failed)?;
    let address = listener.local_addr().map_err(bind_failed)?;
    given.metrics.set(READY, State::NotReady("the first objects are not there yet".to_owned()));

    let gateway = gateway(&config, &given, address.port())?;
    run_tasks(&gateway, stage);
    let answering = gateway.clone();
    let answer = move |peer, request| chain::answer(answering.clone(), peer, request);
    let doors = doors(&config, listener, address.port()).await?;
    for door in doors {
        stage.spawn(listen::serve(door, acceptor.clone(), config.bounds, stage.token(), answer.clone()));
    }
    Ok((gateway, address))
}

/// Where connections come in: for everybody, and for this machine's pods where those need a door of their own.
async fn doors(config: &Config, listener: TcpListener, port: u16) -> Result<Vec<Door>, StartError> {
    let mut doors = vec![Door { listener, callers: Callers::Anybody }];
    if let Some(own) = config.listen_for_pods {
        let address = SocketAddr::new(own, port);
        let bound = TcpListener::bind(address).await;
        let listener = bound.map_err(|source| StartError::Listen { address, source })?;
        let callers = Callers::of_this_machine(own, &config.pod_cidr)
            .ok_or_else(|| StartError::PodCidr(config.pod_cidr.clone()))?;
        doors.push(Door { listener, callers });
    }
    Ok(doors)
}

fn gateway(config: &Config, given: &Given, port: u16) -> Result<Gateway, StartError> {
    let (first, last) = config.node_ports;
    let dialler = Dialler::new(given.data.clone());
    let view = given.writer.view.clone();
    Ok(Gateway::new(Parts {
        store: Store::new(given.writer.clone(), given.control.clone(), given.seal.clone()),
        served: given.registry.clone(),
        tokens: Tokens::from_pem(&given.keys.service_account.0)?,
        nats: given.control.clone(),
        webhooks: Webhooks::new(view, dialler.clone(), config.conversion_timeout),
        dialler,
        hub: Hub::new(),
        pins: Pins::default(),
        openapi: OpenApi::default(),
        ranges: Ranges::new(&config.service_cidr, first, last)?,
        pod_range: PodRange::parse(&config.pod_cidr)
            .ok_or_else(|| StartError::PodCidr(config.pod_cidr.clone()))?,
        metrics: Metrics::register(&given.metrics),
        readiness: given.metrics.clone(),
        ca_pem: given.keys.authority.certificate_pem().to_owned(),
        address: config.advertise,
        port,
        joining: config.joining.clone(),
    }))
}

/// Everything that runs beside requests.
fn run_tasks(gateway: &Gateway, stage: &Stage) {
    let view = gateway.store.view().clone();
    stage.spawn(gateway.hub.clone().run(view.clone(), stage.token()));
    stage.spawn(sweep::run(gateway.clone(), view.clone(), stage.token()));
    let (ours, stop) = (gateway.clone(), stage.token());
    stage.spawn(async move {
        let began = async {
            if view.ready().await.is_ok() {
                bootstrap::run(&ours).await;
                ours.readiness.set(READY, State::Ready);
            }
        };
        tokio::select! {
            () = began => { tokio::join!(serve_nodes(&ours, &stop), advertise::run(ours.clone(), stop.clone())); }
            () = stop.cancelled() => {}
        }
    });
}

async fn serve_nodes(gateway: &Gateway, stop: &tokio_util::sync::CancellationToken) {
    let commands = commands::run(gateway.clone(), stop.clone());
    let feeds = feeds::run(gateway.clone(), stop.clone());
    let (commands, feeds) = tokio::join!(commands, feeds);
    if let Err(error) = commands {
        tracing::error!(%error, "nodes' commands are not served");
    }
    if let Err(status) = feeds {
        tracing::error!(why = %status.message, "nodes' feeds are not served");
    }
}

fn acceptor(config: &Config, keys: &ClusterKeys) -> Result<TlsAcceptor, StartError> {
    let ranges = Ranges::new(&config.service_cidr, config.node_ports.0, config.node_ports.1)?;
    let mut names = config.names.clone();
    for name in [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ] {
        names.push(name.to_owned());
    }
    names.extend([
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
        config.advertise.to_string(),
        ranges.api_server().to_string(),
    ]);
    names.sort();
    names.dedup();
    let leaf = keys.authority.server_certificate("kube-apiserver", &names, jiff::Timestamp::now())?;
    let ca = CertificateDer::from_pem_slice(keys.authority.certificate_pem().as_bytes())?;
    // The CA goes along, so that a machine which knows but its hash can find it (`pages::rutter::tokens`).
    let leaf_and_ca = CertificateDer::pem_slice_iter(leaf.certificate_pem.as_bytes()).chain([Ok(ca.clone())]);
    let chain = leaf_and_ca.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes())?;
    Ok(tls::acceptor(chain, key, &[ca])?)
}
