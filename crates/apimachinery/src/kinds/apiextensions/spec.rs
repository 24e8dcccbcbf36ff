//! What a definition's spec may say (`k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go`).
//!
//! Upstream validates an internal form, in which what all versions say alike is said once; its paths are the ones that
//! clients see, so what is alike is checked once here too, under that path.

use serde_json::Value;

use super::{conversion, names, schema};
use crate::custom::conditions::{ESTABLISHED, holds};
use crate::custom::json_path::JsonPath;
use crate::json::{is_empty, items, text};
use crate::status::{FieldError, Path};
use crate::structural::{Structural, field_path};
use crate::validation::{dns_subdomain_faults, immutable, service_name_faults};

const SELECTABLE_MAX: usize = 8;
const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] =
    ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

/// Checks a spec; `old` is the definition as it stands, on an update.
pub(super) fn check(spec: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let path = Path::of("spec");
    group(text(spec, "group"), &path.child("group"), errors);
    let scope = path.child("scope");
    match text(spec, "scope") {
        "" => errors.push(scope.required("")),
        "Cluster" | "Namespaced" => {}
        other => errors.push(scope.not_supported(other, &["Cluster", "Namespaced"])),
    }
    versions(spec, old, &path, errors);
    if spec["preserveUnknownFields"] == true
        && old.is_none_or(|old| old["spec"]["preserveUnknownFields"] != true)
    {
        let why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema \
                   instead";
        errors.push(path.child("preserveUnknownFields").invalid(true, why));
    }
    let at = path.child("names");
    for field in ["plural", "singular", "kind", "listKind"] {
        if text(&spec["names"], field).is_empty() {
            errors.push(at.child(field).required(""));
        }
    }
    names::check(&spec["names"], &at, errors);
    conversion::check(&spec["conversion"], &path.child("conversion"), errors);
    if let Some(old) = old {
        let before = &old["spec"];
        if holds(old, ESTABLISHED) {
            immutable(&spec["scope"], &before["scope"], &scope, errors);
            immutable(&spec["names"]["kind"], &before["names"]["kind"], &at.child("kind"), errors);
        }
        immutable(&spec["group"], &before["group"], &path.child("group"), errors);
        immutable(&spec["names"]["plural"], &before["names"]["plural"], &at.child("plural"), errors);
    }
}

fn group(group: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let faults = dns_subdomain_faults(group);
    if group.is_empty() {
        errors.push(path.required(""));
    } else if !faults.is_empty() {
        errors.push(path.invalid(group, &faults.join(",")));
    } else if !group.contains('.') {
        errors.push(path.invalid(group, "should be a domain with at least one dot"));
    }
}

/// What all versions say alike, part by part.
struct Alike {
    schema: bool,
    subresources: bool,
    columns: bool,
    selectable: bool,
}

fn versions(spec: &Value, old: Option<&Value>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let at = path.child("versions");
    let versions = items(&spec["versions"]);
    let same = |part: &str| versions.iter().all(|version| version[part] == versions[0][part]);
    let alike = Alike {
        schema: same("schema"),
        subresources: same("subresources"),
        columns: same("additionalPrinterColumns"),
        selectable: same("selectableFields"),
    };
    for (index, version) in versions.iter().enumerate() {
        if !version["schema"]["openAPIV3Schema"].is_object() {
            let at = at.index(index);
            let at = at.child("schema");
            errors.push(at.child("openAPIV3Schema").required(""));
        }
    }
    for (index, version) in versions.iter().enumerate() {
        let at = at.index(index);
        let faults = service_name_faults(text(version, "name"));
        if !faults.is_empty() {
            errors.push(at.child("name").invalid(text(version, "name"), &faults.join(",")));
        }
        deprecation(version, &at.child("deprecationWarning"), errors);
        let old = old.and_then(|old| of_name(old, text(version, "name")));
        parts(version, old, &at, &|alike_part| !alike_part, &alike, errors);
    }
    let unique = (1..versions.len())
        .all(|index| !versions[..index].iter().any(|other| other["name"] == versions[index]["name"]));
    if !unique {
        errors.push(at.invalid(spec["versions"].clone(), "must contain unique version names"));
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        errors.push(at.invalid(spec["versions"].clone(), why));
    }
    if let Some(first) = versions.first() {
        let old = old.and_then(|old| of_name(old, text(first, "name")));
        parts(first, old, path, &|alike_part| alike_part, &alike, errors);
    }
}

fn of_name<'d>(definition: &'d Value, name: &str) -> Option<&'d Value> {
    items(&definition["spec"]["versions"]).iter().find(|version| text(version, "name") == name)
}

