//! Types: the fields of every object, and what defaulting, patches and server-side apply need to know of them.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value;

use super::{GroupVersionKind, Text};

/// What a value may be.
#[derive(Clone, Debug)]
pub enum Schema {
    String,
    Int32,
    Int64,
    Double,
    Bool,
    /// Base64 in JSON.
    Bytes,
    /// A string or a number.
    Quantity,
    IntOrString,
    /// RFC 3339, seconds.
    Time,
    /// RFC 3339, microseconds.
    MicroTime,
    /// JSON that is kept as it stands.
    Opaque(Opaque),
    Array(Box<Schema>),
    /// An object with any keys.
    Map(Box<Schema>),
    /// An object with known fields.
    Object(TypeRef),
}

/// Types whose content no schema tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opaque {
    /// `type: object` and nothing more.
    Object,
    RawExtension,
    FieldsV1,
    Patch,
    /// Any JSON value.
    Json,
    /// A JSONSchemaProps or an array of them.
    SchemaOrArray,
    /// A JSONSchemaProps or a bool.
    SchemaOrBool,
    /// A JSONSchemaProps or an array of strings.
    SchemaOrStrings,
}

/// How maps are merged by server-side apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapType {
    Granular,
    Atomic,
}

/// How lists are merged by server-side apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListType {
    Atomic,
    Set,
    /// An associative list, with its keys in the published order.
    Map(Vec<Text>),
}

/// An object with known fields.
#[derive(Debug)]
pub struct Type {
    /// `io.k8s.api.core.v1.Pod`.
    pub name: Text,
    /// In the order of names.
    pub fields: Vec<Field>,
    pub map_type: Option<MapType>,
    /// The kinds that are of this type; none for a part of one, many for DeleteOptions.
    pub kinds: Vec<GroupVersionKind>,
    /// `x-kubernetes-unions`, as published.
    pub unions: Option<Value>,
}

/// A field of an object.
#[derive(Debug)]
pub struct Field {
    pub name: Text,
    pub schema: Schema,
    pub required: bool,
    /// The value of a field that is left out. Upstream publishes `""`, `0`, `false` and `{}` for every Go value that is always
    /// shown, which is no rule of defaulting; see [`Field::declared_default`].
    pub default: Option<Value>,
    pub list_type: Option<ListType>,
    pub map_type: Option<MapType>,
    /// `merge`, `merge,retainKeys`, `retainKeys`, `replace`, or `""`.
    pub patch_strategy: Text,
    /// The key of a list that strategic merge patches merge by.
    pub patch_merge_key: Option<Text>,
}

impl Type {
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        let index = self.fields.binary_search_by(|field| field.name.as_ref().cmp(name)).ok()?;
        Some(&self.fields[index])
    }
}

impl Field {
    /// A field of which nothing but its type is said.
    #[must_use]
    pub fn plain(name: Text, schema: Schema) -> Field {
        Field {
            name,
            schema,
            required: false,
            default: None,
            list_type: None,
            map_type: None,
            patch_strategy: Text::Borrowed(""),
            patch_merge_key: None,
        }
    }

    /// Whether a strategic merge patch merges the lists or maps rather than replacing them.
    #[must_use]
    pub fn merges(&self) -> bool {
        self.patch_strategy.split(',').any(|strategy| strategy == "merge")
    }

    /// Whether a strategic merge patch keeps only the keys it names (`retainKeys`).
    #[must_use]
    pub fn retains_keys(&self) -> bool {
        self.patch_strategy.split(',').any(|strategy| strategy == "retainKeys")
    }

    /// The default that somebody declared (`+default=`), not the zero of a Go value.
    #[must_use]
    pub fn declared_default(&self) -> Option<&Value> {
        let default = self.default.as_ref()?;
        let zero = match default {
            Value::String(text) => text.is_empty(),
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::Bool(set) => !set,
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        (!zero).then_some(default)
    }
}

/// A type: a published one, or one made at run time. Cheap to clone; types may contain themselves.
#[derive(Clone)]
pub struct TypeRef(Source);

#[derive(Clone)]
enum Source {
    Published(u16),
    Made(Arc<Type>),
}

impl Deref for TypeRef {
    type Target = Type;

    fn deref(&self) -> &Type {
        match &self.0 {
            Source::Published(index) => &super::types().list[usize::from(*index)],
            Source::Made(made) => made,
        }
    }
}

impl From<Type> for TypeRef {
    fn from(made: Type) -> TypeRef {
        TypeRef(Source::Made(Arc::new(made)))
    }
}

impl PartialEq for TypeRef {
    /// Whether they are the same type, not whether they look the same.
    fn eq(&self, other: &TypeRef) -> bool {
        std::ptr::eq::<Type>(&raw const **self, &raw const **other)
    }
}

impl fmt::Debug for TypeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Every published type.
pub struct Types {
    pub(super) list: Vec<Type>,
    pub(super) by_name: HashMap<&'static str, u16>,
    pub(super) by_kind: HashMap<GroupVersionKind, u16>,
}

impl Types {
    /// The type of an OpenAPI name: `io.k8s.api.core.v1.Pod`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<TypeRef> {
        self.by_name.get(name).map(|index| TypeRef(Source::Published(*index)))
    }

    /// The type of a kind. Kinds that belong to every group (DeleteOptions, WatchEvent) are found in each.
    #[must_use]
    pub fn by_kind(&self, kind: &GroupVersionKind) -> Option<TypeRef> {
        let found = self.by_kind.get(kind).map(|index| TypeRef(Source::Published(*index)));
        found.or_else(|| match kind.kind.as_ref() {
            "DeleteOptions" => self.get("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"),
            "WatchEvent" => self.get("io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent"),
            _ => None,
        })
    }

    /// All of them, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = &Type> {
        self.list.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> TypeRef {
        super::super::types().get(name).unwrap()
    }

    #[test]
    fn a_field_tells_what_patches_and_apply_need() {
        let ports = of("io.k8s.api.core.v1.Container");
        let ports = ports.field("ports").unwrap();
        assert_eq!(ports.list_type, Some(ListType::Map(vec!["containerPort".into(), "protocol".into()])));
        assert!(ports.merges() && !ports.retains_keys());
        assert_eq!(ports.patch_merge_key.as_deref(), Some("containerPort"));
        assert!(of("io.k8s.api.core.v1.PodSpec").field("volumes").unwrap().retains_keys());
    }

    #[test]
    fn a_default_that_is_only_a_zero_value_is_not_declared() {
        let port = of("io.k8s.api.core.v1.ContainerPort");
        assert_eq!(port.field("protocol").unwrap().declared_default(), Some(&Value::from("TCP")));
        assert_eq!(port.field("containerPort").unwrap().declared_default(), None);
    }

    #[test]
    fn a_type_may_contain_itself() {
        let props = of("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps");
        let Schema::Object(not) = &props.field("not").unwrap().schema else { panic!("not an object") };
        assert_eq!(*not, props);
    }

    #[test]
    fn every_field_stands_where_a_search_finds_it() {
        for made in super::super::types().iter() {
            for field in &made.fields {
                assert!(made.field(&field.name).is_some(), "{}.{}", made.name, field.name);
            }
        }
    }
}
