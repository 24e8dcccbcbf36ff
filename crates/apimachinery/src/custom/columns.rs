//! `additionalPrinterColumns`: cells by path (`pkg/registry/customresource/tableconvertor`).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::json_path::JsonPath;
use crate::json::{items, text};
use crate::kinds::human_duration;

/// The columns of one version of a custom resource, behind its name.
#[derive(Debug, Clone)]
pub struct PathColumns(Vec<PathColumn>);

#[derive(Debug, Clone)]
struct PathColumn {
    definition: Value,
    kind: String,
    /// None for a path that can't be read: its cells are empty.
    path: Option<JsonPath>,
}

const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some \
resources may allow a client to request the generation of an appropriate name automatically. Name is primarily \
intended for creation idempotence and configuration definition. Cannot be updated. More info: \
https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";

const CREATION: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. \
It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It \
is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: \
https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

impl PathColumns {
    /// Reads the columns of a version; one that declares none shows its age.
    pub(super) fn read(version: &Value) -> PathColumns {
        let declared = items(&version["additionalPrinterColumns"]);
        if declared.is_empty() {
            let age = json!({"name": "Age", "type": "date", "description": CREATION, "jsonPath": ".metadata.creationTimestamp"});
            return PathColumns(vec![PathColumn::read(&age)]);
        }
        PathColumns(declared.iter().map(PathColumn::read).collect())
    }

    /// The `columnDefinitions`.
    pub fn definitions(&self) -> Vec<Value> {
        let name =
            json!({"name": "Name", "type": "string", "format": "name", "description": NAME, "priority": 0});
        std::iter::once(name).chain(self.0.iter().map(|column| column.definition.clone())).collect()
    }

    pub fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let name = json!(text(&object["metadata"], "name"));
        std::iter::once(name).chain(self.0.iter().map(|column| column.cell(object, now))).collect()
    }
}

impl PathColumn {
    fn read(column: &Value) -> PathColumn {
        let path = text(column, "jsonPath");
        let description = match text(column, "description") {
            "" => format!("Custom resource definition column (in JSONPath format): {path}"),
            given => given.to_owned(),
        };
        PathColumn {
            definition: json!({
                "name": text(column, "name"),
                "type": text(column, "type"),
                "format": text(column, "format"),
                "description": description,
                "priority": column["priority"].as_i64().unwrap_or(0),
            }),
            kind: text(column, "type").to_owned(),
            path: JsonPath::parse(path),
        }
    }

    fn cell(&self, object: &Value, now: Timestamp) -> Value {
        let found = self.path.as_ref().map(|path| path.find(object)).unwrap_or_default();
        let Some(value) = found.first() else { return Value::Null };
        match (self.kind.as_str(), value) {
            ("string", Value::String(text)) => json!(text),
            ("string", Value::Null) => Value::Null,
            ("string", other) => json!(other.to_string()),
            ("integer", Value::Number(number)) => {
                json!(number.as_i64().unwrap_or_else(|| number.as_f64().unwrap_or(0.0) as i64))
            }
            ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => (*value).clone(),
            ("date", Value::String(text)) => match text.parse::<Timestamp>() {
                Ok(time) => json!(human_duration(now.duration_since(time).as_secs())),
                Err(_) => json!("<invalid>"),
            },
            _ => Value::Null,
        }
    }
}