/// The parts of a version that are told at this place.
fn parts(
    version: &Value,
    old: Option<&Value>,
    path: &Path<'_>,
    here: &impl Fn(bool) -> bool,
    alike: &Alike,
    errors: &mut Vec<FieldError>,
) {
    let declared = &version["schema"]["openAPIV3Schema"];
    if here(alike.schema) && declared.is_object() {
        // The internal form has `validation` where all are alike, `schema` in a version.
        let name = if alike.schema { "validation" } else { "schema" };
        let at = path.child(name);
        let unchanged = old.is_some_and(|old| old["schema"] == version["schema"]);
        let with_status = version["subresources"]["status"].is_object();
        schema::check(declared, with_status, unchanged, &at.child("openAPIV3Schema"), errors);
    }
    if here(alike.subresources) {
        subresources(&version["subresources"], &path.child("subresources"), errors);
    }
    if here(alike.columns) {
        let at = path.child("additionalPrinterColumns");
        for (index, column) in items(&version["additionalPrinterColumns"]).iter().enumerate() {
            self::column(column, &at.index(index), errors);
        }
    }
    if here(alike.selectable) {
        let unchanged = old.is_some_and(|old| old["selectableFields"] == version["selectableFields"]);
        selectable(version, unchanged, &path.child("selectableFields"), errors);
    }
}

fn deprecation(version: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let Some(warning) = version["deprecationWarning"].as_str() else { return };
    let mut refuse = |why: &str| errors.push(path.invalid(warning, why));
    if version["deprecated"] != true {
        return refuse("can only be set for deprecated versions");
    }
    if warning.len() > 256 {
        refuse("must be <= 256 characters long");
    }
    if warning.is_empty() {
        refuse("must not be an empty string");
    }
    if let Some((index, _)) = warning.char_indices().find(|(_, c)| c.is_control()) {
        let why = "must only contain printable UTF-8 characters; non-printable character found at index";
        refuse(&format!("{why} {index}"));
    }
}

fn subresources(subresources: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let scale = &subresources["scale"];
    if !scale.is_object() {
        return;
    }
    for (field, root) in [("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")] {
        let name = format!("scale.{field}");
        let at = path.child(&name);
        let given = text(scale, field);
        if given.is_empty() {
            errors.push(at.required(""));
        } else if let Some(why) = not_simple(given) {
            errors.push(at.invalid(given, why));
        } else if !given.starts_with(&format!("{root}.")) {
            errors.push(at.invalid(given, &format!("should be a json path under {root}")));
        }
    }
    let given = text(scale, "labelSelectorPath");
    let at = path.child("scale.labelSelectorPath");
    if given.is_empty() {
    } else if let Some(why) = not_simple(given) {
        errors.push(at.invalid(given, why));
    } else if !given.starts_with(".spec.") && !given.starts_with(".status.") {
        errors.push(at.invalid(given, "should be a json path under either .spec or .status"));
    }
}

fn not_simple(path: &str) -> Option<&'static str> {
    (!path.starts_with('.')).then_some("must be a simple json path starting with .")
}

fn column(column: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if text(column, "name").is_empty() {
        errors.push(path.child("name").required(""));
    }
    let types = format!("must be one of {}", COLUMN_TYPES.join(","));
    match text(column, "type") {
        "" => errors.push(path.child("type").required(&types)),
        kind if COLUMN_TYPES.contains(&kind) => {}
        other => errors.push(path.child("type").invalid(other, &types)),
    }
    let format = text(column, "format");
    if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
        let why = format!("must be one of {}", COLUMN_FORMATS.join(","));
        errors.push(path.child("format").invalid(format, &why));
    }
    let at = path.child("JSONPath");
    match text(column, "jsonPath") {
        "" => errors.push(at.required("")),
        given => match not_simple(given) {
            Some(why) => errors.push(at.invalid(given, why)),
            None if JsonPath::parse(given).is_none() => {
                errors.push(at.invalid(given, "must be a json path in the dot notation"));
            }
            None => {}
        },
    }
}

fn selectable(version: &Value, unchanged: bool, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let fields = items(&version["selectableFields"]);
    if fields.is_empty() || is_empty(&version["schema"]["openAPIV3Schema"]) {
        return;
    }
    let schema = Structural::read(&version["schema"]["openAPIV3Schema"]);
    let mut known: Vec<String> = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let at = path.index(index);
        let at = at.child("jsonPath");
        let given = text(field, "jsonPath");
        if given.is_empty() {
            errors.push(at.required(""));
            continue;
        }
        let (found, leads_to) = match field_path::find(given, &schema, false) {
            Ok(found) => found,
            Err(why) => {
                errors.push(at.invalid(given, &format!("is an invalid path: {why}")));
                continue;
            }
        };
        if found.split('.').next() == Some("metadata") {
            errors.push(at.invalid(given, "must not point to fields in metadata"));
        }
        if !["string", "boolean", "integer"].contains(&leads_to.kind.as_str()) {
            let why = "must point to a field of type string, boolean or integer. Enum string fields and strings with \
                       formats are allowed.";
            errors.push(at.invalid(given, why));
        }
        if known.contains(&found) {
            errors.push(at.duplicate(given));
        } else {
            known.push(found);
        }
    }
    if known.len() > SELECTABLE_MAX && !unchanged {
        errors.push(path.too_many(known.len(), SELECTABLE_MAX));
    }
}
