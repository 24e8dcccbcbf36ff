//! The resources served: every declared kind joined with what the published tables say of it.
//!
//! A registry is a value: built once, shared by `Arc`, and extended by making another one. A resource that came from
//! a custom resource definition stands beside those known at build time and is used in the same way.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::kind::{Column, Kind, Strategy};

/// Text that is static for kinds known at build time and owned for those defined at run time.
pub type Text = Cow<'static, str>;

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
    pub strategy: &'static dyn Strategy,
    pub columns: &'static [Column],
    pub sealed: bool,
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
        match self.group.as_ref() {
            "" => self.version.to_string(),
            group => format!("{group}/{}", self.version),
        }
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

    pub fn allows(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }
}

/// The resources served, in the order they were declared.
#[derive(Clone, Default)]
pub struct Registry {
    resources: Vec<Arc<Resource>>,
    by_plural: HashMap<(Text, Text, Text), usize>,
    by_kind: HashMap<(Text, Text, Text), usize>,
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

    /// The resource whose objects are of this kind.
    pub fn by_kind(&self, group: &str, version: &str, kind: &str) -> Option<Arc<Resource>> {
        let index = *self.by_kind.get(&key(group, version, kind))?;
        Some(self.resources[index].clone())
    }

    /// Every resource, in the order they were declared.
    pub fn resources(&self) -> &[Arc<Resource>] {
        &self.resources
    }
}

fn key(group: &str, version: &str, name: &str) -> (Text, Text, Text) {
    (Cow::Owned(group.to_owned()), Cow::Owned(version.to_owned()), Cow::Owned(name.to_owned()))
}

fn declared(kind: &'static Kind) -> Resource {
    Resource {
        group: kind.group.into(),
        version: kind.version.into(),
        kind: kind.kind.into(),
        plural: kind.plural.into(),
        singular: kind.kind.to_lowercase().into(),
        list_kind: format!("{}List", kind.kind).into(),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced: true,
        verbs: Vec::new(),
        subresources: Vec::new(),
        strategy: kind.strategy,
        columns: kind.columns,
        sealed: kind.sealed,
    }
}
