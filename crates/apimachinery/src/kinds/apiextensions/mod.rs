//! The group apiextensions.k8s.io: CustomResourceDefinition
//! (`k8s.io/apiextensions-apiserver/pkg/registry/customresourcedefinition`, `pkg/apis/apiextensions/v1/defaults.go`).

mod conversion;
mod defaults;
mod names;
mod schema;
mod spec;
mod structure;

pub use structure::violations;

use serde_json::{Value, json};

use crate::custom::conditions::{self, CLEANUP, TERMINATING};
use crate::json::{default, is_empty, items, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::status::{FieldError, Path};
use crate::write::time;

pub(super) const CUSTOM_RESOURCE_DEFINITION: Kind = Kind {
    group: "apiextensions.k8s.io",
    version: "v1",
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
    strategy: &Definition,
    columns: &[],
    sealed: false,
};

struct Definition;

impl Strategy for Definition {
    fn default(&self, definition: &mut Value, _: &Cx) {
        let names = &mut definition["spec"]["names"];
        let kind = text(names, "kind").to_owned();
        if !kind.is_empty() {
            default(names, "singular", kind.to_lowercase());
            default(names, "listKind", format!("{kind}List"));
        }
        let conversion = &mut definition["spec"]["conversion"];
        if conversion.is_null() {
            *conversion = json!({ "strategy": "None" });
        }
        if let Some(service) = conversion.pointer_mut("/webhook/clientConfig/service")
            && service.is_object()
            && service["port"].is_null()
        {
            service["port"] = json!(443);
        }
    }

    fn prepare_create(&self, definition: &mut Value, _: &Cx) {
        definition["status"] = json!({ "acceptedNames": { "kind": "", "plural": "" } });
        remember_storage(definition);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, cx: &Cx) {
        if cx.is_status() {
            new["spec"] = old["spec"].clone();
        } else {
            remember_storage(new);
        }
    }

    /// The objects go first, so the definition is held until they are gone (`customresourcedefinition/etcd.go`, Delete).
    fn prepare_delete(&self, definition: &mut Value, cx: &Cx) {
        let mut finalizers = items(&definition["metadata"]["finalizers"]).to_vec();
        if !finalizers.iter().any(|name| name == CLEANUP) {
            finalizers.push(json!(CLEANUP));
            definition["metadata"]["finalizers"] = finalizers.into();
        }
        let mut known = items(&definition["status"]["conditions"]).to_vec();
        known.retain(|condition| condition["type"] != TERMINATING);
        known.push(json!({
            "type": TERMINATING,
            "status": "True",
            "lastTransitionTime": time(cx.now),
            "reason": "InstanceDeletionPending",
            "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
        }));
        definition["status"]["conditions"] = known.into();
    }

    fn validate_create(&self, definition: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        check_name(definition, errors);
        spec::check(&definition["spec"], None, errors);
        check_status(definition, errors);
        check_approval(definition, None, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        let accepted = Path::of("status.acceptedNames");
        if cx.is_status() {
            return names::check(&new["status"]["acceptedNames"], &accepted, errors);
        }
        // A definition that is going only loses finalizers.
        if new["spec"] != old["spec"] || is_empty(&new["metadata"]["deletionTimestamp"]) {
            spec::check(&new["spec"], Some(old), errors);
        }
        check_status(new, errors);
        check_approval(new, Some(old), errors);
    }

    fn warnings(&self, definition: &Value, _: &Cx) -> Vec<String> {
        let mut formats = Vec::new();
        for version in items(&definition["spec"]["versions"]) {
            schema::unknown_formats(&version["schema"]["openAPIV3Schema"], &mut formats);
        }
        formats.into_iter().map(|format| format!("unrecognized format \"{format}\"")).collect()
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn takes_any_finalizer(&self) -> bool {
        true
    }

    fn allows_unconditional_update(&self) -> bool {
        false
    }
}

/// Objects may rest in every version that ever was the storage version.
fn remember_storage(definition: &mut Value) {
    let versions = items(&definition["spec"]["versions"]);
    let Some(storage) = versions.iter().find(|version| version["storage"] == true) else { return };
    let storage = storage["name"].clone();
    let mut stored = items(&definition["status"]["storedVersions"]).to_vec();
    if !stored.contains(&storage) {
        stored.push(storage);
        definition["status"]["storedVersions"] = stored.into();
    }
}

fn check_name(definition: &Value, errors: &mut Vec<FieldError>) {
    let name = text(&definition["metadata"], "name");
    let spec = &definition["spec"];
    let wanted = format!("{}.{}", text(&spec["names"], "plural"), text(spec, "group"));
    if !name.is_empty() && name != wanted {
        errors.push(Path::of("metadata.name").invalid(name, "must be spec.names.plural+\".\"+spec.group"));
    }
}

fn check_status(definition: &Value, errors: &mut Vec<FieldError>) {
    let status = &definition["status"];
    names::check(&status["acceptedNames"], &Path::of("status.acceptedNames"), errors);
    let path = Path::of("status.storedVersions");
    let stored = items(&status["storedVersions"]);
    if stored.is_empty() {
        errors.push(path.invalid(json!([]), "must have at least one stored version"));
        return;
    }
    let versions = items(&definition["spec"]["versions"]);
    for version in versions.iter().filter(|version| version["storage"] == true) {
        if !stored.contains(&version["name"]) {
            let why = format!("must have the storage version {}", text(version, "name"));
            errors.push(path.invalid(status["storedVersions"].clone(), &why));
        }
    }
    for (index, name) in stored.iter().enumerate() {
        if !versions.iter().any(|version| version["name"] == *name) {
            let word = name.as_str().unwrap_or_default();
            let why = format!(
                "missing from spec.versions; {word} was previously a storage version, and must remain in \
                 spec.versions until a storage migration ensures no data remains persisted in {word} and removes \
                 {word} from status.storedVersions"
            );
            errors.push(path.index(index).invalid(word, &why));
        }
    }
}

fn check_approval(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    use conditions::{APPROVAL, Approval, approval};
    if !conditions::is_protected(text(&new["spec"], "group")) {
        return;
    }
    let (state, why) = approval(new);
    if old.is_some_and(|old| approval(old).0 == state) {
        return;
    }
    let annotations = Path::of("metadata.annotations");
    let path = annotations.key(APPROVAL);
    match state {
        Approval::Approved | Approval::Bypassed => {}
        Approval::Missing => errors.push(path.required(&why)),
        Approval::Invalid => {
            errors.push(path.invalid(text(&new["metadata"]["annotations"], APPROVAL), &why));
        }
    }
}
