//! The API as OpenAPI tells it: a 3.0 document for each group-version and their index, and one 2.0 document of everything.
//!
//! kubectl validates and merges by these, so what it looks at is as upstream publishes it: `x-kubernetes-*` extensions on types
//! and operations, operation ids, and the query parameters of each operation. Descriptions are those of the table.

mod custom;
mod operations;
mod parameters;
mod paths;
mod schemas;
mod v2;
mod v2_protobuf;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

use crate::registry::{Registry, Resource};
use crate::tables::{self, TypeRef};
use custom::{Form, Made};
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

/// Every 3.0 document of a registry, rendered once. When the registry changes, only what changed is rendered anew.
#[derive(Default)]
pub struct Documents {
    by_path: BTreeMap<String, Rendered>,
}

/// A document, and the resources that it tells of.
struct Rendered {
    of: Vec<Arc<Resource>>,
    document: Arc<Document>,
}

impl Rendered {
    fn tells_of(&self, resources: &[Arc<Resource>]) -> bool {
        self.of.len() == resources.len() && self.of.iter().zip(resources).all(|(a, b)| Arc::ptr_eq(a, b))
    }
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
        Documents::after(registry, &Documents::default())
    }

    /// The documents of a registry that came after another's.
    #[must_use]
    pub fn after(registry: &Registry, before: &Documents) -> Documents {
        let mut by_path = BTreeMap::new();
        for ((group, version), of) in by_group_version(registry) {
            let path = path_of(&group, &version);
            let known = before.by_path.get(&path).filter(|known| known.tells_of(&of));
            let document = known.map_or_else(
                || Arc::new(Document::of(&v3_of(&group, &version, &of))),
                |known| known.document.clone(),
            );
            by_path.insert(path, Rendered { of, document });
        }
        Documents { by_path }
    }

    /// The document at `/openapi/v3/<path>`, where the path is `api/v1` or `apis/<group>/<version>`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Document> {
        self.by_path.get(path).map(|rendered| rendered.document.as_ref())
    }

    /// `/openapi/v3`: where the documents are, each with the hash of its content.
    #[must_use]
    pub fn index(&self) -> Value {
        let location = |(path, rendered): (&String, &Rendered)| {
            let url = format!("/openapi/v3/{path}?hash={}", rendered.document.hash);
            (path.clone(), json!({ "serverRelativeURL": url }))
        };
        json!({ "paths": self.by_path.iter().map(location).collect::<Map<_, _>>() })
    }
}

impl Document {
    fn of(told: &Value) -> Document {
        let json = told.to_string().into_bytes();
        let hash = Sha512::digest(&json).iter().map(|byte| format!("{byte:02X}")).collect();
        Document { json, hash }
    }
}

/// The 3.0 document of one group-version.
#[must_use]
pub fn v3(registry: &Registry, group: &str, version: &str) -> Value {
    let of = by_group_version(registry).remove(&(group.to_owned(), version.to_owned()));
    v3_of(group, version, &of.unwrap_or_default())
}

fn v3_of(group: &str, version: &str, resources: &[Arc<Resource>]) -> Value {
    let (paths, roots) = describe(resources, group, version);
    let mut made = Made::new();
    resources.iter().for_each(|resource| custom::add(resource, Form::V3, &mut made));
    json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": VERSION },
        "paths": paths,
        "components": {
            "schemas": schemas::closure(roots, &made),
            "securitySchemes": { "BearerToken": bearer_token() },
        },
    })
}

/// `/openapi/v2`: the 2.0 document of everything served.
#[must_use]
pub fn v2(registry: &Registry) -> Value {
    let mut paths = Map::new();
    let mut roots = BTreeSet::new();
    let mut made = Made::new();
    for ((group, version), resources) in by_group_version(registry) {
        let (of_version, types) = describe(&resources, &group, &version);
        paths.extend(of_version);
        roots.extend(types);
        resources.iter().for_each(|resource| custom::add(resource, Form::V2, &mut made));
    }
    let mut schemas = schemas::closure(roots, &made);
    let made: Map<String, Value> = made.into_keys().filter_map(|name| schemas.remove_entry(&name)).collect();
    let mut definitions = v2::definitions(schemas);
    for (name, schema) in made {
        definitions[name] = v2::old_references(schema);
    }
    json!({
        "swagger": "2.0",
        "info": { "title": "Kubernetes", "version": VERSION },
        "paths": v2::paths(paths),
        "definitions": definitions,
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

/// The resources of each group-version, in the order they were declared.
fn by_group_version(registry: &Registry) -> BTreeMap<(String, String), Vec<Arc<Resource>>> {
    let mut found: BTreeMap<(String, String), Vec<Arc<Resource>>> = BTreeMap::new();
    for resource in registry.resources() {
        let place = (resource.group.to_string(), resource.version.to_string());
        found.entry(place).or_default().push(resource.clone());
    }
    found
}

/// The paths of a group-version, and the names of the types they speak of.
fn describe(
    resources: &[Arc<Resource>],
    group: &str,
    version: &str,
) -> (Map<String, Value>, BTreeSet<String>) {
    let mut described = Map::new();
    let mut roots: BTreeSet<String> = ALWAYS.map(|name| format!("{META}.{name}")).into();
    for resource in resources {
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

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// Types that every document has.
const ALWAYS: [&str; 5] = ["APIResourceList", "DeleteOptions", "Patch", "Status", "WatchEvent"];

/// A type of meta/v1.
fn meta(name: &str) -> Option<TypeRef> {
    tables::types().get(&format!("{META}.{name}"))
}
