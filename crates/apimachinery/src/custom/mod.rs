//! Custom resources: a definition read from the log becomes resources of the registry, one a served version. From there
//! on they are as any other: the same verbs, writes and reads; only their rules come from data
//! (upstream: `k8s.io/apiextensions-apiserver/pkg/apiserver/customresource_handler.go`).

mod columns;
pub mod conditions;
pub mod json_path;
mod read;
pub mod review;
mod rules;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rutter_schemas::Revision;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::json::{is_empty, items, text};
use crate::registry::{Columns, Resource, Rules, Subresource, Text};
use crate::structural::Structural;
use crate::structural::rules::Rules as CompiledRules;
use crate::tables::{self, Field, ListType, Opaque, Schema, Type, TypeRef};
use json_path::JsonPath;

pub use columns::PathColumns;
use rules::go_type;

pub use rules::Found;

/// The group of definitions.
pub const GROUP: &str = "apiextensions.k8s.io";
/// The plural of definitions.
pub const DEFINITIONS: &str = "customresourcedefinitions";

/// What all versions of a custom resource share.
#[derive(Debug)]
pub struct Definition {
    /// The CustomResourceDefinition's: `<plural>.<group>`.
    pub name: String,
    pub uid: String,
    /// The definition's own. What was written later, in the storage version, is already as its schema has it.
    pub revision: Revision,
    pub generation: i64,
    /// Objects are stored in this version.
    pub storage: String,
    pub conversion: Conversion,
    /// Whether it is being deleted, so that nothing new comes in.
    pub terminating: bool,
    /// Of every version, served or not.
    schemas: BTreeMap<String, Structural>,
    /// Of every version: an object is found by the fields of any.
    selectable: Vec<Selectable>,
}

/// How objects get from one version to another.
#[derive(Debug, Clone, PartialEq)]
pub enum Conversion {
    /// Nothing but the version changes.
    None,
    /// Somebody is asked: the definition's `spec.conversion.webhook`.
    Webhook(Value),
}

#[derive(Debug, Clone)]
struct Selectable {
    version: String,
    /// Without the leading dot.
    name: String,
    path: JsonPath,
}

/// What one version of a custom resource goes by.
#[derive(Debug)]
pub struct Custom {
    pub definition: Arc<Definition>,
    pub version: String,
    /// The `openAPIV3Schema` as it was written.
    pub published: Value,
    pub scale: Option<Scale>,
    /// For every answer about a deprecated version.
    pub warning: Option<String>,
    has_status: bool,
    rules: OnceLock<Option<CompiledRules>>,
}

/// Where `scale` finds its numbers: pointers as of RFC 6901.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scale {
    pub spec_replicas: String,
    pub status_replicas: String,
    pub label_selector: Option<String>,
}

/// The resources of a definition, with its resourceVersion: one a version, none before it is established.
#[must_use]
pub fn resources(definition: &Value) -> Vec<Arc<Resource>> {
    if !conditions::holds(definition, conditions::ESTABLISHED) {
        return Vec::new();
    }
    let shared = Arc::new(Definition::read(definition));
    let versions = items(&definition["spec"]["versions"]);
    versions.iter().map(|version| Arc::new(resource(definition, &shared, version))).collect()
}

