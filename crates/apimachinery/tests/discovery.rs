//! With every published resource served, discovery tells what upstream's discovery told, document for document.
//!
//! The documents lie outside the repository; RUTTER_SPEC names their folder, else `../shared/spec` beside the workspace is
//! looked at. Without them the tests pass and say so.

use std::fs;
use std::path::{Path, PathBuf};

use rutter_apimachinery::discovery::{self, Root, Version};
use rutter_apimachinery::kind::{Kind, Plain};
use rutter_apimachinery::registry::Registry;
use rutter_apimachinery::tables;
use serde_json::Value;

#[test]
fn plain_documents_are_as_published() {
    let Some(published) = published() else { return };
    let registry = everything();
    assert_eq!(discovery::api_versions("10.10.10.10:8050"), published["api"]);
    assert_eq!(discovery::group_list(&registry), published["apis"]);
    for (name, document) in published.as_object().unwrap() {
        let told = match name.split("__").collect::<Vec<_>>()[..] {
            ["api", version] => discovery::resource_list(&registry, "", version),
            ["apis", group] => discovery::group(&registry, group),
            ["apis", group, version] => discovery::resource_list(&registry, group, version),
            _ => continue,
        };
        assert_eq!(told.as_ref(), Some(document), "{name}");
    }
}

#[test]
fn the_aggregated_document_is_as_published() {
    let Some(published) = published() else { return };
    let told = discovery::aggregated(&everything(), Root::Groups, Version::V2);
    assert_eq!(told["items"], published["aggregated_v2"]["items"]);
    assert_eq!(told, published["aggregated_v2"]);
}

/// A registry of every resource that was published.
fn everything() -> Registry {
    let mut kinds: Vec<&'static Kind> = Vec::new();
    for group in tables::groups() {
        for version in &group.versions {
            for resource in &version.resources {
                kinds.push(Box::leak(Box::new(Kind {
                    group: group.name,
                    version: version.name,
                    kind: resource.kind,
                    plural: resource.plural,
                    strategy: &Plain,
                    columns: &[],
                    sealed: false,
                })));
            }
        }
    }
    kinds.reverse();
    Registry::of(&kinds)
}

fn published() -> Option<Value> {
    let named = std::env::var_os("RUTTER_SPEC").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/spec");
    let folder = [named, Some(beside)].into_iter().flatten().find(|spec| spec.is_dir());
    let Some(folder) = folder else {
        eprintln!("SKIPPED: the published documents are not here; RUTTER_SPEC names their folder");
        return None;
    };
    Some(serde_json::from_slice(&fs::read(folder.join("discovery-1.36.json")).unwrap()).unwrap())
}
