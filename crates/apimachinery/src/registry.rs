//! The resources served: every declared kind joined with what the published tables say of it.
//!
//! A registry is a value: built once, shared by `Arc`, and extended by making another one. A resource that came from
//! a custom resource definition stands beside those known at build time and is used in the same way.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::custom::{Custom, PathColumns};
use crate::kind::{Column, Kind, Strategy};
pub use crate::tables::Text;
use crate::tables::{
    self, Field, GroupVersionKind, MessageRef, Opaque, ResourceFacts, Schema, SubresourceFacts, Type, TypeRef,
};

/// A resource that the API serves.
#[derive(Clone)]
pub struct Resource {
    /// API group, `""` for core.
    pub group: Text,
    pub version: Text,
    pub kind: Text,
    /// The name in paths, `deployments`.
    pub plural: Text,
    /// The name for one, `deployment`.
    pub singular: Text,
    /// The kind of a list of them, `DeploymentList`.
    pub list_kind: Text,
    pub short_names: Vec<Text>,
    /// `all`, `api-extensions` …
    pub categories: Vec<Text>,
    pub namespaced: bool,
    /// Verbs in upstream's (alphabetical) order.
    pub verbs: Vec<Text>,
    pub subresources: Vec<Subresource>,
    /// What clients that migrate storage compare; `None` for what is not stored.
    pub storage_version_hash: Option<Text>,
    /// The type of its objects.
    pub schema: TypeRef,
    /// The type of a list of them, where it was not published.
    pub list_schema: Option<TypeRef>,
    /// The protobuf message of its objects; `None` where they have only JSON (custom resources).
    pub message: Option<MessageRef>,
    pub strategy: Rules,
    pub columns: Columns,
    pub sealed: bool,
    /// What a custom resource goes by; none for a kind known at build time.
    pub custom: Option<Arc<Custom>>,
    /// A version in which objects may rest and that nobody can ask for: found by its kind only.
    pub unserved: bool,
}

/// A strategy: one known at build time, or one that came with a definition.
#[derive(Clone)]
pub enum Rules {
    Static(&'static dyn Strategy),
    Made(Arc<dyn Strategy>),
}

impl Deref for Rules {
    type Target = dyn Strategy;

    fn deref(&self) -> &(dyn Strategy + 'static) {
        match self {
            Rules::Static(strategy) => *strategy,
            Rules::Made(strategy) => strategy.as_ref(),
        }
    }
}

/// What a Table shows of a resource.
#[derive(Clone)]
pub enum Columns {
    Static(&'static [Column]),
    Made(Arc<PathColumns>),
}

/// A subresource and the kind its bodies are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subresource {
    /// `status`, `scale`, `exec` …
    pub name: Text,
    /// The group, version and kind of what is sent and answered: `autoscaling/v1 Scale` for `scale`.
    pub group: Text,
    pub version: Text,
    pub kind: Text,
    pub verbs: Vec<Text>,
}

impl Resource {
    /// `v1`, `apps/v1`: what an object of it carries as `apiVersion`.
    pub fn api_version(&self) -> String {
        tables::api_version(&self.group, &self.version)
    }

    pub fn group_version_kind(&self) -> GroupVersionKind {
        GroupVersionKind { group: self.group.clone(), version: self.version.clone(), kind: self.kind.clone() }
    }

    /// The type of its objects.
    pub fn schema(&self) -> &Type {
        &self.schema
    }

    /// Whether a DELETE answers with the object rather than a Status (upstream's `ReturnDeletedObject`).
    pub fn answers_deletion_with_object(&self) -> bool {
        match self.group.as_ref() {
            "" => CORE_RETURNING_DELETED.contains(&self.plural.as_ref()),
            "resource.k8s.io" => true,
            "storage.k8s.io" => self.plural != "csistoragecapacities",
            _ => false,
        }
    }

    /// Whether spec and status are written through different paths.
    pub fn has_status(&self) -> bool {
        self.subresource("status").is_some()
    }

    /// `pods`, `deployments.apps`: how upstream names the resource in messages.
    pub fn qualified(&self) -> String {
        match self.group.as_ref() {
            "" => self.plural.to_string(),
            group => format!("{}.{group}", self.plural),
        }
    }

    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|subresource| subresource.name == name)
    }

    /// Whether a verb leads anywhere. Discovery hides some verbs of a custom resource that ends; who asks for them all the
    /// same is told why not.
    pub fn allows(&self, verb: &str) -> bool {
        self.custom.is_some() || self.verbs.iter().any(|known| known == verb)
    }
}

