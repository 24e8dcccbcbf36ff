//! The dependency rule: who may know whom. `schemas ← apimachinery ← {log, controller} ← services/*/core`;
//! `projection` needs `schemas` only; services meet only through schemas; only `projection` links RocksDB; cores know
//! no runtime, no broker, no database.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

type Graph = BTreeMap<String, BTreeSet<String>>;

/// What a pure crate may never reach, directly or through others.
const IO: [&str; 10] =
    ["tokio", "async-nats", "rocksdb", "axum", "hyper", "tonic", "mio", "rustix", "nix", "opentelemetry"];

#[test]
fn every_crate_knows_only_whom_it_may() {
    let graph = graph();
    let allowed: [(&str, &[&str]); 10] = [
        ("rutter-schemas", &[]),
        ("rutter-quantity", &[]),
        ("rutter-cel", &["rutter-quantity"]),
        ("rutter-apimachinery", &["rutter-schemas", "rutter-cel", "rutter-quantity"]),
        ("rutter-log", &["rutter-schemas", "rutter-apimachinery"]),
        ("rutter-controller", &["rutter-schemas", "rutter-apimachinery"]),
        ("rutter-projection", &["rutter-schemas"]),
        ("rutter-cri", &[]),
        ("rutter-spdy", &[]),
        (
            "rutter-runtime",
            &[
                "rutter-schemas",
                "rutter-apimachinery",
                "rutter-log",
                "rutter-controller",
                "rutter-projection",
            ],
        ),
    ];
    for (name, may) in allowed {
        let known: Vec<_> = graph[name].iter().filter(|other| is_ours(other)).map(String::as_str).collect();
        assert!(
            known.iter().all(|other| may.contains(other)),
            "{name} may know {may:?}, but knows {known:?}"
        );
    }
}

#[test]
fn cores_and_their_foundations_do_no_io() {
    let graph = graph();
    let foundations = [
        "rutter-schemas",
        "rutter-quantity",
        "rutter-cel",
        "rutter-apimachinery",
        "rutter-log",
        "rutter-controller",
    ];
    let cores = graph.keys().filter(|name| name.ends_with("-core")).map(String::as_str);
    for name in foundations.into_iter().chain(cores) {
        let reached = reach(&graph, name);
        let io: Vec<_> = IO.iter().filter(|other| reached.contains(**other)).collect();
        assert!(io.is_empty(), "{name} reaches {io:?}");
    }
}

#[test]
fn cores_do_not_know_each_other() {
    let graph = graph();
    for (name, known) in graph.iter().filter(|(name, _)| name.ends_with("-core")) {
        let others: Vec<_> =
            known.iter().filter(|other| is_ours(other) && other.ends_with("-core")).collect();
        assert!(others.is_empty(), "{name} knows {others:?}");
    }
}

#[test]
fn only_the_projection_links_rocksdb() {
    let graph = graph();
    let linking: Vec<_> =
        graph.iter().filter(|(name, known)| is_ours(name) && known.contains("rocksdb")).collect();
    assert_eq!(linking.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["rutter-projection"]);
}

#[test]
fn services_meet_only_through_what_they_share() {
    let graph = graph();
    let services = ["gateway", "ledger", "placement", "replicator", "autoscaler", "nodeagent"];
    for service in services {
        let own_core = format!("rutter-{service}-core");
        let known = &graph[&format!("rutter-{service}")];
        let strangers: Vec<_> = services
            .iter()
            .flat_map(|other| [format!("rutter-{other}"), format!("rutter-{other}-core")])
            .filter(|other| *other != own_core && known.contains(other))
            .collect();
        assert!(strangers.is_empty(), "{service} knows {strangers:?}");
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with("rutter-")
}

/// Package name → the names of its normal dependencies.
fn graph() -> Graph {
    let metadata: Metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .exec()
        .expect("the workspace has metadata");
    let normal = |package: &cargo_metadata::Package| {
        let dependencies = package.dependencies.iter();
        let normal = dependencies
            .filter(|dependency| dependency.kind == DependencyKind::Normal && !dependency.optional);
        normal.map(|dependency| dependency.name.clone()).collect()
    };
    metadata.packages.iter().map(|package| (package.name.to_string(), normal(package))).collect()
}

fn reach(graph: &Graph, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![from.to_owned()];
    while let Some(name) = waiting.pop() {
        for next in graph.get(&name).into_iter().flatten() {
            if reached.insert(next.clone()) {
                waiting.push(next.clone());
            }
        }
    }
    reached
}
