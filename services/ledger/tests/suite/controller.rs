//! A controller driven on a real log: its plans become objects, two copies make no doubles, and the oldest copy
//! alone proposes unless told otherwise.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::common::nats::{connect, server};
use crate::common::{Process, birth, committed, soon};
use rutter_apimachinery::registry::Registry;
use rutter_controller::{Controller, Fact, Plan, Reads};
use rutter_ledger::core::Proving;
use rutter_projection::ListQuery;
use rutter_runtime::controller;
use rutter_runtime::executor::Writer;
use rutter_runtime::plan::PlanExecutor;
use rutter_runtime::roles::Role;
use rutter_runtime::seal::SealKey;
use rutter_runtime::served::Served;
use rutter_runtime::shutdown::Shutdown;
use rutter_runtime::standby::{self, Standby};
use rutter_runtime::{pki, view};
use rutter_schemas::{Event, Key, Meta, ObjectRef, Op, Revision, state};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// Gives every ConfigMap `x` a twin `x-twin`.
struct Twins;

#[derive(Debug, Default, PartialEq)]
struct Names {
    names: BTreeSet<String>,
    reads: Reads,
}

impl Controller for Twins {
    type View = Names;
    type Key = String;
    const NAME: &'static str = "twins-controller";

    fn follows(group: &str, resource: &str) -> bool {
        (group, resource) == ("", "configmaps")
    }

    fn apply(view: &mut Names, fact: &Fact) {
        match fact.op {
            Op::Create | Op::Update => view.names.insert(fact.key.name.clone()),
            Op::Delete => view.names.remove(&fact.key.name),
        };
    }

    fn wakes(_: &Names, fact: &Fact) -> Vec<String> {
        vec![fact.key.name.clone()]
    }

    fn reconcile(view: &Names, key: &String, _: jiff::Timestamp) -> Vec<Plan> {
        let twin = format!("{key}-twin");
        if key.ends_with("-twin") || !view.names.contains(key) || view.names.contains(&twin) {
            return vec![Plan::idle("it has its twin")];
        }
        let mut plan = Plan::because("it has no twin");
        plan.create(json!({"apiVersion": "v1", "kind": "ConfigMap",
                           "metadata": {"name": twin, "namespace": "default"}}));
        vec![plan]
    }

    fn reads(view: &Names) -> &Reads {
        &view.reads
    }
}

fn executor(writer: &Writer) -> PlanExecutor {
    let registry = Served::only(Registry::builtin());
    PlanExecutor::new(writer.clone(), registry, SealKey::from_bytes(&[7; 32]), "twins")
}

/// The namespace that the objects live in.
fn namespace(name: &str) -> Event {
    let object = json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name, "uid": name}});
    Event {
        event_type: "NamespaceCreated".into(),
        op: Op::Create,
        object: ObjectRef {
            version: "v1".into(),
            kind: "Namespace".into(),
            resource: "namespaces".into(),
            name: name.into(),
            uid: name.into(),
            ..ObjectRef::default()
        },
        prior: Revision::NONE,
        meta: Meta::default(),
        touches: Vec::new(),
        state: state::encode(&object),
    }
}

fn names(view: &view::View) -> BTreeSet<String> {
    let snapshot = view.snapshot().unwrap();
    snapshot.list(&ListQuery::of("", "configmaps")).map(|entry| entry.unwrap().0.name).collect()
}

async fn until_there_are(view: &view::View, count: usize) -> BTreeSet<String> {
    let mut revisions = view.revisions();
    let reached = async {
        while names(view).len() < count {
            revisions.changed().await.unwrap();
        }
    };
    timeout(PATIENCE, reached).await.unwrap();
    names(view)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_become_objects_once_although_two_copies_are_active() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let process = Process::start(&server, dir.path(), "a", Proving::Owned).await;
    let writer = &process.writer;
    committed(writer, vec![namespace("default"), birth("old", 8)]).await;
    let mut shutdown = Shutdown::new();
    let stage = shutdown.stage("controllers");
    let (_always, active) = watch::channel(true);
    for _ in 0..2 {
        stage.spawn(controller::run::<Twins>(
            executor(writer),
            controller::Nothing,
            active.clone(),
            stage.token(),
        ));
    }
    for number in 0..20 {
        committed(writer, vec![birth(&format!("c{number}"), 8)]).await;
    }

    let names = until_there_are(&writer.view, 42).await;
    assert!(names.contains("old-twin") && names.contains("c19-twin"));
    // The namespace, 21 originals, 21 twins, and nothing else was ever recorded.
    let head = writer.now.read(&writer.view, soon()).await.unwrap();
    assert_eq!(head.revision(), Revision(43));
    let twin = head.get(&Key::new("", "configmaps", "default", "c3-twin")).unwrap().unwrap();
    let event = head.event(twin.revision).unwrap().unwrap();
    assert_eq!((event.actor.user.as_str(), event.why.as_str()), ("twins-controller", "it has no twin"));
    assert!(event.cause.is_some(), "it answers the birth of the original");
    shutdown.finish().await;
    process.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_younger_copy_stands_by_until_the_older_one_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let (mut first, mut second) = (Shutdown::new(), Shutdown::new());
    let client = connect(&server, &Role::Replicator).await;
    let mut older = standby::watch(client, "replicator", Standby::Silent, &first.stage("standby"));
    timeout(PATIENCE, older.wait_for(|active| *active)).await.unwrap().unwrap();
    let client = connect(&server, &Role::Replicator).await;
    let mut beats = client.subscribe(standby::subject("replicator")).await.unwrap();
    let mut younger = standby::watch(client, "replicator", Standby::Silent, &second.stage("standby"));

    // Both are heard again and again, and all the while one of them alone proposes.
    for _ in 0..12 {
        timeout(PATIENCE, futures::StreamExt::next(&mut beats)).await.unwrap().unwrap();
        assert!(*older.borrow() && !*younger.borrow());
    }
    first.finish().await;
    timeout(PATIENCE, younger.wait_for(|active| *active)).await.unwrap().unwrap();
    second.finish().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_first_starts_make_one_ca_and_its_key_rests_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let process = Process::start(&server, dir.path(), "a", Proving::Owned).await;
    process.active().await;
    let (registry, seal) = (Registry::builtin(), SealKey::from_bytes(&[7; 32]));
    let (one, other) = tokio::join!(
        pki::cluster::ensure(&process.writer, &registry, &seal),
        pki::cluster::ensure(&process.writer, &registry, &seal),
    );
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.authority.certificate_pem(), other.authority.certificate_pem());
    assert_eq!(one.service_account.0, other.service_account.0);

    let key = Key::new("", "secrets", "kube-system", "rutter-ca");
    let stored = process.writer.view.snapshot().unwrap().get_object(&key).unwrap().unwrap();
    let stored = String::from_utf8(stored.to_vec()).unwrap();
    assert!(!stored.contains("tls.key") && stored.contains("\"sealed\""), "{stored}");
    process.stop().await;
    server.stop().await;
}
