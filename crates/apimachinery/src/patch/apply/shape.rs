//! How a value is merged: field by field, item by item, or as a whole (`x-kubernetes-list-type`,
//! `x-kubernetes-list-map-keys`, `x-kubernetes-map-type`).

use serde_json::{Map, Value};

use crate::registry::Resource;
use crate::structural::{List, Structural};
use crate::tables::{Field, ListType, MapType, Opaque, Schema, Text, Type};

/// How the value of a place is merged.
#[derive(Clone, Copy)]
pub(super) enum Shape<'a> {
    /// As a whole: scalars, and what is declared atomic.
    Whole,
    /// By known fields.
    Fields(&'a Type),
    /// By key, every value alike.
    Map(&'a Schema),
    /// A list of maps told apart by these keys.
    Keyed(&'a Type, &'a [Text]),
    /// A list of scalars that is a set.
    Set,
    /// Nothing is known: maps by key, the rest as a whole.
    Unknown,
    /// As the schema of a custom resource says.
    Made(&'a Structural),
    /// The same, of the object itself, whose metadata is as every object's.
    Object(&'a Structural, &'a Type),
}

impl<'a> Shape<'a> {
    /// The shape of a resource's objects.
    pub(super) fn of(resource: &'a Resource) -> Shape<'a> {
        match &resource.custom {
            None => Shape::Fields(resource.schema()),
            Some(custom) => Shape::Object(custom.schema(), resource.schema()),
        }
    }

    /// The shape of a field of this one.
    pub(super) fn field(self, name: &str) -> Shape<'a> {
        match self {
            Shape::Fields(schema) => schema.field(name).map_or(Shape::Unknown, of_field),
            Shape::Map(element) => of_schema(element),
            Shape::Object(_, meta) if meta.field(name).is_some() => {
                meta.field(name).map_or(Shape::Unknown, of_field)
            }
            Shape::Made(schema) | Shape::Object(schema, _) => {
                schema.of_key(name).map_or(Shape::Unknown, Shape::Made)
            }
            _ => Shape::Unknown,
        }
    }

    /// Whether the keys of a map are the client's own, so that each is a place by itself.
    pub(super) fn has_free_keys(self) -> bool {
        match self {
            Shape::Map(_) => true,
            Shape::Made(schema) => schema.properties.is_empty() && schema.additional.is_some(),
            _ => false,
        }
    }

    /// Whether maps of this shape are merged by their keys.
    pub(super) fn is_map(self) -> bool {
        match self {
            Shape::Made(schema) => !schema.atomic_map,
            shape => matches!(shape, Shape::Fields(_) | Shape::Map(_) | Shape::Unknown | Shape::Object(..)),
        }
    }

    /// The step to an element of a list of this shape; none where the list is no such list, or the element no such
    /// element.
    pub(super) fn step(self, element: &Value) -> Option<String> {
        match self {
            Shape::Keyed(schema, keys) => key_step(schema, keys, element),
            Shape::Set => Some(format!("v:{element}")),
            Shape::Made(schema) => match &schema.list {
                List::Atomic => None,
                List::Set => Some(format!("v:{element}")),
                List::Map(keys) => made_key_step(schema.items.as_deref()?, keys, element),
            },
            _ => None,
        }
    }

    /// The shape of the elements of a list.
    pub(super) fn element(self) -> Shape<'a> {
        match self {
            Shape::Keyed(schema, _) => Shape::Fields(schema),
            Shape::Made(schema) => schema.items.as_deref().map_or(Shape::Unknown, Shape::Made),
            _ => Shape::Whole,
        }
    }
}

fn of_field(field: &Field) -> Shape<'_> {
    match (&field.schema, &field.list_type) {
        (Schema::Array(element), Some(ListType::Map(keys))) => match element.as_ref() {
            Schema::Object(inner) => Shape::Keyed(inner, keys),
            _ => Shape::Whole,
        },
        (Schema::Array(_), Some(ListType::Set)) => Shape::Set,
        _ if field.map_type == Some(MapType::Atomic) => Shape::Whole,
        (schema, _) => of_schema(schema),
    }
}

fn of_schema(schema: &Schema) -> Shape<'_> {
    match schema {
        Schema::Object(inner) if inner.map_type == Some(MapType::Atomic) => Shape::Whole,
        Schema::Object(inner) => Shape::Fields(inner),
        Schema::Map(element) => Shape::Map(element),
        Schema::Opaque(Opaque::Object | Opaque::Json) => Shape::Unknown,
        _ => Shape::Whole,
    }
}

/// `k:{"containerPort":80,"protocol":"TCP"}`; a key that is left out has its default.
fn key_step(schema: &Type, keys: &[Text], element: &Value) -> Option<String> {
    let mut step = Map::new();
    for key in keys {
        let value = match &element[key.as_ref()] {
            Value::Null => schema.field(key)?.default.as_ref()?,
            value => value,
        };
        step.insert(key.to_string(), value.clone());
    }
    Some(format!("k:{}", Value::Object(step)))
}

fn made_key_step(schema: &Structural, keys: &[String], element: &Value) -> Option<String> {
    let mut step = Map::new();
    for key in keys {
        let value = match &element[key.as_str()] {
            Value::Null => schema.properties.get(key)?.default.as_ref()?,
            value => value,
        };
        step.insert(key.clone(), value.clone());
    }
    Some(format!("k:{}", Value::Object(step)))
}
