//! Ledgers on a real nats-server, and commits to feed them.

#[path = "../../../../crates/runtime/tests/suite/common.rs"]
pub(crate) mod nats;

use std::path::Path;
use std::time::Duration;

use rutter_ledger::core::{Proving, Role};
use rutter_ledger::{Ledger, LedgerConfig, Parts};
use rutter_projection::Options;
use rutter_runtime::executor::{Letterhead, Writer};
use rutter_runtime::metrics::Metrics;
use rutter_runtime::now::Now;
use rutter_runtime::proposer::{Proposer, local};
use rutter_runtime::roles::Role as NatsRole;
use rutter_runtime::server::EmbeddedServer;
use rutter_runtime::shutdown::{Shutdown, Stage};
use rutter_runtime::stream::{LogStream, StreamSettings};
use rutter_runtime::view::{View, ViewOptions};
use rutter_schemas::{Commit, Event, Meta, ObjectRef, Op, Outcome, Revision, Uuid, state};
use serde_json::json;
use tokio::time::Instant;

/// A process with a ledger: its services end when it is stopped, or are forgotten when it is killed.
pub(crate) struct Process {
    pub(crate) ledger: Ledger,
    pub(crate) writer: Writer,
    shutdown: Shutdown,
}

impl Process {
    pub(crate) async fn start(server: &EmbeddedServer, dir: &Path, name: &str, proving: Proving) -> Process {
        Process::with(server, config(dir, name, proving), dir, true).await
    }

    /// `near`: proposals go to the ledger of this process first, as in `rutter up`.
    pub(crate) async fn with(
        server: &EmbeddedServer,
        config: LedgerConfig,
        dir: &Path,
        near: bool,
    ) -> Process {
        let client = nats::connect(server, &NatsRole::Ledger).await;
        let stream = LogStream::ensure(client, &config.stream).await.unwrap();
        Process::on(stream, config, dir, near).await
    }

    pub(crate) async fn on(stream: LogStream, config: LedgerConfig, dir: &Path, near: bool) -> Process {
        let mut shutdown = Shutdown::new();
        let (log, services) = (shutdown.stage("log"), shutdown.stage("ledger"));
        let client = stream.client().clone();
        let view = view(&stream, &dir.join(format!("{}-view", config.name)), &log).await;
        let (way_in, inbox) = local();
        let parts = Parts { stream, local: inbox, view: view.clone(), metrics: Metrics::new() };
        let ledger = Ledger::start(config, parts, &services).await.unwrap();
        let (proposer, here) = match near {
            true => (Proposer::with_local(client.clone(), way_in.clone()), Some(way_in)),
            false => (Proposer::new(client.clone()), None),
        };
        let writer = Writer { view, proposer, now: Now::start(client, here, &services) };
        Process { ledger, writer, shutdown }
    }

    pub(crate) async fn active(&self) {
        let mut state = self.ledger.state();
        let active = state.wait_for(|state| state.role == Role::Active);
        tokio::time::timeout(Duration::from_secs(10), active).await.unwrap().unwrap();
    }

    pub(crate) async fn stop(self) {
        assert_eq!(self.shutdown.finish().await, Vec::<&str>::new());
        self.ledger.ended().await.unwrap();
    }
}

pub(crate) fn config(dir: &Path, name: &str, proving: Proving) -> LedgerConfig {
    LedgerConfig {
        name: name.to_owned(),
        proving,
        stream: nats::SETTINGS,
        index: dir.join(format!("{name}-index")),
        store: None,
        new_incarnation: false,
    }
}

pub(crate) fn with_room(mut config: LedgerConfig, max_bytes: u64) -> LedgerConfig {
    config.stream = StreamSettings { max_bytes, ..config.stream };
    config
}

pub(crate) async fn view(stream: &LogStream, dir: &Path, stage: &Stage) -> View {
    let options = ViewOptions::new(dir, Options::with_history());
    let view = View::start(stream.clone(), options, stage).await.unwrap();
    view.ready().await.unwrap();
    view
}

/// The birth of a ConfigMap of about `size` bytes.
pub(crate) fn birth(name: &str, size: usize) -> Event {
    event(name, Op::Create, Revision::NONE, size)
}

/// A change of the ConfigMap that stands at `prior`.
pub(crate) fn change(name: &str, prior: Revision) -> Event {
    event(name, Op::Update, prior, 8)
}

fn event(name: &str, op: Op, prior: Revision, size: usize) -> Event {
    let uid = format!("uid-{name}");
    let object = json!({"kind": "ConfigMap", "apiVersion": "v1", "data": {"text": "x".repeat(size)},
                        "metadata": {"name": name, "namespace": "default", "uid": uid}});
    let about = ObjectRef {
        group: String::new(),
        version: "v1".into(),
        kind: "ConfigMap".into(),
        resource: "configmaps".into(),
        namespace: "default".into(),
        name: name.into(),
        uid,
    };
    let event_type = if op == Op::Create { "ConfigMapCreated" } else { "ConfigMapUpdated" };
    Event {
        event_type: event_type.into(),
        op,
        object: about,
        prior,
        meta: Meta::default(),
        touches: Vec::new(),
        state: state::encode(&object),
    }
}

/// A commit decided on what the process's view has now.
pub(crate) fn commit(writer: &Writer, events: Vec<Event>) -> Commit {
    let letterhead = Letterhead { why: "a test".into(), writer: "test/0".into(), ..Letterhead::default() };
    let base = writer.view.revision();
    letterhead.commit(Uuid::now_v7(), base, base.incarnation(), events)
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(40)
}

pub(crate) async fn propose(writer: &Writer, events: Vec<Event>) -> Outcome {
    writer.proposer.propose(&commit(writer, events), soon()).await.unwrap()
}

/// Proposes what has to succeed; the revision of its last event.
pub(crate) async fn committed(writer: &Writer, events: Vec<Event>) -> Revision {
    match propose(writer, events).await {
        Outcome::Committed { last, .. } => last,
        Outcome::Rejected(rejection) => panic!("rejected: {rejection}"),
    }
}
