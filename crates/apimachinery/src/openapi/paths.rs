//! The paths of a resource and what each HTTP method does there: all of it follows from scope, verbs and subresources
//! (k8s.io/apiserver/pkg/endpoints/installer.go).

use super::meta;
use super::operations::{Body, Operation};
use crate::registry::{Resource, Subresource};
use crate::tables::{self, GroupVersionKind, TypeRef};

/// Subresources that are a connection rather than an object.
const CONNECTIONS: [&str; 4] = ["attach", "exec", "portforward", "proxy"];

/// Every path of a resource with its operations.
pub(super) fn of(resource: &Resource) -> Vec<(String, Vec<Operation>)> {
    let room = Room::of(resource);
    let mut paths = vec![room.collection(), room.item()];
    paths.extend(room.everywhere());
    paths.extend(room.watches());
    for subresource in &resource.subresources {
        paths.extend(room.subresource(subresource));
    }
    paths.retain(|(_, operations)| !operations.is_empty());
    paths
}

/// The path that lists the resources of a group-version.
pub(super) fn resource_list(group: &str, version: &str) -> (String, Operation) {
    let operation = Operation {
        method: "get",
        action: None,
        id: format!("get{}{}APIResources", id_of_group(group), capital(version)),
        tag: tag(group, version),
        kind: None,
        query: &[],
        body: None,
        answer: meta("APIResourceList"),
        created: false,
    };
    (format!("{}/", root(group, version)), operation)
}

/// A resource, with what the paths and operations of it have in common.
struct Room<'a> {
    resource: &'a Resource,
    kind: GroupVersionKind,
    schema: Option<TypeRef>,
    list: Option<TypeRef>,
    /// `/apis/apps/v1`.
    root: String,
    /// `/apis/apps/v1/namespaces/{namespace}/deployments`.
    collection: String,
}

impl<'a> Room<'a> {
    fn of(resource: &'a Resource) -> Room<'a> {
        let root = root(&resource.group, &resource.version);
        let scope = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
        let kind = resource.group_version_kind();
        let list = GroupVersionKind { kind: resource.list_kind.clone(), ..kind.clone() };
        Room {
            resource,
            schema: Some(resource.schema.clone()),
            list: resource.list_schema.clone().or_else(|| tables::types().by_kind(&list)),
            collection: format!("{root}{scope}/{}", resource.plural),
            root,
            kind,
        }
    }

    fn collection(&self) -> (String, Vec<Operation>) {
        let mut operations = Vec::new();
        if self.resource.allows("list") {
            operations.push(self.operation("get", "list", &self.id("list", "", ""), self.list.clone()));
        }
        if self.resource.allows("create") {
            let mut create = self.operation("post", "post", &self.id("create", "", ""), self.schema.clone());
            create.body = Some(Body::Object(self.resource.schema.clone()));
            create.created = true;
            operations.push(create);
        }
        if self.resource.allows("deletecollection") {
            let id = self.id("delete", "Collection", "");
            let mut delete = self.operation("delete", "deletecollection", &id, meta("Status"));
            delete.body = Some(Body::DeleteOptions);
            operations.push(delete);
        }
        (self.collection.clone(), operations)
    }

    fn item(&self) -> (String, Vec<Operation>) {
        let verbs = self.resource.verbs.iter().map(AsRef::as_ref);
        let operations = self.object_operations(
            verbs.filter(|verb| *verb != "create"),
            "",
            &self.kind,
            &self.resource.schema,
        );
        (format!("{}/{{name}}", self.collection), operations)
    }

    /// The list of all namespaces.
    fn everywhere(&self) -> Option<(String, Vec<Operation>)> {
        if !self.resource.namespaced || !self.resource.allows("list") {
            return None;
        }
        let id = format!("list{}{}ForAllNamespaces", self.id_root(), self.resource.kind);
        let list = self.operation("get", "list", &id, self.list.clone());
        Some((format!("{}/{}", self.root, self.resource.plural), vec![list]))
    }

    /// The old paths of watches, which clients no longer use but upstream serves.
    fn watches(&self) -> Vec<(String, Vec<Operation>)> {
        if !self.resource.allows("watch") {
            return Vec::new();
        }
        let collection = self.collection.replacen(&self.root, &format!("{}/watch", self.root), 1);
        let watch = |action, id: &str| vec![self.operation("get", action, id, meta("WatchEvent"))];
        let one = watch("watch", &self.id("watch", "", ""));
        let many = watch("watchlist", &self.id("watch", "", "List"));
        let mut paths = vec![(format!("{collection}/{{name}}"), one), (collection, many)];
        if self.resource.namespaced {
            let id = format!("watch{}{}ListForAllNamespaces", self.id_root(), self.resource.kind);
            paths.push((format!("{}/watch/{}", self.root, self.resource.plural), watch("watchlist", &id)));
        }
        paths
    }

    fn subresource(&self, subresource: &Subresource) -> Vec<(String, Vec<Operation>)> {
        let path = format!("{}/{{name}}/{}", self.collection, subresource.name);
        let kind = GroupVersionKind {
            group: subresource.group.clone(),
            version: subresource.version.clone(),
            kind: subresource.kind.clone(),
        };
        if !CONNECTIONS.contains(&subresource.name.as_ref()) {
            let schema = tables::types().by_kind(&kind).unwrap_or_else(|| self.resource.schema.clone());
            let verbs = subresource.verbs.iter().map(AsRef::as_ref);
            return vec![(path, self.object_operations(verbs, &subresource.name, &kind, &schema))];
        }
        if subresource.name != "proxy" {
            return vec![(path, self.connections(&["get", "post"], subresource, &kind, ""))];
        }
        let methods = ["get", "put", "post", "delete", "options", "head", "patch"];
        let beyond = self.connections(&methods, subresource, &kind, "WithPath");
        vec![(format!("{path}/{{path}}"), beyond), (path, self.connections(&methods, subresource, &kind, ""))]
    }

    fn object_operations<'v>(
        &self,
        verbs: impl Iterator<Item = &'v str>,
        subresource: &str,
        kind: &GroupVersionKind,
        schema: &TypeRef,
    ) -> Vec<Operation> {
        let suffix = capital(subresource);
        let operation = |method, action, verb, body| {
            let mut operation =
                self.operation(method, action, &self.id(verb, "", &suffix), Some(schema.clone()));
            operation.query = super::parameters::of(Some(action), subresource);
            operation.kind = Some(kind.clone());
            operation.body = body;
            match (verb, subresource) {
                ("delete", _) if !self.resource.answers_deletion_with_object() => {
                    operation.answer = meta("Status")
                }
                (_, "log") => operation.answer = None,
                _ => {}
            }
            operation
        };
        let of_verb = |verb| match verb {
            "get" => Some(operation("get", "get", "read", None)),
            "update" => Some(operation("put", "put", "replace", Some(Body::Object(schema.clone())))),
            "patch" => Some(operation(
                "patch",
                "patch",
                "patch",
                Some(Body::Patch { strategic: self.resource.custom.is_none() }),
            )),
            "create" => Some(operation("post", "post", "create", Some(Body::Object(schema.clone())))),
            "delete" => Some(operation("delete", "delete", "delete", Some(Body::DeleteOptions))),
            _ => None,
        };
        verbs
            .filter_map(of_verb)
            .map(|operation| Operation { created: operation.makes(), ..operation })
            .collect()
    }

