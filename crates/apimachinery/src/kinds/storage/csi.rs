//! CSIDriver, CSINode, CSIStorageCapacity and VolumeAttachment.

use serde_json::{Value, json};

use crate::json::{default, items, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, integer, or_none, string};
use crate::status::{FieldError, Path};
use crate::validation::immutable;

pub(crate) const CSI_DRIVER: Kind = Kind {
    group: "storage.k8s.io",
    version: "v1",
    kind: "CSIDriver",
    plural: "csidrivers",
    strategy: &Driver,
    columns: &[
        NAME,
        string("AttachRequired", "Whether its volumes are attached first.", |driver, _| {
            json!((driver["spec"]["attachRequired"] == true).to_string())
        }),
        string("PodInfoOnMount", "Whether it is told of the pod.", |driver, _| {
            json!((driver["spec"]["podInfoOnMount"] == true).to_string())
        }),
        string("StorageCapacity", "Whether it says how much room there is.", |driver, _| {
            json!((driver["spec"]["storageCapacity"] == true).to_string())
        }),
        string("TokenRequests", "The audiences it wants tokens for.", |driver, _| {
            let wanted = items(&driver["spec"]["tokenRequests"]).iter().map(|one| text(one, "audience"));
            match wanted.collect::<Vec<_>>().join(",").as_str() {
                "" => json!("<unset>"),
                told => json!(told),
            }
        }),
        string("RequiresRepublish", "Whether it is asked again and again.", |driver, _| {
            json!((driver["spec"]["requiresRepublish"] == true).to_string())
        }),
        string("Modes", "How long its volumes live.", |driver, _| {
            let modes = items(&driver["spec"]["volumeLifecycleModes"]).iter().filter_map(Value::as_str);
            or_none(&modes.collect::<Vec<_>>().join(","))
        }),
        AGE,
    ],
    sealed: false,
};

pub(crate) const CSI_NODE: Kind = Kind {
    group: "storage.k8s.io",
    version: "v1",
    kind: "CSINode",
    plural: "csinodes",
    strategy: &Node,
    columns: &[
        NAME,
        integer("Drivers", "How many drivers it has.", |node, _| {
            json!(items(&node["spec"]["drivers"]).len())
        }),
        AGE,
    ],
    sealed: false,
};

pub(crate) const CSI_STORAGE_CAPACITY: Kind = Kind {
    group: "storage.k8s.io",
    version: "v1",
    kind: "CSIStorageCapacity",
    plural: "csistoragecapacities",
    strategy: &Capacity,
    columns: &[
        NAME,
        string("StorageClassName", "The class it is told of.", |one, _| json!(text(one, "storageClassName"))),
        string("Capacity", "How much room there is.", |one, _| json!(text(one, "capacity"))),
    ],
    sealed: false,
};

pub(crate) const VOLUME_ATTACHMENT: Kind = Kind {
    group: "storage.k8s.io",
    version: "v1",
    kind: "VolumeAttachment",
    plural: "volumeattachments",
    strategy: &Attachment,
    columns: &[
        NAME,
        string("Attacher", "Who attaches it.", |one, _| json!(text(&one["spec"], "attacher"))),
        string("PV", "The volume.", |one, _| json!(text(&one["spec"]["source"], "persistentVolumeName"))),
        string("Node", "The node.", |one, _| json!(text(&one["spec"], "nodeName"))),
        string("Attached", "Whether it is attached.", |one, _| {
            json!((one["status"]["attached"] == true).to_string())
        }),
        AGE,
    ],
    sealed: false,
};

struct Driver;
struct Node;
struct Capacity;
struct Attachment;

impl Strategy for Driver {
    fn default(&self, driver: &mut Value, _: &Cx) {
        let Some(spec) = driver.get_mut("spec").filter(|spec| spec.is_object()) else { return };
        default(spec, "attachRequired", true);
        for field in ["podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"] {
            default(spec, field, false);
        }
        default(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
        default(spec, "volumeLifecycleModes", json!(["Persistent"]));
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate_update(&self, new: &Value, old: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let path = Path::of("spec");
        for field in ["attachRequired", "volumeLifecycleModes"] {
            immutable(&new["spec"][field], &old["spec"][field], &path.child(field), errors);
        }
    }
}

impl Strategy for Node {
    fn validate_create(&self, node: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let list = Path::of("spec.drivers");
        let mut seen = Vec::new();
        for (index, driver) in items(&node["spec"]["drivers"]).iter().enumerate() {
            let path = list.index(index);
            for field in ["name", "nodeID"].into_iter().filter(|field| text(driver, field).is_empty()) {
                errors.push(path.child(field).required(""));
            }
            let name = text(driver, "name");
            if seen.contains(&name) {
                errors.push(path.child("name").duplicate(name));
            }
            seen.push(name);
        }
    }
}

impl Strategy for Capacity {
    fn validate_create(&self, capacity: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        if text(capacity, "storageClassName").is_empty() {
            errors.push(Path::of("storageClassName").required(""));
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        self.validate_create(new, cx, errors);
        for field in ["nodeTopology", "storageClassName"] {
            immutable(&new[field], &old[field], &Path::of(field), errors);
        }
    }
}

impl Strategy for Attachment {
    fn prepare_create(&self, attachment: &mut Value, _: &Cx) {
        attachment["status"] = json!({"attached": false});
    }

    fn validate_create(&self, attachment: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (spec, path) = (&attachment["spec"], Path::of("spec"));
        for field in ["attacher", "nodeName"].into_iter().filter(|field| text(spec, field).is_empty()) {
            errors.push(path.child(field).required(""));
        }
        let named = !text(&spec["source"], "persistentVolumeName").is_empty();
        let source = path.child("source");
        match (named, spec["source"]["inlineVolumeSpec"].is_null()) {
            (false, true) => {
                errors.push(
                    source.required("must specify exactly one of inlineVolumeSpec and persistentVolumeName"),
                );
            }
            (true, false) => {
                errors.push(
                    source.forbidden("must specify exactly one of inlineVolumeSpec and persistentVolumeName"),
                );
            }
            _ => {}
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        if !cx.is_status() {
            immutable(&new["spec"], &old["spec"], &Path::of("spec"), errors);
        }
    }
}
