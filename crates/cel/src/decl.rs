//! What a variable looks like: its type, and how large it may get, which is what rules are priced by
//! (`k8s.io/apiserver/pkg/cel/types.go`, DeclType).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::types::Type;

/// A declared type.
#[derive(Debug, Clone)]
pub struct Decl {
    pub kind: Type,
    /// Characters, elements or entries at most.
    pub max_elements: u64,
    /// The least that a value takes as JSON, in bytes.
    pub min_size: u64,
    pub key: Option<Arc<Decl>>,
    /// Of lists and maps.
    pub element: Option<Arc<Decl>>,
    /// Of objects.
    pub fields: BTreeMap<String, Arc<Decl>>,
    is_object: bool,
}

impl Decl {
    /// A type without parts.
    #[must_use]
    pub fn simple(kind: Type, max_elements: u64, min_size: u64) -> Decl {
        Decl {
            kind,
            max_elements,
            min_size,
            key: None,
            element: None,
            fields: BTreeMap::new(),
            is_object: false,
        }
    }

    #[must_use]
    pub fn list(element: Arc<Decl>, max_elements: u64) -> Decl {
        let kind = Type::list(element.as_type());
        Decl { element: Some(element), ..Decl::simple(kind, max_elements, 2) }
    }

    /// A map with keys of text.
    #[must_use]
    pub fn map(element: Arc<Decl>, max_elements: u64, key_max: u64) -> Decl {
        let kind = Type::map(Type::String, element.as_type());
        let key = Some(Arc::new(Decl::simple(Type::String, key_max, 2)));
        Decl { element: Some(element), key, ..Decl::simple(kind, max_elements, 2) }
    }

    /// An object.
    #[must_use]
    pub fn object(fields: BTreeMap<String, Arc<Decl>>, min_size: u64) -> Decl {
        // The type of an object is the declaration itself: see `as_type`.
        Decl { fields, is_object: true, ..Decl::simple(Type::Dyn, 0, min_size) }
    }

    /// Whether two declarations have the same fields of the same types.
    pub(crate) fn looks_like(&self, other: &Decl) -> bool {
        self.fields.len() == other.fields.len()
            && self
                .fields
                .iter()
                .zip(&other.fields)
                .all(|((a, x), (b, y))| a == b && x.as_type() == y.as_type())
    }

    /// What may be absent.
    #[must_use]
    pub fn optional(of: &Arc<Decl>) -> Decl {
        let kind = Type::optional(of.as_type());
        Decl { kind, is_object: false, ..Decl::clone(of) }
    }

    /// The type of its values.
    pub(crate) fn as_type(self: &Arc<Decl>) -> Type {
        if self.is_object { Type::Object(self.clone()) } else { self.kind.clone() }
    }

    /// The declaration at a path of fields and of `@items`, `@values`, `@keys`.
    pub(crate) fn at<'d>(&'d self, path: &[String]) -> Option<&'d Decl> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        let next = match first.as_str() {
            "@items" | "@values" => self.element.as_ref()?,
            "@keys" => self.key.as_ref()?,
            field => self.fields.get(field)?,
        };
        next.at(rest)
    }
}