impl Definition {
    fn read(definition: &Value) -> Definition {
        let (metadata, spec) = (&definition["metadata"], &definition["spec"]);
        let versions = items(&spec["versions"]);
        let name_of = |version: &Value| text(version, "name").to_owned();
        let selectable = versions.iter().flat_map(|version| {
            items(&version["selectableFields"]).iter().filter_map(|field| {
                let path = text(field, "jsonPath");
                Some(Selectable {
                    version: name_of(version),
                    name: path.trim_start_matches('.').to_owned(),
                    path: JsonPath::parse(path)?,
                })
            })
        });
        Definition {
            name: text(metadata, "name").to_owned(),
            uid: text(metadata, "uid").to_owned(),
            revision: text(metadata, "resourceVersion").parse().map_or(Revision::NONE, Revision),
            generation: metadata["generation"].as_i64().unwrap_or(0),
            storage: versions
                .iter()
                .find(|version| version["storage"] == true)
                .map(name_of)
                .unwrap_or_default(),
            conversion: match text(&spec["conversion"], "strategy") {
                "Webhook" => Conversion::Webhook(spec["conversion"]["webhook"].clone()),
                _ => Conversion::None,
            },
            terminating: !is_empty(&metadata["deletionTimestamp"]),
            schemas: versions
                .iter()
                .map(|version| (name_of(version), Structural::read(&version["schema"]["openAPIV3Schema"])))
                .collect(),
            selectable: selectable.collect(),
        }
    }

    /// The schema of a version.
    #[must_use]
    pub fn schema(&self, version: &str) -> Option<&Structural> {
        self.schemas.get(version)
    }
}

impl Custom {
    /// The schema of its objects.
    #[must_use]
    pub fn schema(&self) -> &Structural {
        self.definition.schema(&self.version).expect("a version has a schema, if an empty one")
    }

    /// The paths by which objects of this version may be selected.
    pub fn selectable_paths(&self) -> impl Iterator<Item = &str> {
        let fields = self.definition.selectable.iter();
        fields.filter(|field| field.version == self.version).map(|field| field.name.as_str())
    }
}

fn resource(definition: &Value, shared: &Arc<Definition>, version: &Value) -> Resource {
    let spec = &definition["spec"];
    let names = &definition["status"]["acceptedNames"];
    let owned = |text: &str| Text::Owned(text.to_owned());
    let texts = |list: &Value| items(list).iter().filter_map(Value::as_str).map(owned).collect::<Vec<_>>();
    let (group, name, kind) = (text(spec, "group"), text(version, "name"), text(names, "kind"));
    let list_kind = text(names, "listKind");
    let schema = object_type(group, name, kind);
    let custom = Arc::new(Custom {
        definition: shared.clone(),
        version: name.to_owned(),
        published: version["schema"]["openAPIV3Schema"].clone(),
        scale: scale(&version["subresources"]["scale"]),
        warning: warning(spec, version),
        has_status: version["subresources"]["status"].is_object(),
        rules: OnceLock::new(),
    });
    Resource {
        group: owned(group),
        version: owned(name),
        kind: owned(kind),
        plural: owned(text(names, "plural")),
        singular: owned(text(names, "singular")),
        list_kind: owned(list_kind),
        short_names: texts(&names["shortNames"]),
        categories: texts(&names["categories"]),
        namespaced: text(spec, "scope") == "Namespaced",
        verbs: verbs(shared.terminating),
        subresources: subresources(group, name, kind, &custom),
        storage_version_hash: Some(storage_version_hash(
            group,
            &shared.storage,
            text(&spec["names"], "kind"),
        )),
        list_schema: Some(list_type(group, name, list_kind, &schema)),
        schema,
        message: None,
        strategy: Rules::Made(custom.clone()),
        columns: Columns::Made(Arc::new(PathColumns::read(version))),
        sealed: false,
        custom: Some(custom),
        unserved: version["served"] != true,
    }
}

/// In upstream's order, which is not the alphabet's.
fn verbs(terminating: bool) -> Vec<Text> {
    const ALL: [&str; 8] =
        ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
    const ENDING: [&str; 5] = ["delete", "deletecollection", "get", "list", "watch"];
    if terminating { &ENDING[..] } else { &ALL[..] }.iter().map(|verb| Text::Borrowed(verb)).collect()
}