/// The resources served, in the order they were declared.
#[derive(Clone, Default)]
pub struct Registry {
    resources: Vec<Arc<Resource>>,
    by_plural: HashMap<(Text, Text, Text), usize>,
    by_kind: HashMap<(Text, Text, Text), usize>,
    unserved: HashMap<(Text, Text, Text), Arc<Resource>>,
}

impl Registry {
    /// The registry of every kind known at build time.
    pub fn builtin() -> Registry {
        Registry::of(crate::kinds::ALL)
    }

    /// The registry of these kinds.
    pub fn of(kinds: &[&'static Kind]) -> Registry {
        let mut registry = Registry::default();
        for kind in kinds {
            registry.add(Arc::new(declared(kind)));
        }
        registry
    }

    /// Adds a resource, or replaces the one of that group, version and plural.
    pub fn add(&mut self, resource: Arc<Resource>) {
        if resource.unserved {
            let kind = (resource.group.clone(), resource.version.clone(), resource.kind.clone());
            self.unserved.insert(kind, resource);
            return;
        }
        let place = (resource.group.clone(), resource.version.clone(), resource.plural.clone());
        let index = *self.by_plural.entry(place).or_insert(self.resources.len());
        let kind = (resource.group.clone(), resource.version.clone(), resource.kind.clone());
        self.by_kind.insert(kind, index);
        match self.resources.get_mut(index) {
            Some(known) => *known = resource,
            None => self.resources.push(resource),
        }
    }

    /// The resource at `/apis/<group>/<version>/<plural>`.
    pub fn resource(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        let index = *self.by_plural.get(&key(group, version, plural))?;
        Some(self.resources[index].clone())
    }

    /// The resource whose objects are of this kind, be it served or not.
    pub fn by_kind(&self, group: &str, version: &str, kind: &str) -> Option<Arc<Resource>> {
        let key = key(group, version, kind);
        let index = self.by_kind.get(&key);
        index.map(|index| self.resources[*index].clone()).or_else(|| self.unserved.get(&key).cloned())
    }

    /// Whether any version of a group has a resource of this name.
    pub fn has(&self, group: &str, plural: &str) -> bool {
        self.resources.iter().any(|resource| resource.group == group && resource.plural == plural)
    }

    /// Every resource, in the order they were declared.
    pub fn resources(&self) -> &[Arc<Resource>] {
        &self.resources
    }
}

fn key(group: &str, version: &str, name: &str) -> (Text, Text, Text) {
    (Cow::Owned(group.to_owned()), Cow::Owned(version.to_owned()), Cow::Owned(name.to_owned()))
}

/// A kind that this program knows, joined with what was published of it. A kind of ours, of which nothing was
/// published, is namespaced and has every verb.
fn declared(kind: &'static Kind) -> Resource {
    let gvk =
        GroupVersionKind { group: kind.group.into(), version: kind.version.into(), kind: kind.kind.into() };
    let mut resource = Resource {
        group: kind.group.into(),
        version: kind.version.into(),
        kind: kind.kind.into(),
        plural: kind.plural.into(),
        singular: kind.kind.to_lowercase().into(),
        list_kind: format!("{}List", kind.kind).into(),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced: true,
        verbs: ALL_VERBS.map(Text::Borrowed).to_vec(),
        subresources: Vec::new(),
        storage_version_hash: None,
        schema: tables::types().by_kind(&gvk).unwrap_or_else(|| metadata_only(kind)),
        list_schema: None,
        message: tables::messages().by_kind(&gvk.api_version(), kind.kind),
        strategy: Rules::Static(kind.strategy),
        columns: Columns::Static(kind.columns),
        sealed: kind.sealed,
        custom: None,
        unserved: false,
    };
    if let Some(facts) = tables::resource(kind.group, kind.version, kind.plural) {
        resource.learn(facts);
    }
    resource
}

/// As published in the 200 answers of the delete operations.
const CORE_RETURNING_DELETED: [&str; 7] = [
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "podtemplates",
    "resourcequotas",
    "serviceaccounts",
    "services",
];

const ALL_VERBS: [&str; 8] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

impl Resource {
    fn learn(&mut self, facts: &'static ResourceFacts) {
        self.singular = facts.singular.into();
        self.short_names = texts(&facts.short_names);
        self.categories = texts(&facts.categories);
        self.namespaced = facts.namespaced;
        self.verbs = texts(&facts.verbs);
        self.storage_version_hash = facts.storage_version_hash.map(Text::Borrowed);
        self.subresources = facts.subresources.iter().map(|facts| self.published(facts)).collect();
    }

