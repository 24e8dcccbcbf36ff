//! PersistentVolume and PersistentVolumeClaim (`pkg/registry/core/persistentvolume`,
//! `pkg/registry/core/persistentvolumeclaim`, `pkg/apis/core/v1/defaults.go`, `pkg/apis/core/validation/validation.go`).

use serde_json::{Value, json};

use crate::json::{carry, default, entries, is_empty, items, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, or_none, string, wide};
use crate::quantity::Quantity;
use crate::status::{FieldError, Path};

pub(crate) const PERSISTENT_VOLUME: Kind = Kind {
    group: "",
    version: "v1",
    kind: "PersistentVolume",
    plural: "persistentvolumes",
    strategy: &Volume,
    columns: &[
        NAME,
        string("Capacity", "How much it holds.", |volume, _| {
            json!(text(&volume["spec"]["capacity"], "storage"))
        }),
        string("Access Modes", "How it may be mounted.", |volume, _| {
            json!(access_modes(&volume["spec"]["accessModes"]))
        }),
        string("Reclaim Policy", "What becomes of it when its claim goes.", |volume, _| {
            json!(text(&volume["spec"], "persistentVolumeReclaimPolicy"))
        }),
        string("Status", "Whether it is bound.", |volume, _| json!(phase(volume))),
        string("Claim", "The claim it is bound to.", |volume, _| {
            let claim = &volume["spec"]["claimRef"];
            match claim.is_null() {
                true => json!(""),
                false => json!(format!("{}/{}", text(claim, "namespace"), text(claim, "name"))),
            }
        }),
        string("StorageClass", "Its class.", |volume, _| json!(text(&volume["spec"], "storageClassName"))),
        string("VolumeAttributesClass", "The class of its attributes.", |volume, _| {
            attributes_class(&volume["spec"])
        }),
        string("Reason", "Why it is in its state.", |volume, _| json!(text(&volume["status"], "reason"))),
        AGE,
        wide("VolumeMode", "Files or a block device.", |volume, _| mode(&volume["spec"])),
    ],
    sealed: false,
};

pub(crate) const PERSISTENT_VOLUME_CLAIM: Kind = Kind {
    group: "",
    version: "v1",
    kind: "PersistentVolumeClaim",
    plural: "persistentvolumeclaims",
    strategy: &Claim,
    columns: &[
        NAME,
        string("Status", "Whether it is bound.", |claim, _| json!(phase(claim))),
        string("Volume", "The volume it is bound to.", |claim, _| json!(text(&claim["spec"], "volumeName"))),
        string("Capacity", "How much its volume holds.", |claim, _| {
            json!(text(&claim["status"]["capacity"], "storage"))
        }),
        string("Access Modes", "How it may be mounted.", |claim, _| {
            json!(access_modes(&claim["status"]["accessModes"]))
        }),
        string("StorageClass", "Its class.", |claim, _| json!(text(&claim["spec"], "storageClassName"))),
        string("VolumeAttributesClass", "The class of its attributes.", |claim, _| {
            attributes_class(&claim["spec"])
        }),
        AGE,
        wide("VolumeMode", "Files or a block device.", |claim, _| mode(&claim["spec"])),
    ],
    sealed: false,
};

struct Volume;
struct Claim;

impl Strategy for Volume {
    fn default(&self, volume: &mut Value, _: &Cx) {
        let Some(spec) = volume.get_mut("spec") else { return };
        default(spec, "persistentVolumeReclaimPolicy", "Retain");
        default(spec, "volumeMode", "Filesystem");
        if spec["hostPath"].is_object() && spec["hostPath"]["type"].is_null() {
            spec["hostPath"]["type"] = json!("");
        }
    }

    fn prepare_create(&self, volume: &mut Value, _: &Cx) {
        volume["status"] = json!({"phase": "Pending"});
    }

