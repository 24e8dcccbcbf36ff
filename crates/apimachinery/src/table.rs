//! `meta.k8s.io` Tables and partial metadata: what clients ask for that show objects and need not have them
//! (kubectl get; caches that look at metadata only).
//!
//! The rules are those of k8s.io/apiserver's `asTable`, `asPartialObjectMetadata` (pkg/endpoints/handlers/response.go).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::kind::Column;
use crate::registry::{Columns, Resource};

/// The version of `meta.k8s.io` that a client asked for; what they hold is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V1Beta1,
}

impl Version {
    /// Reads `v1` or `v1beta1`.
    #[must_use]
    pub fn parse(version: &str) -> Option<Version> {
        match version {
            "v1" => Some(Version::V1),
            "v1beta1" => Some(Version::V1Beta1),
            _ => None,
        }
    }

    #[must_use]
    pub fn api_version(self) -> &'static str {
        match self {
            Version::V1 => "meta.k8s.io/v1",
            Version::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// What a row carries beside its cells: the request's `includeObject`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Include {
    None,
    #[default]
    Metadata,
    Object,
}

impl Include {
    /// Reads `includeObject`; left out it is `Metadata`.
    #[must_use]
    pub fn parse(include: &str) -> Option<Include> {
        match include {
            "" | "Metadata" => Some(Include::Metadata),
            "None" => Some(Include::None),
            "Object" => Some(Include::Object),
            _ => None,
        }
    }
}

/// What a table is made for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub version: Version,
    pub include: Include,
    /// When ages are told.
    pub now: Timestamp,
}

/// The table of a list, or of one object. `metadata` is the ListMeta: that of the list, or for one object its
/// `resourceVersion` alone (see [`metadata_of`]).
pub fn table(
    resource: &Resource,
    objects: impl IntoIterator<Item = Value>,
    metadata: Value,
    asked: &Asked,
) -> Value {
    let rows: Vec<Value> = objects.into_iter().map(|object| row(resource, object, asked)).collect();
    let mut table = json!({
        "kind": "Table",
        "apiVersion": asked.version.api_version(),
        "metadata": metadata,
    });
    table["columnDefinitions"] = column_definitions(resource);
    table["rows"] = Value::Array(rows);
    table
}

/// The ListMeta of a table that shows one object.
#[must_use]
pub fn metadata_of(object: &Value) -> Value {
    match object.pointer("/metadata/resourceVersion") {
        Some(revision) => json!({ "resourceVersion": revision }),
        None => json!({}),
    }
}

/// The table of one event of a watch. Only the first of a watch has the column definitions, as upstream sends them.
#[must_use]
pub fn event(resource: &Resource, object: Value, first: bool, asked: &Asked) -> Value {
    let metadata = metadata_of(&object);
    let mut table = table(resource, [object], metadata, asked);
    if !first {
        table["columnDefinitions"] = Value::Null;
    }
    table
}

/// The `columnDefinitions` of a resource.
#[must_use]
pub fn column_definitions(resource: &Resource) -> Value {
    match &resource.columns {
        Columns::Static(columns) => shown(columns).iter().map(definition).collect(),
        Columns::Made(columns) => columns.definitions().into(),
    }
}

/// The cells of an object's row.
#[must_use]
pub fn cells(resource: &Resource, object: &Value, now: Timestamp) -> Vec<Value> {
    match &resource.columns {
        Columns::Static(columns) => shown(columns).iter().map(|column| (column.cell)(object, now)).collect(),
        Columns::Made(columns) => columns.cells(object, now),
    }
}

fn definition(column: &Column) -> Value {
    json!({
        "name": column.name,
        "type": column.data_type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    })
}

/// One row, for who writes a long table piece by piece.
#[must_use]
pub fn row(resource: &Resource, object: Value, asked: &Asked) -> Value {
    let cells = cells(resource, &object, asked.now);
    let object = match asked.include {
        Include::None => Value::Null,
        Include::Metadata => partial(object, asked.version),
        Include::Object => object,
    };
    json!({ "cells": cells, "object": object })
}

