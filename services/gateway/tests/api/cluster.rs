//! A cluster without nodes, in this process.

#[path = "../../../../crates/runtime/tests/suite/common.rs"]
#[allow(dead_code, reason = "shared with tests that need more of it")]
mod nats;

use std::net::SocketAddr;

use rutter_apimachinery::registry::Registry;
use rutter_gateway::{Config, Gateway, Given, Joining};
use rutter_ledger::core::{Proving, Role as LedgerRole};
use rutter_ledger::{Ledger, LedgerConfig, Parts};
use rutter_projection::Options;
use rutter_runtime::executor::Writer;
use rutter_runtime::metrics::Metrics;
use rutter_runtime::now::Now;
use rutter_runtime::pki::cluster::{self, ClusterKeys};
use rutter_runtime::plan::PlanExecutor;
use rutter_runtime::proposer::{Proposer, local};
use rutter_runtime::roles::Role;
use rutter_runtime::seal::SealKey;
use rutter_runtime::served::Served;
use rutter_runtime::server::EmbeddedServer;
use rutter_runtime::shutdown::Shutdown;
use rutter_runtime::stream::LogStream;
use rutter_runtime::view::{View, ViewOptions};
use tempfile::TempDir;

use crate::client::Client;

pub(crate) struct Cluster {
    pub(crate) gateway: Gateway,
    pub(crate) address: SocketAddr,
    pub(crate) keys: ClusterKeys,
    shutdown: Shutdown,
    server: EmbeddedServer,
    _ledger: Ledger,
    dir: TempDir,
}

impl Cluster {
    /// Everything that answers requests, ready.
    pub(crate) async fn start() -> Cluster {
        Cluster::begin(false, Config::default()).await
    }

    /// The same, and the controllers that make definitions and namespaces come and go.
    pub(crate) async fn with_controllers() -> Cluster {
        Cluster::begin(true, Config::default()).await
    }

    /// The same, where the gateway is told something of its own.
    pub(crate) async fn with_controllers_and(config: Config) -> Cluster {
        Cluster::begin(true, config).await
    }

    async fn begin(with_controllers: bool, told: Config) -> Cluster {
        let dir = tempfile::tempdir().unwrap();
        let server = nats::server(&dir.path().join("nats")).await;
        let mut shutdown = Shutdown::new();
        let (log, services, api) =
            (shutdown.stage("log"), shutdown.stage("ledger"), shutdown.stage("gateway"));
        let client = nats::connect(&server, &Role::Ledger).await;
        let stream = LogStream::ensure(client.clone(), &nats::SETTINGS).await.unwrap();
        let options = ViewOptions::new(dir.path().join("view"), Options::with_history());
        let view = View::start(stream.clone(), options, &log).await.unwrap();
        view.ready().await.unwrap();
        let (way_in, inbox) = local();
        let config = LedgerConfig {
            name: "test".to_owned(),
            proving: Proving::Asked,
            stream: nats::SETTINGS,
            index: dir.path().join("index"),
            store: None,
            new_incarnation: false,
        };
        let parts = Parts { stream, local: inbox, view: view.clone(), metrics: Metrics::new() };
        let ledger = Ledger::start(config, parts, &services).await.unwrap();
        let mut state = ledger.state();
        state.wait_for(|state| state.role == LedgerRole::Active).await.unwrap();

        let now = Now::start(client.clone(), Some(way_in.clone()), &services);
        let writer = Writer { view, proposer: Proposer::with_local(client, way_in), now };
        let base = rutter_gateway::review::beside(&Registry::builtin());
        let registry = Served::follow(writer.view.clone(), base, &services);
        let seal = SealKey::from_bytes(&[7; 32]);
        let keys = cluster::ensure(&writer, &registry.now(), &seal).await.unwrap();
        if with_controllers {
            let executor =
                PlanExecutor::new(writer.clone(), registry.clone(), seal.clone(), rutter_replicator::SERVICE);
            let client = nats::connect(&server, &Role::Replicator).await;
            let parts = rutter_replicator::Parts { client, executor, seal: seal.clone() };
            rutter_replicator::start(rutter_replicator::ReplicatorConfig::default(), parts, &api);
        }
        let given = Given {
            writer,
            control: nats::connect(&server, &Role::Gateway).await,
            data: nats::connect(&server, &Role::Gateway).await,
            keys: keys.clone(),
            seal,
            registry,
            metrics: Metrics::new(),
        };
        let joining = Joining {
            authority: server.authority().clone(),
            nats: server.url(),
            nats_ca_pem: server.ca().certificate_pem().to_owned(),
        };
        let config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            advertise: "192.0.2.1".parse().unwrap(),
            joining: Some(joining),
            ..told
        };
        let (gateway, address) = rutter_gateway::start(config, given, &api).await.unwrap();
        let cluster = Cluster { gateway, address, keys, shutdown, server, _ledger: ledger, dir };
        cluster.ready().await;
        cluster
    }

    /// A client of a second gateway, which has a view of its own and no ledger beside it.
    pub(crate) async fn another_gateway(&mut self) -> Client {
        let (log, api) = (self.shutdown.stage("another log"), self.shutdown.stage("another gateway"));
        let client = self.connect(&Role::Gateway).await;
        let stream = LogStream::open(client.clone()).await.unwrap();
        let options = ViewOptions::new(self.dir.path().join("another"), Options::default());
        let view = View::start(stream, options, &log).await.unwrap();
        view.ready().await.unwrap();
        let now = Now::start(client.clone(), None, &log);
        let base = rutter_gateway::review::beside(&Registry::builtin());
        let registry = Served::follow(view.clone(), base, &log);
        let given = Given {
            writer: Writer { view, proposer: Proposer::new(client.clone()), now },
            control: client,
            data: self.connect(&Role::Gateway).await,
            keys: self.keys.clone(),
            seal: SealKey::from_bytes(&[7; 32]),
            registry,
            metrics: Metrics::new(),
        };
        let config = Config { listen: "127.0.0.1:0".parse().unwrap(), ..Config::default() };
        let (_, address) = rutter_gateway::start(config, given, &api).await.unwrap();
        let leaf =
            self.keys.authority.client_certificate("admin", &["system:masters"], jiff::Timestamp::now());
        Client::new(address, self.keys.authority.certificate_pem(), Some(&leaf.unwrap()))
    }

    async fn ready(&self) {
        let nobody = self.nobody();
        loop {
            if nobody.get("/readyz").await.code == 200 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// A client with a certificate of the group that may do everything.
    pub(crate) fn admin(&self) -> Client {
        self.client("admin", &["system:masters"])
    }

    pub(crate) fn client(&self, user: &str, groups: &[&str]) -> Client {
        let leaf = self.keys.authority.client_certificate(user, groups, jiff::Timestamp::now()).unwrap();
        Client::new(self.address, self.keys.authority.certificate_pem(), Some(&leaf))
    }

    /// A client without any credential.
    pub(crate) fn nobody(&self) -> Client {
        Client::new(self.address, self.keys.authority.certificate_pem(), None)
    }

    /// A connection to the broker with the rights of a role.
    pub(crate) async fn connect(&self, role: &Role) -> async_nats::Client {
        nats::connect(&self.server, role).await
    }

    pub(crate) async fn stop(self) {
        assert_eq!(self.shutdown.finish().await, Vec::<&str>::new());
        self.server.stop().await;
    }
}