    fn validate_create(&self, volume: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (spec, path) = (&volume["spec"], Path::of("spec"));
        modes(spec, &path, errors);
        if is_empty(&spec["capacity"]) {
            errors.push(path.child("capacity").required(""));
        } else if spec["capacity"].get("storage").is_none() || entries(&spec["capacity"]).count() > 1 {
            errors.push(path.child("capacity").not_supported(spec["capacity"].clone(), &["storage"]));
        } else {
            positive(&spec["capacity"]["storage"], &path.child("capacity").key("storage"), errors);
        }
        let policy = text(spec, "persistentVolumeReclaimPolicy");
        if !["Delete", "Recycle", "Retain"].contains(&policy) {
            let known = ["Delete", "Recycle", "Retain"];
            errors.push(path.child("persistentVolumeReclaimPolicy").not_supported(policy, &known));
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        if cx.is_status() {
            return;
        }
        self.validate_create(new, cx, errors);
        let sources = |spec: &Value| {
            let mut spec = spec.clone();
            for field in [
                "claimRef",
                "capacity",
                "accessModes",
                "persistentVolumeReclaimPolicy",
                "storageClassName",
                "mountOptions",
                "volumeAttributesClassName",
                "nodeAffinity",
            ] {
                crate::json::remove(&mut spec, field);
            }
            spec
        };
        if sources(&new["spec"]) != sources(&old["spec"]) {
            let why = "spec.persistentvolumesource is immutable after creation";
            errors.push(Path::of("spec.persistentvolumesource").forbidden(why));
        }
    }
}

impl Strategy for Claim {
    fn default(&self, claim: &mut Value, _: &Cx) {
        if let Some(spec) = claim.get_mut("spec") {
            default(spec, "volumeMode", "Filesystem");
        }
    }

    fn prepare_create(&self, claim: &mut Value, _: &Cx) {
        claim["status"] = json!({"phase": "Pending"});
    }

    fn validate_create(&self, claim: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (spec, path) = (&claim["spec"], Path::of("spec"));
        modes(spec, &path, errors);
        let resources = path.child("resources");
        let storage = &spec["resources"]["requests"]["storage"];
        match storage.is_null() {
            true => errors.push(resources.key("storage").required("")),
            false => positive(storage, &resources.key("storage"), errors),
        }
    }

    /// A claim stays what it was, but it may grow once it is bound.
    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        if cx.is_status() {
            return;
        }
        self.validate_create(new, cx, errors);
        let mut rest = new["spec"].clone();
        if text(&old["spec"], "volumeName").is_empty() {
            carry(&mut rest, &old["spec"], "volumeName");
        }
        if is_empty(&old["spec"]["storageClassName"]) {
            carry(&mut rest, &old["spec"], "storageClassName");
        }
        if phase(new) == "Bound" {
            carry(&mut rest, &old["spec"], "resources");
            carry(&mut rest, &old["spec"], "volumeAttributesClassName");
        }
        if rest != old["spec"] {
            let why = "spec is immutable after creation except resources.requests and volumeAttributesClassName for \
                       bound claims";
            errors.push(Path::of("spec").forbidden(why));
        }
        let size = |claim: &Value| Quantity::from_value(&claim["spec"]["resources"]["requests"]["storage"]);
        if let (Ok(new), Ok(old)) = (size(new), size(old))
            && new < old
        {
            let why = "field can not be less than status.capacity";
            errors.push(Path::of("spec.resources.requests.storage").forbidden(why));
        }
    }
}

fn modes(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
    let list = path.child("accessModes");
    if items(&spec["accessModes"]).is_empty() {
        errors.push(list.required("at least 1 access mode is required"));
    }
    for mode in items(&spec["accessModes"]).iter().filter_map(Value::as_str) {
        if !MODES.contains(&mode) {
            errors.push(list.not_supported(mode, &MODES));
        }
    }
    let mode = text(spec, "volumeMode");
    if !["Block", "Filesystem"].contains(&mode) {
        errors.push(path.child("volumeMode").not_supported(mode, &["Block", "Filesystem"]));
    }
}

fn positive(amount: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if Quantity::from_value(amount).is_ok_and(|amount| amount.is_negative() || amount.is_zero()) {
        errors.push(path.invalid(amount.clone(), "must be greater than zero"));
    }
}

fn phase(object: &Value) -> &str {
    let is_marked = !is_empty(&object["metadata"]["deletionTimestamp"]);
    if is_marked { "Terminating" } else { text(&object["status"], "phase") }
}

/// `RWO,ROX`
fn access_modes(modes: &Value) -> String {
    let short = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let given = items(modes);
    let told =
        short.iter().filter(|(mode, _)| given.iter().any(|given| given == mode)).map(|(_, short)| *short);
    told.collect::<Vec<_>>().join(",")
}

fn attributes_class(spec: &Value) -> Value {
    match text(spec, "volumeAttributesClassName") {
        "" => json!("<unset>"),
        class => json!(class),
    }
}

fn mode(spec: &Value) -> Value {
    match text(spec, "volumeMode") {
        "" => json!("<unset>"),
        mode => or_none(mode),
    }
}
