//! The API as OpenAPI tells it: a 3.0 document for each group-version and their index, and one 2.0 document of everything.
//!
//! kubectl validates and merges by these, so what it looks at is as upstream publishes it: `x-kubernetes-*` extensions on types
//! and operations, operation ids, and the query parameters of each operation. Descriptions are those of the table.

mod operations;
mod parameters;
mod paths;
mod schemas;
mod v2;
mod v2_protobuf;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

use crate::discovery;
use crate::registry::{Registry, Resource};
use crate::tables::{self, TypeRef};
use operations::Operation;

/// The media type of a 2.0 document in protobuf; clients ask for it with `@` in place of the first dot of the version too,
/// which no media type may have (`k8s.io/kube-openapi/pkg/handler`).
pub const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// A 2.0 document in protobuf.
#[must_use]
pub fn v2_protobuf(document: &Value) -> Vec<u8> {
    v2_protobuf::encode(document)
}

/// The version that documents name.
const VERSION: &str = "v1.36.0";

/// Every 3.0 document of a registry, rendered once; made anew when the registry changes.
pub struct Documents {
    by_path: BTreeMap<String, Document>,
}

/// One document.
pub struct Document {
    pub json: Vec<u8>,
    /// Names the content, in the index and in the URL that may be cached for ever.
    pub hash: String,
}

impl Documents {
    #[must_use]
    pub fn of(registry: &Registry) -> Documents {
        let mut by_path = BTreeMap::new();
        for (group, version) in group_versions(registry) {
            let document = v3(registry, &group, &version).to_string().into_bytes();
            let hash = Sha512::digest(&document).iter().map(|byte| format!("{byte:02X}")).collect();
            by_path.insert(path_of(&group, &version), Document { json: document, hash });
        }
        Documents { by_path }
    }

    /// The document at `/openapi/v3/<path>`, where the path is `api/v1` or `apis/<group>/<version>`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Document> {
        self.by_path.get(path)
    }

    /// `/openapi/v3`: where the documents are, each with the hash of its content.
    #[must_use]
    pub fn index(&self) -> Value {
        let location = |(path, document): (&String, &Document)| {
            let url = format!("/openapi/v3/{path}?hash={}", document.hash);
            (path.clone(), json!({ "serverRelativeURL": url }))
        };
        json!({ "paths": self.by_path.iter().map(location).collect::<Map<_, _>>() })
    }
}

/// The 3.0 document of one group-version.
#[must_use]
pub fn v3(registry: &Registry, group: &str, version: &str) -> Value {
    let (paths, roots) = describe(registry, group, version);
    json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": VERSION },
        "paths": paths,
        "components": {
            "schemas": schemas::closure(roots),
            "securitySchemes": { "BearerToken": bearer_token() },
        },
    })
}

/// `/openapi/v2`: the 2.0 document of everything served.
#[must_use]
pub fn v2(registry: &Registry) -> Value {
    let mut paths = Map::new();
    let mut roots = BTreeSet::new();
    for (group, version) in group_versions(registry) {
        let (of_version, types) = describe(registry, &group, &version);
        paths.extend(of_version);
        roots.extend(types);
    }
    json!({
        "swagger": "2.0",
        "info": { "title": "Kubernetes", "version": VERSION },
        "paths": v2::paths(paths),
        "definitions": v2::definitions(schemas::closure(roots)),
        "securityDefinitions": { "BearerToken": bearer_token() },
        "security": [{ "BearerToken": [] }],
    })
}

fn bearer_token() -> Value {
    json!({ "type": "apiKey", "name": "authorization", "in": "header", "description": "Bearer Token authentication" })
}

fn path_of(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

fn group_versions(registry: &Registry) -> Vec<(String, String)> {
    let versions = |group: crate::tables::Text| {
        let versions = discovery::versions(registry, &group);
        versions.into_iter().map(move |version| (group.to_string(), version.to_string()))
    };
    discovery::groups(registry).into_iter().flat_map(versions).collect()
}

/// The paths of a group-version, and the names of the types they speak of.
fn describe(registry: &Registry, group: &str, version: &str) -> (Map<String, Value>, BTreeSet<String>) {
    let mut described = Map::new();
    let mut roots: BTreeSet<String> = ALWAYS.map(|name| format!("{META}.{name}")).into();
    for resource in resources(registry, group, version) {
        roots.insert(resource.schema().name.to_string());
        for (path, operations) in paths::of(resource) {
            roots.extend(operations.iter().flat_map(Operation::types).map(|found| found.name.to_string()));
            described.insert(path.clone(), operations::path_item(&path, &operations));
        }
    }
    let (path, operation) = paths::resource_list(group, version);
    described.insert(path.clone(), operations::path_item(&path, &[operation]));
    (described, roots)
}

fn resources<'a>(registry: &'a Registry, group: &str, version: &str) -> impl Iterator<Item = &'a Resource> {
    let all = registry.resources().iter().map(AsRef::as_ref);
    all.filter(move |resource| resource.group == group && resource.version == version)
}

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// Types that every document has.
const ALWAYS: [&str; 5] = ["APIResourceList", "DeleteOptions", "Patch", "Status", "WatchEvent"];

/// A type of meta/v1.
fn meta(name: &str) -> Option<TypeRef> {
    tables::types().get(&format!("{META}.{name}"))
}
