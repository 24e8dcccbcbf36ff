//! A gateway with everything it stands on, in a directory that goes with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rutter_apimachinery::registry::Registry;
use rutter_apimachinery::status::Subject;
use rutter_apimachinery::write::{self, WriteCx};
use rutter_gateway::authn::User;
use rutter_gateway::store::{Intent, Plan};
use rutter_gateway::{Config, Gateway, Given, start};
use rutter_ledger::core::{Proving, Role as LedgerRole};
use rutter_ledger::{Ledger, LedgerConfig, Parts};
use rutter_projection::Options;
use rutter_runtime::executor::Writer;
use rutter_runtime::metrics::{Metrics, Readiness};
use rutter_runtime::nats;
use rutter_runtime::now::Now;
use rutter_runtime::pki::cluster;
use rutter_runtime::proposer::{Proposer, local};
use rutter_runtime::roles::Role;
use rutter_runtime::seal::SealKey;
use rutter_runtime::server::{BINARY_ENV, EmbeddedServer, ServerConfig};
use rutter_runtime::shutdown::{Shutdown, Stage};
use rutter_runtime::stream::{LogStream, Replicas, StreamSettings};
use rutter_runtime::view::{View, ViewOptions};
use rutter_schemas::{Key, Uuid};
use serde_json::Value;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

const STREAM: StreamSettings = StreamSettings { replicas: Replicas::One, max_bytes: 256 << 20 };

/// A cluster without controllers: a server, a ledger, a gateway.
pub(crate) struct Cluster {
    pub(crate) gateway: Gateway,
    server: EmbeddedServer,
    shutdown: Shutdown,
    _dir: tempfile::TempDir,
}

impl Cluster {
    pub(crate) async fn start() -> Cluster {
        let dir = tempfile::tempdir().expect("a directory");
        let server = server(dir.path()).await;
        let mut shutdown = Shutdown::new();
        let (log, services) = (shutdown.stage("log"), shutdown.stage("services"));
        let writer = writer(&server, dir.path(), &log).await;
        let gateway = gateway(&server, writer, &services).await;
        Cluster { gateway, server, shutdown, _dir: dir }
    }

    /// A connection with the rights of this node's agent.
    pub(crate) async fn connect(&self, node: &str) -> async_nats::Client {
        connect(&self.server, &Role::Node(node.to_owned())).await
    }

    /// Makes an object by its kind's rules, as a client would.
    pub(crate) async fn create(&self, plural: &str, namespace: &str, object: Value) -> Value {
        let resource = self.gateway.registry().resource("", "v1", plural).expect("a known resource");
        let cx = || WriteCx {
            now: jiff::Timestamp::now(),
            uid: Uuid::new_v4(),
            namespace,
            name: "",
            user: "tester",
            field_manager: "test",
        };
        let store = &self.gateway.store;
        let intent = Intent::of(&User::service("tester"));
        let made = store.write(&intent, Subject::new("", plural), "", |_| {
            let mut draft = write::create(&resource, "", object.clone(), &cx())?;
            if resource.sealed {
                draft.event.state = rutter_schemas::state::encode(&store.sealed(&draft.object)?);
            }
            let answer = draft.object.clone();
            Ok(Plan::one(draft, "a test made it", answer))
        });
        made.await.expect("made").answer
    }

    /// An object as the gateway has it now, as it rests.
    pub(crate) fn object(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        let record = self.gateway.store.record(&Key::new("", plural, namespace, name))?;
        Some(serde_json::from_slice(&record.object).expect("an object is JSON"))
    }

    pub(crate) async fn stop(self) {
        assert_eq!(self.shutdown.finish().await, Vec::<&str>::new());
        self.server.stop().await;
    }
}

/// Where `make tools` puts nats-server, unless the environment names another.
fn binary() -> Option<PathBuf> {
    if std::env::var_os(BINARY_ENV).is_some() {
        return None;
    }
    let cached = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/bin/nats-server");
    cached.is_file().then_some(cached)
}

async fn server(dir: &Path) -> EmbeddedServer {
    let config = ServerConfig {
        data_dir: dir.to_path_buf(),
        listen: "127.0.0.1:0".parse().expect("an address"),
        binary: binary(),
        max_store_bytes: 1 << 30,
    };
    EmbeddedServer::start(config).await.expect("a nats-server")
}

async fn connect(server: &EmbeddedServer, role: &Role) -> async_nats::Client {
    nats::connect(&server.connection(role), role).await.expect("a connection")
}

/// A ledger, and the way to write by it.
async fn writer(server: &EmbeddedServer, dir: &Path, stage: &Stage) -> Writer {
    let client = connect(server, &Role::Ledger).await;
    let stream = LogStream::ensure(client.clone(), &STREAM).await.expect("a stream");
    let options = ViewOptions { dir: dir.join("view"), projection: Options::with_history() };
    let view = View::start(stream.clone(), options, stage).await.expect("a view");
    view.ready().await.expect("a view of an empty log");
    let (way_in, inbox) = local();
    let config = LedgerConfig {
        name: "ledger".to_owned(),
        proving: Proving::Owned,
        stream: STREAM,
        index: dir.join("index"),
        store: None,
        new_incarnation: false,
    };
    let parts = Parts { stream, local: inbox, view: view.clone(), metrics: Metrics::new() };
    let ledger = Ledger::start(config, parts, stage).await.expect("a ledger");
    let mut state = ledger.state();
    let active = state.wait_for(|state| state.role == LedgerRole::Active);
    tokio::time::timeout(PATIENCE, active).await.expect("active in time").expect("a ledger that lives");
    let proposer = Proposer::with_local(client.clone(), way_in.clone());
    Writer { view, proposer, now: Now::start(client, Some(way_in), stage) }
}

/// A gateway that has its first objects.
async fn gateway(server: &EmbeddedServer, writer: Writer, stage: &Stage) -> Gateway {
    let registry = Arc::new(Registry::builtin());
    let seal = SealKey::from_bytes(&[7; 32]);
    let keys = cluster::ensure(&writer, &registry, &seal).await.expect("the cluster's keys");
    let metrics = Metrics::new();
    let given = Given {
        writer,
        control: connect(server, &Role::Gateway).await,
        data: connect(server, &Role::Gateway).await,
        keys,
        seal,
        registry,
        metrics: metrics.clone(),
    };
    let config = Config { listen: "127.0.0.1:0".parse().expect("an address"), ..Config::default() };
    let (gateway, _) = start(config, given, stage).await.expect("a gateway");
    soon("the gateway has its first objects", || {
        metrics.checks().values().all(|check| *check == Readiness::Ready)
    })
    .await;
    gateway
}

/// Waits until something is so.
pub(crate) async fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !is_so() {
        assert!(tokio::time::Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