    fn connections(
        &self,
        methods: &[&'static str],
        subresource: &Subresource,
        kind: &GroupVersionKind,
        suffix: &str,
    ) -> Vec<Operation> {
        let connection = |method: &&'static str| {
            let suffix = format!("{}{suffix}", capital(&subresource.name));
            let id = self.id(&format!("connect_{method}"), "", &suffix);
            let mut operation = self.operation(method, "connect", &id, None);
            operation.query = super::parameters::of(Some("connect"), &subresource.name);
            operation.kind = Some(kind.clone());
            operation
        };
        methods.iter().map(connection).collect()
    }

    fn operation(
        &self,
        method: &'static str,
        action: &'static str,
        id: &str,
        answer: Option<TypeRef>,
    ) -> Operation {
        Operation {
            method,
            action: Some(action),
            id: id.to_owned(),
            tag: tag(&self.resource.group, &self.resource.version),
            kind: Some(self.kind.clone()),
            query: super::parameters::of(Some(action), ""),
            body: None,
            answer,
            created: false,
        }
    }

    /// `replaceAppsV1NamespacedDeploymentScale`; the method of a connection stands behind the version.
    fn id(&self, verb: &str, before: &str, after: &str) -> String {
        let (verb, method) = verb.split_once('_').unwrap_or((verb, ""));
        let namespaced = if self.resource.namespaced { "Namespaced" } else { "" };
        let (root, method) = (self.id_root(), capital(method));
        format!("{verb}{root}{method}{before}{namespaced}{}{after}", self.resource.kind)
    }

    /// `AppsV1`.
    fn id_root(&self) -> String {
        format!("{}{}", id_of_group(&self.resource.group), capital(&self.resource.version))
    }
}

fn root(group: &str, version: &str) -> String {
    format!("/{}", super::path_of(group, version))
}

/// `apps_v1`, `core_v1`.
fn tag(group: &str, version: &str) -> String {
    let group = id_of_group(group);
    let mut letters = group.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    format!("{}{}_{version}", first.map(String::from).unwrap_or_default(), letters.as_str())
}

/// `RbacAuthorization` of `rbac.authorization.k8s.io`.
fn id_of_group(group: &str) -> String {
    let group = if group.is_empty() { "core" } else { group };
    group.strip_suffix(".k8s.io").unwrap_or(group).split('.').map(capital).collect()
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
