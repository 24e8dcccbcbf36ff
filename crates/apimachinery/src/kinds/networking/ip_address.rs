//! IPAddress: a cluster IP that is taken, one object per address, so that no two Services can have the same
//! (`pkg/registry/networking/ipaddress`, `pkg/apis/networking/validation/validation.go` ValidateIPAddress).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::json::text;
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, string};
use crate::status::{FieldError, Path};
use crate::validation::{NameRule, immutable, path_segment_faults};

pub(crate) const IP_ADDRESS: Kind = Kind {
    group: "networking.k8s.io",
    version: "v1",
    kind: "IPAddress",
    plural: "ipaddresses",
    strategy: &IpAddress,
    columns: &[
        NAME,
        string("ParentRef", "Who uses it.", |address, _| json!(parent(&address["spec"]["parentRef"]))),
        AGE,
    ],
    sealed: false,
};

struct IpAddress;

impl Strategy for IpAddress {
    fn name_rule(&self) -> NameRule {
        NameRule::Address
    }

    fn validate_create(&self, address: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let path = Path::of("spec.parentRef");
        let parent = &address["spec"]["parentRef"];
        if !parent.is_object() {
            errors.push(path.required(""));
            return;
        }
        for field in ["resource", "name"] {
            let value = text(parent, field);
            if value.is_empty() {
                errors.push(path.child(field).required(""));
            }
            errors.extend(
                path_segment_faults(value).iter().map(|fault| path.child(field).invalid(value, fault)),
            );
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        self.validate_create(new, cx, errors);
        immutable(&new["spec"]["parentRef"], &old["spec"]["parentRef"], &Path::of("spec.parentRef"), errors);
    }

    fn selectable(&self, address: &Value) -> BTreeMap<String, String> {
        let parent = &address["spec"]["parentRef"];
        let fields = ["group", "resource", "namespace", "name"];
        fields
            .iter()
            .map(|field| (format!("spec.parentRef.{field}"), text(parent, field).to_owned()))
            .collect()
    }
}

/// `services/default/web`, with the group where there is one.
fn parent(parent: &Value) -> String {
    let (group, resource) = (text(parent, "group"), text(parent, "resource"));
    let resource = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
    match (text(parent, "namespace"), text(parent, "name")) {
        ("", name) => format!("{resource}/{name}"),
        (namespace, name) => format!("{resource}/{namespace}/{name}"),
    }
}
