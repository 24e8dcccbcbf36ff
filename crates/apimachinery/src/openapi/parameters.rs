//! The query parameters of each action, as published.

use serde_json::{Value, json};

/// Name and type.
pub(super) type Parameter = (&'static str, &'static str);

/// What may follow `?` on every path.
pub(super) const PRETTY: Parameter = ("pretty", "string");

const CREATE: [Parameter; 3] =
    [("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")];

const PATCH: [Parameter; 4] =
    [("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"), ("force", "boolean")];

const DELETE: [Parameter; 5] = [
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("ignoreStoreReadErrorWithClusterBreakingPotential", "boolean"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
];

const LIST: [Parameter; 11] = [
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("shardSelector", "string"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
];

const DELETE_COLLECTION: [Parameter; 14] = [
    ("continue", "string"),
    ("dryRun", "string"),
    ("fieldSelector", "string"),
    ("gracePeriodSeconds", "integer"),
    ("ignoreStoreReadErrorWithClusterBreakingPotential", "boolean"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("shardSelector", "string"),
    ("timeoutSeconds", "integer"),
];

const LOG: [Parameter; 9] = [
    ("container", "string"),
    ("follow", "boolean"),
    ("insecureSkipTLSVerifyBackend", "boolean"),
    ("limitBytes", "integer"),
    ("previous", "boolean"),
    ("sinceSeconds", "integer"),
    ("stream", "string"),
    ("tailLines", "integer"),
    ("timestamps", "boolean"),
];

const ATTACH: [Parameter; 5] = [
    ("container", "string"),
    ("stderr", "boolean"),
    ("stdin", "boolean"),
    ("stdout", "boolean"),
    ("tty", "boolean"),
];

const EXEC: [Parameter; 6] = [
    ("command", "string"),
    ("container", "string"),
    ("stderr", "boolean"),
    ("stdin", "boolean"),
    ("stdout", "boolean"),
    ("tty", "boolean"),
];

const PORT_FORWARD: [Parameter; 1] = [("ports", "integer")];

const PROXY: [Parameter; 1] = [("path", "string")];

/// The parameters of an action, on a subresource or (`""`) on the resource itself.
pub(super) fn of(action: Option<&str>, subresource: &str) -> &'static [Parameter] {
    match (action, subresource) {
        (Some("get"), "log") => &LOG,
        (Some("connect"), "attach") => &ATTACH,
        (Some("connect"), "exec") => &EXEC,
        (Some("connect"), "portforward") => &PORT_FORWARD,
        (Some("connect"), "proxy") => &PROXY,
        (Some("list" | "watch" | "watchlist"), _) => &LIST,
        (Some("post" | "put"), _) => &CREATE,
        (Some("patch"), _) => &PATCH,
        (Some("delete"), _) => &DELETE,
        (Some("deletecollection"), _) => &DELETE_COLLECTION,
        _ => &[],
    }
}

pub(super) fn query((name, data_type): Parameter) -> Value {
    json!({ "in": "query", "name": name, "schema": { "type": data_type, "uniqueItems": true } })
}

pub(super) fn in_path(name: &str) -> Value {
    json!({ "in": "path", "name": name, "required": true, "schema": { "type": "string", "uniqueItems": true } })
}
