//! What an operator types for an object, such as `deploy/web`, found in the cluster's discovery.

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Client;

/// A resource type as discovery tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceType {
    pub group: String,
    pub version: String,
    pub resource: String,
    pub kind: String,
    pub namespaced: bool,
}

/// What was asked for: a type, and the name of one object of it where there was one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub resource: ResourceType,
    /// Empty for what is cluster-scoped.
    pub namespace: String,
    pub name: Option<String>,
}

impl Target {
    /// Resolves `pods`, `deploy/web`, `deployments.apps/web` or `deploy web`.
    pub async fn find(client: &Client, words: &[String], namespace: Option<&str>) -> Result<Target> {
        let (typed, name) = match words {
            [both] => both.split_once('/').map_or((both.as_str(), None), |(typed, name)| (typed, Some(name))),
            [typed, name] => (typed.as_str(), Some(name.as_str())),
            _ => anyhow::bail!("say what as TYPE, TYPE/NAME or TYPE NAME, such as deploy/web"),
        };
        let resource = ResourceType::find(client, typed).await?;
        let namespace = if resource.namespaced { namespace.unwrap_or(&client.namespace) } else { "" };
        Ok(Target { namespace: namespace.to_owned(), name: name.map(str::to_owned), resource })
    }

    /// The path of the object, or of the collection when there is no name.
    pub fn path(&self) -> String {
        let ResourceType { group, version, resource, .. } = &self.resource;
        let mut path =
            if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        if !self.namespace.is_empty() {
            path += &format!("/namespaces/{}", percent(&self.namespace));
        }
        path += &format!("/{resource}");
        if let Some(name) = &self.name {
            path += &format!("/{}", percent(name));
        }
        path
    }

    /// The key of the object as query parameters.
    pub fn query(&self) -> String {
        let ResourceType { group, resource, .. } = &self.resource;
        let name = self.name.as_deref().unwrap_or_default();
        format!(
            "group={group}&resource={resource}&namespace={}&name={}",
            percent(&self.namespace),
            percent(name)
        )
    }
}

impl ResourceType {
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The types of namespaces' contents that people make and keep: all that can be read, written and ended, but for what
    /// tells of the others and passes.
    pub async fn lasting(client: &Client) -> Result<Vec<ResourceType>> {
        let all = ResourceType::all(client).await?.into_iter();
        let lasting = |found: &Discovered| {
            let may = ["create", "delete", "list", "update"];
            let passes = ["events", "leases", "endpoints", "endpointslices"];
            found.resource.namespaced
                && may.iter().all(|verb| found.verbs.iter().any(|known| known == verb))
                && !passes.contains(&found.resource.resource.as_str())
        };
        Ok(all.filter(lasting).map(|found| found.resource).collect())
    }

    async fn find(client: &Client, typed: &str) -> Result<ResourceType> {
        let types = ResourceType::all(client).await?;
        let (word, group) = typed.split_once('.').map_or((typed, None), |(word, group)| (word, Some(group)));
        let word = word.to_lowercase();
        let matches = |found: &Discovered| {
            let names = [&found.resource.resource, &found.singular, &found.resource.kind.to_lowercase()];
            (names.contains(&&word) || found.short_names.contains(&word))
                && group.is_none_or(|group| group == found.resource.group)
        };
        let found = types.into_iter().find(matches);
        Ok(found.with_context(|| format!("the server doesn't have a resource type \"{typed}\""))?.resource)
    }

    /// In the server's order of preference.
    async fn all(client: &Client) -> Result<Vec<Discovered>> {
        let core: List = client.get("/api/v1").await?;
        let mut all = core.types("", "v1");
        let groups: Groups = client.get("/apis").await?;
        for group in groups.groups {
            let version = group.preferred_version.version;
            let list: List = client.get(&format!("/apis/{}/{version}", group.name)).await?;
            all.extend(list.types(&group.name, &version));
        }
        Ok(all)
    }
}

struct Discovered {
    resource: ResourceType,
    verbs: Vec<String>,
    singular: String,
    short_names: Vec<String>,
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    name: String,
    preferred_version: Version,
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

#[derive(Deserialize)]
struct List {
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    name: String,
    #[serde(default)]
    singular_name: String,
    namespaced: bool,
    kind: String,
    #[serde(default)]
    short_names: Vec<String>,
    #[serde(default)]
    verbs: Vec<String>,
}

impl List {
    fn types(self, group: &str, version: &str) -> Vec<Discovered> {
        let whole = self.resources.into_iter().filter(|resource| !resource.name.contains('/'));
        let discovered = whole.map(|resource| Discovered {
            resource: ResourceType {
                group: group.to_owned(),
                version: version.to_owned(),
                resource: resource.name,
                kind: resource.kind,
                namespaced: resource.namespaced,
            },
            verbs: resource.verbs,
            singular: resource.singular_name,
            short_names: resource.short_names,
        });
        discovered.collect()
    }
}

/// Percent-encodes what may not stand in a path segment or query value (RFC 3986, unreserved).
pub fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_one_segment() {
        let resource = ResourceType {
            group: "apps".into(),
            version: "v1".into(),
            resource: "deployments".into(),
            kind: "Deployment".into(),
            namespaced: true,
        };
        let target = Target { resource, namespace: "a".into(), name: Some("x/y z".into()) };
        assert_eq!(target.path(), "/apis/apps/v1/namespaces/a/deployments/x%2Fy%20z");
    }
}
