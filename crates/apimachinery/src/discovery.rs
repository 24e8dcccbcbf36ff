//! What a server tells of itself: groups, versions and resources, in upstream's order and form.
//!
//! Plain documents, one a path, serve every client; aggregated ones (`apidiscovery.k8s.io` v2 and v2beta1) say all of it in two
//! answers, for clients that ask for them. Groups and versions stand in the order of the published discovery, which is
//! upstream's priority; what was not published comes after, versions by Kubernetes' rule, stable ones first.

use std::cmp::Reverse;

use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use crate::registry::{Registry, Resource, Subresource, Text};
use crate::tables;

/// Which of the two aggregated documents: `/api` or `/apis`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    Core,
    Groups,
}

/// The version of `apidiscovery.k8s.io`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V2,
    V2Beta1,
}

/// `/api`: the versions of the core group. `server_address` is `host:port`.
#[must_use]
pub fn api_versions(server_address: &str) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": server_address }],
    })
}

/// `/apis`: every group but the core one.
#[must_use]
pub fn group_list(registry: &Registry) -> Value {
    let groups = groups(registry).into_iter().filter(|group| !group.is_empty());
    let groups: Vec<Value> = groups.map(|group| group_document(registry, &group)).collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

/// `/apis/<group>`; none when nothing of it is served.
#[must_use]
pub fn group(registry: &Registry, group: &str) -> Option<Value> {
    if group.is_empty() || !registry.resources().iter().any(|resource| resource.group == group) {
        return None;
    }
    let mut document = group_document(registry, group);
    document["kind"] = "APIGroup".into();
    document["apiVersion"] = "v1".into();
    Some(document)
}

fn group_document(registry: &Registry, group: &str) -> Value {
    let versions: Vec<Value> =
        versions(registry, group).iter().map(|version| group_version(group, version)).collect();
    json!({ "name": group, "preferredVersion": versions.first(), "versions": versions })
}

fn group_version(group: &str, version: &str) -> Value {
    json!({ "groupVersion": tables::api_version(group, version), "version": version })
}

/// `/api/v1` (group `""`) and `/apis/<group>/<version>`; none when nothing of it is served.
#[must_use]
pub fn resource_list(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let served = served(registry, group, version);
    if served.is_empty() {
        return None;
    }
    let resources: Vec<Value> = served.into_iter().flat_map(listed).collect();
    let mut list = json!({
        "kind": "APIResourceList",
        "groupVersion": tables::api_version(group, version),
        "resources": resources,
    });
    if !group.is_empty() {
        list["apiVersion"] = "v1".into();
    }
    Some(list)
}

fn listed(resource: &Resource) -> Vec<Value> {
    let mut own = json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": resource.verbs,
    });
    put_list(&mut own, "shortNames", &resource.short_names);
    put_list(&mut own, "categories", &resource.categories);
    if let Some(hash) = &resource.storage_version_hash {
        own["storageVersionHash"] = hash.as_ref().into();
    }
    let subresources =
        resource.subresources.iter().map(|subresource| listed_subresource(resource, subresource));
    std::iter::once(own).chain(subresources).collect()
}

fn listed_subresource(resource: &Resource, subresource: &Subresource) -> Value {
    let mut listed = json!({
        "name": format!("{}/{}", resource.plural, subresource.name),
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": subresource.kind,
        "verbs": subresource.verbs,
    });
    if is_foreign(resource, subresource) {
        if !subresource.group.is_empty() {
            listed["group"] = subresource.group.as_ref().into();
        }
        listed["version"] = subresource.version.as_ref().into();
    }
    listed
}

/// An aggregated document.
#[must_use]
pub fn aggregated(registry: &Registry, root: Root, version: Version) -> Value {
    let of_root = |group: &Text| group.is_empty() == (root == Root::Core);
    let items = groups(registry).into_iter().filter(of_root).map(|group| aggregated_group(registry, &group));
    let api_version = match version {
        Version::V2 => "apidiscovery.k8s.io/v2",
        Version::V2Beta1 => "apidiscovery.k8s.io/v2beta1",
    };
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": api_version,
        "metadata": {},
        "items": items.collect::<Vec<_>>(),
    })
}

fn aggregated_group(registry: &Registry, group: &str) -> Value {
    let metadata = if group.is_empty() { json!({}) } else { json!({ "name": group }) };
    let versions = versions(registry, group).into_iter().map(|version| {
        let resources: Vec<Value> =
            served(registry, group, &version).into_iter().map(aggregated_resource).collect();
        json!({ "version": version, "resources": resources, "freshness": "Current" })
    });
    json!({ "metadata": metadata, "versions": versions.collect::<Vec<_>>() })
}

