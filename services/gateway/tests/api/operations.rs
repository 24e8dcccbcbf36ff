//! Every published operation, asked of a running gateway. What it answers is `docs/api.md`: `make api-table` writes the
//! page, and this test holds it against the answers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::Method;
use rutter_apimachinery::tables::{self, Operation, PathOperations};
use serde_json::Value;

use crate::client::Client;
use crate::cluster::Cluster;

/// By group: each path, and what its verbs were answered with.
type Groups<'a> = BTreeMap<String, Vec<(&'a str, BTreeMap<&'a str, &'static str>)>>;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md");
const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

#[tokio::test(flavor = "multi_thread")]
async fn every_published_operation_is_served_or_says_why_not() {
    let cluster = Cluster::start().await;
    let client = cluster.admin();
    let mut groups: Groups<'_> = BTreeMap::new();
    let mut wrong = Vec::new();
    let (mut served, mut total) = (0, 0);
    let all = tables::operations().iter();
    let asked = all.flat_map(|path| path.operations.iter().map(move |operation| (path, operation)));
    let mut outcomes = stream::iter(asked)
        .map(|(path, operation)| {
            let client = client.clone();
            async move { (path.path, operation.method, outcome(&client, path, operation).await) }
        })
        .buffered(32);
    while let Some((path, method, outcome)) = outcomes.next().await {
        let told = match (outcome, reason(path)) {
            (Ok(()), _) => "yes",
            (Err(_), Some(why)) => why,
            (Err(found), None) => {
                wrong.push(format!("{method} {path}: {found}"));
                "no"
            }
        };
        total += 1;
        served += usize::from(told == "yes");
        let rows = groups.entry(group(path)).or_default();
        match rows.last_mut().filter(|(known, _)| *known == path) {
            Some((_, row)) => drop(row.insert(method, told)),
            None => rows.push((path, BTreeMap::from([(method, told)]))),
        }
    }
    drop(outcomes);
    cluster.stop().await;
    assert_eq!(wrong, Vec::<String>::new(), "operations that are neither served nor excused");

    let page = page(&groups, served, total);
    if std::env::var_os("RUTTER_WRITE_API_TABLE").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let kept = std::fs::read_to_string(Path::new(PAGE)).unwrap_or_default();
    assert!(kept == page, "docs/api.md is not what the gateway answers: run `make api-table`");
}

/// Asks for one operation, of an object that is not there where it takes a name.
async fn outcome(client: &Client, path: &PathOperations, operation: &Operation) -> Result<(), String> {
    let namespace = if path.path == "/api/v1/namespaces/{name}/finalize" { "absent" } else { "default" };
    let filled = path.path.replace("{namespace}", namespace).replace("{name}", "absent");
    let filled = filled.replace("{path}", "a").replace("{logpath}", "a");
    let filled = filled.strip_suffix('/').filter(|_| operation.action.is_none()).unwrap_or(&filled);
    let (query, kind, body) = match operation.action {
        Some("watch" | "watchlist") => ("?timeoutSeconds=1", "", ""),
        Some("deletecollection") => ("?dryRun=All&labelSelector=absent", "", ""),
        Some("post" | "put") => ("?dryRun=All", "application/json", "{}"),
        Some("patch") => ("?dryRun=All", "application/merge-patch+json", "{}"),
        _ => ("", "", ""),
    };
    let method = Method::from_bytes(operation.method.to_uppercase().as_bytes()).unwrap();
    let headers = [("content-type", kind)];
    let headers = if kind.is_empty() { &headers[..0] } else { &headers[..] };
    let answer = client.ask(method, &format!("{filled}{query}"), headers, Bytes::from(body)).await;
    let status = answer.json();
    let found = || Err(format!("{} {}", answer.code, answer.text().chars().take(200).collect::<String>()));
    // An object that is not there is named in the answer; a path that is not there is not.
    let absent = answer.code == 404 && status["details"]["name"] == "absent";
    match (operation.action, answer.code) {
        (Some("list"), 200) => {
            let kind = operation.kind.as_ref().map(|kind| format!("{}List", kind.kind)).unwrap_or_default();
            if status["kind"] == Value::String(kind) { Ok(()) } else { found() }
        }
        (Some("connect"), _) if operation.method == "head" && answer.code == 404 => Ok(()),
        (Some("list"), _) => found(),
        (_, 404) if absent => Ok(()),
        (None, 200) | (Some("watch" | "watchlist" | "deletecollection"), 200) => Ok(()),
        (Some("post" | "put"), 200 | 201 | 400 | 403 | 422) => Ok(()),
        _ => found(),
    }
}

/// Why an operation need not be served.
fn reason(path: &str) -> Option<&'static str> {
    let version = path.split('/').nth(3).filter(|_| path.starts_with("/apis/")).unwrap_or_default();
    match () {
        () if version.contains("alpha") => Some("alpha"),
        () if version.contains("beta") => Some("beta"),
        () if path == "/apis/internal.apiserver.k8s.io/" || path == "/apis/storagemigration.k8s.io/" => {
            Some("alpha")
        }
        () if path.starts_with("/logs/") => Some("files"),
        () => None,
    }
}

fn group(path: &str) -> String {
    let mut parts = path.trim_matches('/').split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("api"), Some(version), _) => version.to_owned(),
        (Some("apis"), Some(group), Some(version)) => format!("{group}/{version}"),
        _ => "What is there".to_owned(),
    }
}

fn page(groups: &Groups<'_>, served: usize, total: usize) -> String {
    let mut page = format!(
        "# The API, operation by operation\n\n\
         Every operation that Kubernetes 1.36 publishes, and whether Rutter serves it: {served} of {total}. `make api-table` asks a \
         running gateway and writes this page; a test holds the page against the answers.\n\n\
         - **yes**: served.\n\
         - **alpha**, **beta**: upstream serves these versions only when they are switched on; Rutter does not have them.\n\
         - **files**: log files of the API server's machine, which Rutter does not offer.\n\n\
         Custom resources are served under their own groups and are not listed here.\n"
    );
    for (group, paths) in groups {
        let methods: Vec<&str> = METHODS
            .into_iter()
            .filter(|method| paths.iter().any(|(_, row)| row.contains_key(method)))
            .collect();
        write!(
            page,
            "\n## {group}\n\n| path | {} |\n|---|{}\n",
            methods.join(" | "),
            "---|".repeat(methods.len())
        )
        .unwrap();
        for (path, row) in paths {
            let cells = methods.iter().map(|method| row.get(method).copied().unwrap_or_default());
            writeln!(page, "| `{path}` | {} |", cells.collect::<Vec<_>>().join(" | ")).unwrap();
        }
    }
    page
}
