//! The names of a custom resource (`validation.go`, ValidateCustomResourceDefinitionNames).

use serde_json::Value;

use crate::json::{items, text};
use crate::status::{FieldError, Path};
use crate::validation::service_name_faults;

pub(super) fn check(names: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for field in ["plural", "singular"] {
        label(text(names, field), &path.child(field), errors);
    }
    for field in ["kind", "listKind"] {
        let name = text(names, field);
        let faults = service_name_faults(&name.to_lowercase());
        if !name.is_empty() && !faults.is_empty() {
            let why = format!("may have mixed case, but should otherwise match: {}", faults.join(","));
            errors.push(path.child(field).invalid(name, &why));
        }
    }
    each(&names["shortNames"], &path.child("shortNames"), errors);
    let (kind, list_kind) = (text(names, "kind"), text(names, "listKind"));
    if !kind.is_empty() && kind == list_kind {
        errors.push(path.child("listKind").invalid(list_kind, "kind and listKind may not be the same"));
    }
    each(&names["categories"], &path.child("categories"), errors);
}

fn each(list: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for (index, name) in items(list).iter().enumerate() {
        let name = name.as_str().unwrap_or_default();
        let faults = service_name_faults(name);
        if !faults.is_empty() {
            errors.push(path.index(index).invalid(name, &faults.join(",")));
        }
    }
}

/// A DNS-1035 label, if there is one.
fn label(name: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let faults = service_name_faults(name);
    if !name.is_empty() && !faults.is_empty() {
        errors.push(path.invalid(name, &faults.join(",")));
    }
}
