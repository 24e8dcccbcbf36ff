//! The group node.k8s.io: RuntimeClass (`pkg/registry/node/runtimeclass`, `pkg/apis/node/validation/validation.go`).

use serde_json::{Value, json};

use crate::json::text;
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, string};
use crate::status::{FieldError, Path};
use crate::validation::{dns_label_faults, immutable};

pub(super) const RUNTIME_CLASS: Kind = Kind {
    group: "node.k8s.io",
    version: "v1",
    kind: "RuntimeClass",
    plural: "runtimeclasses",
    strategy: &Class,
    columns: &[
        NAME,
        string("Handler", "Which runtime it is.", |class, _| json!(text(class, "handler"))),
        AGE,
    ],
    sealed: false,
};

struct Class;

impl Strategy for Class {
    fn validate_create(&self, class: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (handler, path) = (text(class, "handler"), Path::of("handler"));
        errors.extend(dns_label_faults(handler).iter().map(|fault| path.invalid(handler, fault)));
    }

    fn validate_update(&self, new: &Value, old: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        immutable(&new["handler"], &old["handler"], &Path::of("handler"), errors);
    }
}
