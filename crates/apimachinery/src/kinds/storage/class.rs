//! StorageClass and VolumeAttributesClass.

use serde_json::{Value, json};

use crate::json::{default, is_empty, text};
use crate::kind::{Column, Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, string};
use crate::status::{FieldError, Path};
use crate::validation::{immutable, qualified_name_faults};

pub(crate) const STORAGE_CLASS: Kind = Kind {
    group: "storage.k8s.io",
    version: "v1",
    kind: "StorageClass",
    plural: "storageclasses",
    strategy: &StorageClass,
    columns: &[
        Column { cell: |class, _| json!(named(class)), ..NAME },
        string("Provisioner", "Who makes its volumes.", |class, _| json!(text(class, "provisioner"))),
        string("ReclaimPolicy", "What becomes of a volume when its claim goes.", |class, _| {
            json!(text(class, "reclaimPolicy"))
        }),
        string("VolumeBindingMode", "When volumes are made.", |class, _| {
            json!(text(class, "volumeBindingMode"))
        }),
        string("AllowVolumeExpansion", "Whether volumes may grow.", |class, _| {
            json!((class["allowVolumeExpansion"] == true).to_string())
        }),
        AGE,
    ],
    sealed: false,
};

pub(crate) const VOLUME_ATTRIBUTES_CLASS: Kind = Kind {
    group: "storage.k8s.io",
    version: "v1",
    kind: "VolumeAttributesClass",
    plural: "volumeattributesclasses",
    strategy: &AttributesClass,
    columns: &[
        NAME,
        string("DriverName", "Whose volumes it is for.", |class, _| json!(text(class, "driverName"))),
        AGE,
    ],
    sealed: false,
};

struct StorageClass;
struct AttributesClass;

impl Strategy for StorageClass {
    fn default(&self, class: &mut Value, _: &Cx) {
        default(class, "reclaimPolicy", "Delete");
        default(class, "volumeBindingMode", "Immediate");
    }

    fn validate_create(&self, class: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (provisioner, path) = (text(class, "provisioner"), Path::of("provisioner"));
        match provisioner {
            "" => errors.push(path.required("")),
            name => {
                let faults = qualified_name_faults(&name.to_lowercase());
                errors.extend(faults.iter().map(|fault| path.invalid(name, fault)));
            }
        }
        for (field, known) in [
            ("reclaimPolicy", ["Delete", "Retain"]),
            ("volumeBindingMode", ["Immediate", "WaitForFirstConsumer"]),
        ] {
            let word = text(class, field);
            if !known.contains(&word) {
                errors.push(Path::of(field).not_supported(word, &known));
            }
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        self.validate_create(new, cx, errors);
        for field in ["parameters", "provisioner"] {
            if new[field] != old[field] {
                errors.push(Path::of(field).forbidden(&format!("updates to {field} are forbidden.")));
            }
        }
        for field in ["reclaimPolicy", "volumeBindingMode"] {
            immutable(&new[field], &old[field], &Path::of(field), errors);
        }
    }
}

impl Strategy for AttributesClass {
    fn validate_create(&self, class: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        for field in ["driverName", "parameters"].into_iter().filter(|field| is_empty(&class[*field])) {
            errors.push(Path::of(field).required(""));
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        self.validate_create(new, cx, errors);
        for field in ["driverName", "parameters"].into_iter().filter(|field| new[*field] != old[*field]) {
            errors.push(Path::of(field).forbidden(&format!("updates to {field} are forbidden.")));
        }
    }
}

fn named(class: &Value) -> String {
    let name = text(&class["metadata"], "name");
    let annotations = &class["metadata"]["annotations"];
    match text(annotations, "storageclass.kubernetes.io/is-default-class") {
        "true" => format!("{name} (default)"),
        _ => name.to_owned(),
    }
}