/// What upstream shows of kinds that have no printer (`NewDefaultTableConvertor`).
static DEFAULT_COLUMNS: [Column; 2] = [
    Column {
        name: "Name",
        data_type: "string",
        format: "name",
        priority: 0,
        description: "Name must be unique within a namespace.",
        cell: |object, _| metadata_field(object, "name"),
    },
    Column {
        name: "Created At",
        data_type: "date",
        format: "",
        priority: 0,
        description: "When the object was created.",
        cell: |object, _| metadata_field(object, "creationTimestamp"),
    },
];

fn shown(columns: &'static [Column]) -> &'static [Column] {
    if columns.is_empty() { &DEFAULT_COLUMNS } else { columns }
}

fn metadata_field(object: &Value, name: &str) -> Value {
    object["metadata"].get(name).cloned().unwrap_or_default()
}

/// The object's metadata as a PartialObjectMetadata.
#[must_use]
pub fn partial(mut object: Value, version: Version) -> Value {
    let mut partial = Map::new();
    partial.insert("kind".to_owned(), "PartialObjectMetadata".into());
    partial.insert("apiVersion".to_owned(), version.api_version().into());
    partial.insert("metadata".to_owned(), object["metadata"].take());
    Value::Object(partial)
}

/// A list of objects as a PartialObjectMetadataList. `metadata` is the list's.
pub fn partial_list(objects: impl IntoIterator<Item = Value>, metadata: Value, version: Version) -> Value {
    let items: Vec<Value> = objects.into_iter().map(|object| partial(object, version)).collect();
    let mut list = json!({
        "kind": "PartialObjectMetadataList",
        "apiVersion": version.api_version(),
        "metadata": metadata,
    });
    list["items"] = Value::Array(items);
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::{Kind, Plain};
    use crate::registry::Registry;
    use std::sync::Arc;

    static LEASE: Kind = Kind {
        group: "coordination.k8s.io",
        version: "v1",
        kind: "Lease",
        plural: "leases",
        strategy: &Plain,
        columns: &[],
        sealed: false,
    };

    fn leases() -> Arc<Resource> {
        Registry::of(&[&LEASE]).by_kind("coordination.k8s.io", "v1", "Lease").unwrap()
    }

    fn lease() -> Value {
        json!({
            "kind": "Lease",
            "apiVersion": "coordination.k8s.io/v1",
            "metadata": {
                "name": "a",
                "resourceVersion": "7",
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {},
        })
    }

    fn asked(include: Include) -> Asked {
        Asked { version: Version::V1, include, now: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_kind_without_columns_shows_name_and_creation() {
        let table = table(&leases(), [lease()], json!({"resourceVersion": "9"}), &asked(Include::Metadata));
        assert_eq!(table["kind"], "Table");
        assert_eq!(table["metadata"]["resourceVersion"], "9");
        assert_eq!(table["columnDefinitions"][0]["format"], "name");
        assert_eq!(table["rows"][0]["cells"], json!(["a", "2026-01-01T00:00:00Z"]));
        assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
        assert_eq!(table["rows"][0]["object"].get("spec"), None);
    }

    #[test]
    fn a_row_carries_what_was_asked_for() {
        let object = |include| event(&leases(), lease(), true, &asked(include))["rows"][0]["object"].clone();
        assert_eq!(object(Include::None), Value::Null);
        assert_eq!(object(Include::Object), lease());
        assert_eq!(object(Include::Metadata)["metadata"], lease()["metadata"]);
    }

    #[test]
    fn only_the_first_event_of_a_watch_defines_the_columns() {
        let definitions =
            |first| event(&leases(), lease(), first, &asked(Include::None))["columnDefinitions"].clone();
        assert_eq!(definitions(true).as_array().map(Vec::len), Some(2));
        assert_eq!(definitions(false), Value::Null);
    }

    #[test]
    fn an_old_client_gets_the_old_version() {
        let list = partial_list([lease()], json!({}), Version::V1Beta1);
        assert_eq!(list["apiVersion"], "meta.k8s.io/v1beta1");
        assert_eq!(list["items"][0]["apiVersion"], "meta.k8s.io/v1beta1");
    }
}