fn aggregated_resource(resource: &Resource) -> Value {
    let mut aggregated = json!({
        "resource": resource.plural,
        "responseKind": { "group": "", "version": "", "kind": resource.kind },
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    });
    put_list(&mut aggregated, "shortNames", &resource.short_names);
    put_list(&mut aggregated, "categories", &resource.categories);
    let subresources: Vec<Value> = resource
        .subresources
        .iter()
        .map(|subresource| aggregated_subresource(resource, subresource))
        .collect();
    if !subresources.is_empty() {
        aggregated["subresources"] = subresources.into();
    }
    aggregated
}

fn aggregated_subresource(resource: &Resource, subresource: &Subresource) -> Value {
    let (group, version) = match is_foreign(resource, subresource) {
        true => (subresource.group.as_ref(), subresource.version.as_ref()),
        false => ("", ""),
    };
    json!({
        "subresource": subresource.name,
        "responseKind": { "group": group, "version": version, "kind": subresource.kind },
        "verbs": subresource.verbs,
    })
}

/// The ETag of a document: quotes included, the same for equal documents.
#[must_use]
pub fn etag(document: &[u8]) -> String {
    let digest = Sha512::digest(document);
    let hex: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("\"{hex}\"")
}

/// The groups served, in the order they are told.
#[must_use]
pub fn groups(registry: &Registry) -> Vec<Text> {
    let mut groups: Vec<Text> = registry.resources().iter().map(|resource| resource.group.clone()).collect();
    groups.sort_by(|a, b| (place_of_group(a), a).cmp(&(place_of_group(b), b)));
    groups.dedup();
    groups
}

fn place_of_group(group: &str) -> usize {
    let published = tables::groups();
    published.iter().position(|facts| facts.name == group).unwrap_or(published.len())
}

/// The versions served of a group, the preferred one first.
#[must_use]
pub fn versions(registry: &Registry, group: &str) -> Vec<Text> {
    let of_group = registry.resources().iter().filter(|resource| resource.group == group);
    let mut versions: Vec<Text> = of_group.map(|resource| resource.version.clone()).collect();
    versions.sort_by_cached_key(|version| (place_of_version(group, version), version_priority(version)));
    versions.dedup();
    versions
}

fn place_of_version(group: &str, version: &str) -> usize {
    let published = tables::groups().iter().find(|facts| facts.name == group);
    let place = published.and_then(|facts| facts.versions.iter().position(|facts| facts.name == version));
    place.unwrap_or(usize::MAX)
}

/// Kubernetes' order of versions: stable, beta, alpha, the higher number first; other names after them, by name
/// (k8s.io/apimachinery/pkg/version, CompareKubeAwareVersionStrings).
pub(crate) fn version_priority(version: &str) -> (u8, Reverse<(u32, u32)>, String) {
    let Some((major, stage, minor)) = parse_version(version) else {
        return (3, Reverse((0, 0)), version.to_owned());
    };
    (stage, Reverse((major, minor)), String::new())
}

/// `v2beta1` → (2, beta, 1).
fn parse_version(version: &str) -> Option<(u32, u8, u32)> {
    let rest = version.strip_prefix('v')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let major = rest[..end].parse().ok()?;
    let (stage, minor) = match &rest[end..] {
        "" => return Some((major, 0, 0)),
        rest => rest
            .strip_prefix("beta")
            .map(|minor| (1, minor))
            .or(rest.strip_prefix("alpha").map(|minor| (2, minor)))?,
    };
    Some((major, stage, minor.parse().ok()?))
}

fn served<'a>(registry: &'a Registry, group: &str, version: &str) -> Vec<&'a Resource> {
    let all = registry.resources().iter().map(AsRef::as_ref);
    let mut served: Vec<&Resource> =
        all.filter(|resource| resource.group == group && resource.version == version).collect();
    served.sort_by(|a, b| a.plural.cmp(&b.plural));
    served
}

fn is_foreign(resource: &Resource, subresource: &Subresource) -> bool {
    (&resource.group, &resource.version) != (&subresource.group, &subresource.version)
}

fn put_list(document: &mut Value, name: &str, list: &[Text]) {
    if !list.is_empty() {
        document[name] = json!(list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_stand_stable_first_and_higher_first() {
        let mut versions =
            ["foo10", "v1", "v11alpha2", "v10", "v3beta1", "v2", "v12alpha1", "foo1", "v11beta2", "v10beta3"];
        versions.sort_by_cached_key(|version| version_priority(version));
        assert_eq!(
            versions,
            ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"]
        );
    }

    #[test]
    fn a_group_of_which_nothing_is_served_is_not_found() {
        let registry = Registry::default();
        assert_eq!(group(&registry, "apps"), None);
        assert_eq!(resource_list(&registry, "", "v1"), None);
        assert_eq!(group_list(&registry)["groups"], json!([]));
    }
}
