//! The group resource.k8s.io: devices, who has them, who claims them (`pkg/registry/resource`,
//! `pkg/apis/resource/v1/defaults.go`, `pkg/apis/resource/validation/validation.go`). What is wrong inside a CEL
//! selector is for whoever evaluates it.

mod claims;
mod devices;

pub(super) use claims::{RESOURCE_CLAIM, RESOURCE_CLAIM_TEMPLATE};
pub(super) use devices::{DEVICE_CLASS, RESOURCE_SLICE};

use serde_json::Value;

use crate::json::{items, text};
use crate::kind::{Column, Kind, Strategy};
use crate::status::{FieldError, Path};
use crate::validation::{dns_label_faults, dns_subdomain_faults};

const GROUP: &str = "resource.k8s.io";
const MOST: usize = 32;

const fn declared(
    kind: &'static str,
    plural: &'static str,
    strategy: &'static dyn Strategy,
    columns: &'static [Column],
) -> Kind {
    Kind { group: GROUP, version: "v1", kind, plural, strategy, columns, sealed: false }
}

/// The elements of a list that may have so many, each with its place.
fn each<'a>(
    list: &'a Value,
    path: &Path<'_>,
    most: usize,
    errors: &mut Vec<FieldError>,
) -> impl Iterator<Item = (usize, &'a Value)> + use<'a> {
    let list = items(list);
    if list.len() > most {
        errors.push(path.too_many(list.len(), most));
    }
    list.iter().enumerate()
}

fn label(name: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    match name {
        "" => errors.push(path.required("")),
        _ => errors.extend(dns_label_faults(name).iter().map(|fault| path.invalid(name, fault))),
    }
}

fn subdomain(name: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    match name {
        "" => errors.push(path.required("")),
        _ => errors.extend(dns_subdomain_faults(name).iter().map(|fault| path.invalid(name, fault))),
    }
}

/// `ValidateCSIDriverName`, which device drivers share.
fn driver(name: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const LONGEST: usize = 63;
    if name.len() > LONGEST {
        errors.push(path.too_long(LONGEST));
    }
    subdomain(&name.to_lowercase(), path, errors);
}

/// `validateSelectorSlice`.
fn selectors(list: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const LONGEST: usize = 10 * 1024;
    for (index, selector) in each(list, path, MOST, errors) {
        let path = path.index(index);
        let place = path.child("cel");
        match &selector["cel"] {
            Value::Null => errors.push(place.required("")),
            cel if text(cel, "expression").is_empty() => errors.push(place.child("expression").required("")),
            cel if text(cel, "expression").len() > LONGEST => {
                errors.push(place.child("expression").too_long(LONGEST));
            }
            _ => {}
        }
    }
}

/// `validateDeviceConfiguration`.
fn configuration(config: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let (opaque, path) = (&config["opaque"], path.child("opaque"));
    if opaque.is_null() {
        errors.push(path.required(""));
        return;
    }
    driver(text(opaque, "driver"), &path.child("driver"), errors);
    match &opaque["parameters"] {
        Value::Null => errors.push(path.child("parameters").required("")),
        Value::Object(_) => {}
        other => errors.push(path.child("parameters").invalid(other.clone(), "must be a valid JSON object")),
    }
}
