//! Endpoints (`pkg/registry/core/endpoint`, `pkg/apis/core/validation/validation.go` ValidateEndpoints).

use serde_json::{Value, json};

use crate::json::{default, items, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, or_none, string};
use crate::status::{FieldError, Path};
use crate::validation::{ip_faults, port_number_faults};

pub(crate) const ENDPOINTS: Kind = Kind {
    group: "",
    version: "v1",
    kind: "Endpoints",
    plural: "endpoints",
    strategy: &Endpoints,
    columns: &[NAME, string("Endpoints", "The addresses with their ports.", |object, _| told(object)), AGE],
    sealed: false,
};

struct Endpoints;

impl Strategy for Endpoints {
    fn default(&self, object: &mut Value, _: &Cx) {
        let subsets = object.get_mut("subsets").and_then(Value::as_array_mut);
        for subset in subsets.into_iter().flatten() {
            let ports = subset.get_mut("ports").and_then(Value::as_array_mut);
            ports.into_iter().flatten().for_each(|port| default(port, "protocol", "TCP"));
        }
    }

    fn creates_on_update(&self) -> bool {
        true
    }

    fn validate_create(&self, object: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let list = Path::of("subsets");
        for (index, subset) in items(&object["subsets"]).iter().enumerate() {
            subset_rules(subset, &list.index(index), errors);
        }
    }
}

fn subset_rules(subset: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let count = |field: &str| items(&subset[field]).len();
    if count("addresses") + count("notReadyAddresses") == 0 {
        errors.push(path.required("must specify `addresses` or `notReadyAddresses`"));
    }
    for field in ["addresses", "notReadyAddresses"] {
        let list = path.child(field);
        for (index, address) in items(&subset[field]).iter().enumerate() {
            let (ip, path) = (text(address, "ip"), list.index(index));
            errors.extend(ip_faults(ip).iter().map(|fault| path.child("ip").invalid(ip, fault)));
        }
    }
    let list = path.child("ports");
    for (index, port) in items(&subset["ports"]).iter().enumerate() {
        let (number, path) = (port["port"].as_i64().unwrap_or(0), list.index(index));
        errors
            .extend(port_number_faults(number).iter().map(|fault| path.child("port").invalid(number, fault)));
        if text(port, "name").is_empty() && count("ports") > 1 {
            errors.push(path.child("name").required(""));
        }
    }
}

/// `10.0.0.1:80,10.0.0.2:80 + 3 more...`
fn told(object: &Value) -> Value {
    let mut all = Vec::new();
    for subset in items(&object["subsets"]) {
        let addresses = || items(&subset["addresses"]).iter().map(|address| text(address, "ip"));
        match items(&subset["ports"]) {
            [] => all.extend(addresses().map(str::to_owned)),
            ports => all.extend(ports.iter().flat_map(|port| {
                addresses().map(|ip| format!("{ip}:{}", port["port"].as_i64().unwrap_or(0)))
            })),
        }
    }
    match all.len() {
        ..=3 => or_none(&all.join(",")),
        count => json!(format!("{} + {} more...", all[..3].join(","), count - 3)),
    }
}
