//! A path and a method become a `RequestInfo`, by the rules of upstream's `RequestInfoFactory`
//! (k8s.io/apiserver/pkg/endpoints/request/requestinfo.go), so that authorization, audit and
//! metrics see the same nouns and verbs as there.

use http::Method;
use percent_encoding::percent_decode_str;

use super::Query;

/// What is done to a resource. `Other` is a method that no resource answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
    Other,
}

impl Verb {
    /// The verb as rules and metrics spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Watch => "watch",
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
            Verb::DeleteCollection => "deletecollection",
            Verb::Other => "",
        }
    }
}

/// A request for a resource of an API group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestInfo {
    pub verb: Verb,
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    /// Empty for cluster scope, and for all namespaces of a list.
    pub namespace: String,
    /// The plural, as in the path.
    pub resource: String,
    pub subresource: String,
    /// Empty for a collection.
    pub name: String,
    /// What follows the subresource: the path behind `…/proxy/`, without its leading slash.
    pub rest: String,
    /// Asked through `/api/v1/watch/…`.
    pub legacy_watch: bool,
}

impl RequestInfo {
    /// `v1` or `apps/v1`.
    pub fn group_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Resource(RequestInfo),
    /// Anything that is not below a group's version: discovery, health, metrics, or nothing at all.
    Page(String),
    /// A path below a version from which no resource can be read.
    Unreadable(&'static str),
}

/// Namespaces have these of their own; any other third part is a resource inside the namespace.
const NAMESPACE_SUBRESOURCES: [&str; 2] = ["status", "finalize"];

/// Reads the path.
///
/// A collection's `GET` is a list, or a watch when the query says so.
pub fn read(method: &Method, path: &str, query: &Query) -> Target {
    let Some((group, version, parts)) = below_version(path) else { return Target::Page(path.to_owned()) };
    let mut parts: Vec<String> = parts.into_iter().map(decoded).collect();

    let legacy_watch = parts[0] == "watch";
    if legacy_watch {
        if parts.len() < 2 {
            return Target::Unreadable("unable to determine kind and namespace from url");
        }
        parts.remove(0);
    }

    let mut namespace = String::new();
    if parts[0] == "namespaces" && parts.len() > 1 {
        namespace.clone_from(&parts[1]);
        if parts.len() > 2 && !NAMESPACE_SUBRESOURCES.contains(&parts[2].as_str()) {
            parts.drain(..2);
        }
    }

    let mut parts = parts.into_iter();
    let resource = parts.next().unwrap_or_default();
    let name = parts.next().unwrap_or_default();
    let subresource = parts.next().unwrap_or_default();
    let rest = parts.collect::<Vec<_>>().join("/");
    let verb = verb(method, &name, legacy_watch, query);
    Target::Resource(RequestInfo {
        verb,
        group,
        version,
        namespace,
        resource,
        subresource,
        name,
        rest,
        legacy_watch,
    })
}

/// Splits `/api/v1/…` and `/apis/g/v/…`; none for anything shorter or elsewhere.
fn below_version(path: &str) -> Option<(String, String, Vec<&str>)> {
    let path = path.strip_prefix('/')?;
    let mut parts: Vec<&str> = path.split('/').collect();
    if parts.last().is_some_and(|last| last.is_empty()) {
        parts.pop();
    }
    match parts.first().copied()? {
        "api" if parts.len() > 2 => Some((String::new(), decoded(parts[1]), parts.split_off(2))),
        "apis" if parts.len() > 3 => Some((decoded(parts[1]), decoded(parts[2]), parts.split_off(3))),
        _ => None,
    }
}

fn verb(method: &Method, name: &str, legacy_watch: bool, query: &Query) -> Verb {
    if legacy_watch {
        return Verb::Watch;
    }
    match *method {
        Method::GET | Method::HEAD if !name.is_empty() => Verb::Get,
        Method::GET | Method::HEAD if query.flag("watch") => Verb::Watch,
        Method::GET | Method::HEAD => Verb::List,
        Method::POST => Verb::Create,
        Method::PUT => Verb::Update,
        Method::PATCH => Verb::Patch,
        Method::DELETE if name.is_empty() => Verb::DeleteCollection,
        Method::DELETE => Verb::Delete,
        _ => Verb::Other,
    }
}

fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `verb group/version ns=… resource/subresource name=… rest=…`, or what else the path is.
    fn shown(method: Method, uri: &str) -> String {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        match read(&method, path, &Query::parse(query)) {
            Target::Page(page) => format!("page {page}"),
            Target::Unreadable(why) => format!("unreadable: {why}"),
            Target::Resource(i) => format!(
                "{} {} ns={} {}/{} name={} rest={}",
                i.verb.as_str(),
                i.group_version(),
                i.namespace,
                i.resource,
                i.subresource,
                i.name,
                i.rest
            ),
        }
    }

    proptest::proptest! {
        #[test]
        fn any_path_means_something(path in "(/(api|apis|v1|watch|namespaces|%[0-9a-g]{2}|[^/]{0,8})){0,9}/?", query in ".{0,40}") {
            read(&Method::GET, &path, &Query::parse(&query));
            read(&Method::POST, &format!("/{path}"), &Query::default());
        }
    }

    #[test]
    fn paths_mean_what_they_mean_upstream() {
        let cases = [
            (Method::GET, "/api", "page /api"),
            (Method::GET, "/api/v1", "page /api/v1"),
            (Method::GET, "/api/v1/", "page /api/v1/"),
            (Method::GET, "/apis/apps/v1", "page /apis/apps/v1"),
            (Method::GET, "/healthz/etcd", "page /healthz/etcd"),
            (Method::GET, "/api/v1/pods", "list v1 ns= pods/ name= rest="),
            (Method::GET, "/api/v1/pods?watch=true", "watch v1 ns= pods/ name= rest="),
            (Method::GET, "/api/v1/pods?watch=0", "list v1 ns= pods/ name= rest="),
            (Method::GET, "/api/v1/namespaces/a/pods/b", "get v1 ns=a pods/ name=b rest="),
            (Method::GET, "/api/v1/namespaces/a/pods/b/log", "get v1 ns=a pods/log name=b rest="),
            (Method::GET, "/api/v1/namespaces", "list v1 ns= namespaces/ name= rest="),
            (Method::GET, "/api/v1/namespaces/a", "get v1 ns=a namespaces/ name=a rest="),
            (Method::PUT, "/api/v1/namespaces/a/finalize", "update v1 ns=a namespaces/finalize name=a rest="),
            (Method::DELETE, "/api/v1/namespaces/a/pods", "deletecollection v1 ns=a pods/ name= rest="),
            (
                Method::PATCH,
                "/apis/apps/v1/namespaces/a/deployments/w/scale",
                "patch apps/v1 ns=a deployments/scale name=w rest=",
            ),
            (Method::GET, "/api/v1/watch/namespaces/a/pods/b", "watch v1 ns=a pods/ name=b rest="),
            (Method::GET, "/api/v1/watch", "unreadable: unable to determine kind and namespace from url"),
            (
                Method::GET,
                "/api/v1/namespaces/a/services/http:web:80/proxy/x/y?z=1",
                "get v1 ns=a services/proxy name=http:web:80 rest=x/y",
            ),
            (
                Method::GET,
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
                "get rbac.authorization.k8s.io/v1 ns= clusterroles/ name=system:node rest=",
            ),
        ];
        for (method, uri, expected) in cases {
            assert_eq!(shown(method, uri), expected, "{uri}");
        }
    }
}
