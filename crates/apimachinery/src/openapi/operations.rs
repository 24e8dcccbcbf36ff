//! Operations as 3.0 documents tell them.

use serde_json::{Map, Value, json};

use super::parameters::{self, Parameter};
use super::schemas::{kind, reference};
use crate::tables::{GroupVersionKind, TypeRef};

const MEDIA_TYPES: [&str; 3] =
    ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const STREAMED: [&str; 2] =
    ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];
const PATCHES: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

/// What a method does at a path.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) action: Option<&'static str>,
    pub(super) id: String,
    pub(super) tag: String,
    pub(super) kind: Option<GroupVersionKind>,
    pub(super) query: &'static [Parameter],
    pub(super) body: Option<Body>,
    /// The type of the answer; a connection's is text.
    pub(super) answer: Option<TypeRef>,
    /// Whether it may answer 201 as well.
    pub(super) created: bool,
}

/// What a request carries.
pub(super) enum Body {
    Object(TypeRef),
    /// Custom resources know no strategic merge patch.
    Patch {
        strategic: bool,
    },
    DeleteOptions,
}

impl Operation {
    /// Whether it makes an object where there was none.
    pub(super) fn makes(&self) -> bool {
        matches!(self.method, "post" | "put" | "patch")
    }

    /// The types it speaks of.
    pub(super) fn types(&self) -> impl Iterator<Item = &TypeRef> {
        let body = match &self.body {
            Some(Body::Object(schema)) => Some(schema),
            _ => None,
        };
        body.into_iter().chain(&self.answer)
    }
}

/// A path with its operations.
pub(super) fn path_item(path: &str, operations: &[Operation]) -> Value {
    let names = path.split(['{', '}']).skip(1).step_by(2).map(parameters::in_path);
    let is_object = |operation: &Operation| operation.action.is_some_and(|action| action != "connect");
    let pretty = operations.iter().all(is_object).then(|| parameters::query(parameters::PRETTY));
    let common: Vec<Value> = names.chain(pretty).collect();
    let mut item: Map<String, Value> =
        operations.iter().map(|operation| (operation.method.to_owned(), describe(operation))).collect();
    if !common.is_empty() {
        item.insert("parameters".to_owned(), common.into());
    }
    Value::Object(item)
}

fn describe(operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "responses": responses(operation),
    });
    if !operation.query.is_empty() {
        described["parameters"] = operation.query.iter().copied().map(parameters::query).collect();
    }
    if let Some(body) = &operation.body {
        described["requestBody"] = request_body(body);
    }
    if let Some(action) = operation.action {
        described["x-kubernetes-action"] = action.into();
    }
    if let Some(of) = &operation.kind {
        described["x-kubernetes-group-version-kind"] = kind(of);
    }
    described
}

fn request_body(body: &Body) -> Value {
    match body {
        Body::Object(schema) => {
            json!({ "required": true, "content": { "*/*": { "schema": reference(&schema.name) } } })
        }
        Body::Patch { strategic } => {
            let known = if *strategic { &PATCHES[..] } else { &PATCHES[..3] };
            json!({ "required": true, "content": content(known, &meta("Patch")) })
        }
        Body::DeleteOptions => json!({ "content": { "*/*": { "schema": meta("DeleteOptions") } } }),
    }
}

fn responses(operation: &Operation) -> Value {
    let body = match &operation.answer {
        Some(schema) => content(&answer_types(operation), &reference(&schema.name)),
        None => json!({ "*/*": { "schema": { "type": "string" } } }),
    };
    let mut responses = json!({
        "200": { "description": "OK", "content": body },
        "401": { "description": "Unauthorized" },
    });
    if operation.created {
        responses["201"] = json!({ "description": "Created", "content": body });
    }
    if matches!(operation.action, Some("post" | "delete")) {
        responses["202"] = json!({ "description": "Accepted", "content": body });
    }
    responses
}

fn answer_types(operation: &Operation) -> Vec<&'static str> {
    let streams = matches!(operation.action, Some("list" | "watch" | "watchlist"));
    MEDIA_TYPES.into_iter().chain(STREAMED.into_iter().filter(|_| streams)).collect()
}

fn content(media_types: &[&str], schema: &Value) -> Value {
    let of_type = |media_type: &&str| ((*media_type).to_owned(), json!({ "schema": schema }));
    Value::Object(media_types.iter().map(of_type).collect())
}

fn meta(name: &str) -> Value {
    reference(&format!("{}.{name}", super::META))
}