    fn published(&self, facts: &'static SubresourceFacts) -> Subresource {
        let (group, version) = match &facts.foreign {
            Some(kind) => (kind.group.clone(), kind.version.clone()),
            None => (self.group.clone(), self.version.clone()),
        };
        Subresource {
            name: facts.name.into(),
            group,
            version,
            kind: facts.kind.into(),
            verbs: texts(&facts.verbs),
        }
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.api_version(), self.plural)
    }
}

fn texts(words: &[&'static str]) -> Vec<Text> {
    words.iter().map(|word| Text::Borrowed(word)).collect()
}

/// The type of a kind that nothing is known of but that it is one.
fn metadata_only(kind: &Kind) -> TypeRef {
    let partial = tables::types().get("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    let metadata = partial.map_or(Schema::Opaque(Opaque::Object), Schema::Object);
    let field = |name: &'static str, schema| Field::plain(name.into(), schema);
    TypeRef::from(Type {
        name: kind.kind.into(),
        fields: vec![
            field("apiVersion", Schema::String),
            field("kind", Schema::String),
            field("metadata", metadata),
            field("spec", Schema::Opaque(Opaque::Object)),
            field("status", Schema::Opaque(Opaque::Object)),
        ],
        map_type: None,
        kinds: Vec::new(),
        unions: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Plain;

    static DEPLOYMENT: Kind = Kind {
        group: "apps",
        version: "v1",
        kind: "Deployment",
        plural: "deployments",
        strategy: &Plain,
        columns: &[],
        sealed: false,
    };
    static POD: Kind = Kind {
        group: "",
        version: "v1",
        kind: "Pod",
        plural: "pods",
        strategy: &Plain,
        columns: &[],
        sealed: false,
    };

    #[test]
    fn a_declared_kind_learns_what_was_published_of_it() {
        let registry = Registry::of(&[&DEPLOYMENT]);
        let deployments = registry.resource("apps", "v1", "deployments").unwrap();
        assert_eq!(deployments.short_names, ["deploy"]);
        assert_eq!(deployments.categories, ["all"]);
        assert!(deployments.namespaced && deployments.has_status());
        assert_eq!(deployments.schema().name, "io.k8s.api.apps.v1.Deployment");
        assert_eq!(deployments.message.unwrap().name, "k8s.io.api.apps.v1.Deployment");
        assert_eq!(deployments.qualified(), "deployments.apps");
    }

    #[test]
    fn a_subresource_tells_the_kind_of_its_bodies() {
        let registry = Registry::of(&[&DEPLOYMENT, &POD]);
        let kind_of = |group, plural, name: &str| {
            let resource = registry.resource(group, "v1", plural).unwrap();
            let found = resource.subresource(name).unwrap().clone();
            format!("{}/{} {}", found.group, found.version, found.kind)
        };
        assert_eq!(kind_of("apps", "deployments", "scale"), "autoscaling/v1 Scale");
        assert_eq!(kind_of("", "pods", "eviction"), "policy/v1 Eviction");
        assert_eq!(kind_of("", "pods", "binding"), "/v1 Binding");
    }

    #[test]
    fn every_kind_known_at_build_time_was_published() {
        for resource in
            Registry::builtin().resources().iter().filter(|resource| !resource.group.contains("rutter"))
        {
            let facts = tables::resource(&resource.group, &resource.version, &resource.plural);
            assert_eq!(facts.map(|facts| facts.kind), Some(resource.kind.as_ref()), "{resource:?}");
            assert!(resource.message.is_some(), "{resource:?}");
            assert!(!resource.schema().kinds.is_empty(), "{resource:?}");
        }
    }

    #[test]
    fn a_resource_added_again_replaces_the_one_before() {
        let mut registry = Registry::of(&[&DEPLOYMENT, &POD]);
        let mut pods = (*registry.by_kind("", "v1", "Pod").unwrap()).clone();
        pods.short_names = vec!["p".into()];
        registry.add(Arc::new(pods));
        assert_eq!(registry.resources().len(), 2);
        assert_eq!(registry.resource("", "v1", "pods").unwrap().short_names, ["p"]);
    }
}