fn subresources(group: &str, version: &str, kind: &str, custom: &Custom) -> Vec<Subresource> {
    let of = |name: &'static str, group: &str, version: &str, kind: &str| Subresource {
        name: name.into(),
        group: Text::Owned(group.to_owned()),
        version: Text::Owned(version.to_owned()),
        kind: Text::Owned(kind.to_owned()),
        verbs: ["get", "patch", "update"].map(Text::Borrowed).to_vec(),
    };
    let status = custom.has_status.then(|| of("status", group, version, kind));
    let scale = custom.scale.as_ref().map(|_| of("scale", "autoscaling", "v1", "Scale"));
    status.into_iter().chain(scale).collect()
}

fn scale(paths: &Value) -> Option<Scale> {
    let pointer = |name| text(paths, name).replace('.', "/");
    paths.is_object().then(|| Scale {
        spec_replicas: pointer("specReplicasPath"),
        status_replicas: pointer("statusReplicasPath"),
        label_selector: Some(pointer("labelSelectorPath")).filter(|path| !path.is_empty()),
    })
}

/// `pkg/apiserver/customresource_handler.go`, defaultDeprecationWarning.
fn warning(spec: &Value, version: &Value) -> Option<String> {
    if version["deprecated"] != true {
        return None;
    }
    if let Some(given) = version["deprecationWarning"].as_str() {
        return Some(given.to_owned());
    }
    let (group, kind, name) = (text(spec, "group"), text(&spec["names"], "kind"), text(version, "name"));
    let words = format!("{group}/{name} {kind} is deprecated");
    let mut better: Vec<&str> = items(&spec["versions"])
        .iter()
        .filter(|other| other["served"] == true && other["deprecated"] != true)
        .map(|other| text(other, "name"))
        .collect();
    better
        .retain(|other| crate::discovery::version_priority(other) < crate::discovery::version_priority(name));
    better.sort_by_cached_key(|other| crate::discovery::version_priority(other));
    match better.first() {
        Some(better) => Some(format!("{words}; use {group}/{better} {kind}")),
        None => Some(words),
    }
}

/// `k8s.io/apiserver/pkg/endpoints/discovery/storageversionhash.go`.
fn storage_version_hash(group: &str, version: &str, kind: &str) -> Text {
    let digest = Sha256::digest(format!("{group}/{version}/{kind}"));
    STANDARD.encode(&digest[..8]).into()
}

/// `com.example.v1.Foo`: how upstream names types of the group `example.com`.
#[must_use]
pub fn type_name(group: &str, version: &str, kind: &str) -> String {
    let reversed: Vec<&str> = group.split('.').rev().collect();
    format!("{}.{version}.{kind}", reversed.join("."))
}

/// The part of the type that every resource has; the rest is the schema's.
fn object_type(group: &str, version: &str, kind: &str) -> TypeRef {
    made(group, version, kind, "ObjectMeta", None)
}

fn list_type(group: &str, version: &str, kind: &str, element: &TypeRef) -> TypeRef {
    made(group, version, kind, "ListMeta", Some(element))
}

fn made(group: &str, version: &str, kind: &str, metadata: &str, element: Option<&TypeRef>) -> TypeRef {
    let meta = tables::types().get(&format!("io.k8s.apimachinery.pkg.apis.meta.v1.{metadata}"));
    let mut fields = vec![Field::plain("apiVersion".into(), Schema::String)];
    if let Some(element) = element {
        let mut items =
            Field::plain("items".into(), Schema::Array(Box::new(Schema::Object(element.clone()))));
        items.required = true;
        items.list_type = Some(ListType::Atomic);
        fields.push(items);
    }
    fields.push(Field::plain("kind".into(), Schema::String));
    fields.push(Field::plain("metadata".into(), meta.map_or(Schema::Opaque(Opaque::Object), Schema::Object)));
    TypeRef::from(Type {
        name: type_name(group, version, kind).into(),
        fields,
        map_type: None,
        kinds: vec![tables::GroupVersionKind {
            group: Text::Owned(group.to_owned()),
            version: Text::Owned(version.to_owned()),
            kind: Text::Owned(kind.to_owned()),
        }],
        unions: None,
    })
}

#[cfg(test)]
mod tests;
