//! DeviceClass and ResourceSlice: which devices there are.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{MOST, configuration, declared, driver, each, label, selectors, subdomain};
use crate::json::{default, is_empty, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, string};
use crate::status::{FieldError, Path};
use crate::validation::immutable;

pub(crate) const DEVICE_CLASS: Kind = declared("DeviceClass", "deviceclasses", &Class, &[NAME, AGE]);
pub(crate) const RESOURCE_SLICE: Kind = declared(
    "ResourceSlice",
    "resourceslices",
    &Slice,
    &[
        NAME,
        string("Node", "The node that has the devices.", |slice, _| match text(&slice["spec"], "nodeName") {
            "" => json!("<unset>"),
            name => json!(name),
        }),
        string("Driver", "Whose devices they are.", |slice, _| json!(text(&slice["spec"], "driver"))),
        string("Pool", "The pool they belong to.", |slice, _| json!(text(&slice["spec"]["pool"], "name"))),
        AGE,
    ],
);

struct Class;
struct Slice;

impl Strategy for Class {
    fn has_generation(&self) -> bool {
        true
    }

    fn validate_create(&self, class: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (spec, path) = (&class["spec"], Path::of("spec"));
        selectors(&spec["selectors"], &path.child("selectors"), errors);
        let list = path.child("config");
        for (index, config) in each(&spec["config"], &list, MOST, errors) {
            configuration(config, &list.index(index), errors);
        }
    }
}

impl Strategy for Slice {
    fn default(&self, slice: &mut Value, cx: &Cx) {
        let now = crate::write::time(cx.now);
        let devices = slice.pointer_mut("/spec/devices").and_then(Value::as_array_mut);
        for device in devices.into_iter().flatten() {
            for taint in device.get_mut("taints").and_then(Value::as_array_mut).into_iter().flatten() {
                default(taint, "timeAdded", now.clone());
            }
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate_create(&self, slice: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (spec, path) = (&slice["spec"], Path::of("spec"));
        place(spec, &path, errors);
        driver(text(spec, "driver"), &path.child("driver"), errors);
        pool(&spec["pool"], &path.child("pool"), errors);
        let list = path.child("devices");
        let most = 128;
        let mut seen = Vec::new();
        for (index, device) in each(&spec["devices"], &list, most, errors) {
            let (place, name) = (list.index(index), text(device, "name"));
            label(name, &place.child("name"), errors);
            if seen.contains(&name) {
                errors.push(place.duplicate(name));
            }
            seen.push(name);
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        self.validate_create(new, cx, errors);
        let (path, new, old) = (Path::of("spec"), &new["spec"], &old["spec"]);
        for field in ["driver", "nodeName"] {
            immutable(&new[field], &old[field], &path.child(field), errors);
        }
        immutable(&new["pool"]["name"], &old["pool"]["name"], &path.child("pool.name"), errors);
    }

    fn selectable(&self, slice: &Value) -> BTreeMap<String, String> {
        let spec = &slice["spec"];
        ["driver", "nodeName"].map(|field| (format!("spec.{field}"), text(spec, field).to_owned())).into()
    }

    fn selectable_names(&self) -> &'static [&'static str] {
        &["spec.driver", "spec.nodeName"]
    }
}

/// Devices are on one node, on those that a selector names, on all, or each says where it is.
fn place(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const FIELDS: &str = "`nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection`";
    let said = [
        !text(spec, "nodeName").is_empty(),
        !spec["nodeSelector"].is_null(),
        spec["allNodes"] == true,
        spec["perDeviceNodeSelection"] == true,
        !is_empty(&spec["sharedCounters"]) && is_empty(&spec["devices"]),
    ];
    match said.iter().filter(|said| **said).count() {
        1 => {}
        0 => errors.push(path.required(&format!("exactly one of {FIELDS} is required"))),
        _ => {
            let why = format!("exactly one of {FIELDS} is required, but multiple fields are set");
            errors.push(path.invalid(Value::Null, &why));
        }
    }
    if !text(spec, "nodeName").is_empty() {
        subdomain(text(spec, "nodeName"), &path.child("nodeName"), errors);
    }
}

fn pool(pool: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for part in text(pool, "name").split('/') {
        subdomain(part, &path.child("name"), errors);
    }
    let count = pool["resourceSliceCount"].as_i64().unwrap_or(0);
    if count <= 0 {
        errors.push(path.child("resourceSliceCount").invalid(count, "must be greater than zero"));
    }
    let generation = pool["generation"].as_i64().unwrap_or(0);
    if generation < 0 {
        errors.push(path.child("generation").invalid(generation, "must be greater than or equal to zero"));
    }
}
