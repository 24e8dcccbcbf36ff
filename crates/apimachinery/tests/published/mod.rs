//! What was published of Kubernetes 1.36: the folder of its documents, which lies outside the repository, and a registry of
//! every resource in the tables.

#![allow(dead_code, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use rutter_apimachinery::kind::{Kind, Plain};
use rutter_apimachinery::registry::Registry;
use rutter_apimachinery::tables;
use serde_json::Value;

/// Where a published file or folder lies: in the folder RUTTER_SPEC names, else in `../shared/spec` beside the workspace.
/// None when it is in neither, which is said aloud, so that a test that passes without it does not pass silently.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("RUTTER_SPEC").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/spec");
    let found =
        [named, Some(beside)].into_iter().flatten().map(|spec| spec.join(name)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIPPED: the published {name} is not here; RUTTER_SPEC names its folder");
    }
    found
}

/// A published document.
pub(crate) fn document(name: &str) -> Option<Value> {
    Some(serde_json::from_slice(&fs::read(find(name)?).unwrap()).unwrap())
}

/// A registry of every resource that was published, in no helpful order.
pub(crate) fn everything() -> Registry {
    let versions =
        tables::groups().iter().flat_map(|group| group.versions.iter().map(move |version| (group, version)));
    let mut kinds: Vec<&'static Kind> = Vec::new();
    for (group, version) in versions {
        for resource in version.resources.iter().rev() {
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
    kinds.reverse();
    Registry::of(&kinds)
}
