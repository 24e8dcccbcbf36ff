//! A new object (`k8s.io/apiserver/pkg/registry/rest/create.go`, BeforeCreate).

use serde_json::{Value, json};

use super::{
    Draft, WriteCx, check_name, defaulted, draft, kind_subject, settle_namespace, settle_shape, time,
};
use crate::json::{remove, text};
use crate::kind::Cx;
use crate::name;
use crate::patch;
use crate::registry::Resource;
use crate::status::{FieldError, Path, Status};
use crate::validation;

/// Accepts a new object, or says why not.
///
/// # Errors
/// 400 when name or namespace contradict the request, 422 with every field that is wrong.
pub fn create(
    resource: &Resource,
    subresource: &str,
    mut object: Value,
    cx: &WriteCx<'_>,
) -> Result<Draft, Status> {
    settle_shape(&mut object, resource)?;
    settle_namespace(&mut object, resource, cx.namespace)?;
    check_name(&object, cx.name)?;
    if !text(&object["metadata"], "resourceVersion").is_empty() {
        return Err(Status::bad_request("resourceVersion should not be set on objects to be created"));
    }
    let rules = cx.of(resource, subresource);
    defaulted(&mut object, &rules);
    forget_status(&mut object, &rules);
    begin(&mut object["metadata"], cx, &rules);
    resource.strategy.prepare_create(&mut object, &rules);
    refuse(resource, &object, validate(&object, &rules))?;
    let warnings = resource.strategy.warnings(&object, &rules);
    Ok(draft::created(resource, object, warnings))
}

/// A new object that says whose its fields are. Upstream's handler for POST does so before admission, on the object with
/// its defaults (`k8s.io/apiserver/pkg/endpoints/handlers/create.go`).
///
/// # Errors
/// 400 when the object has not the shape of its kind.
pub fn managed(resource: &Resource, mut object: Value, cx: &WriteCx<'_>) -> Result<Value, Status> {
    settle_shape(&mut object, resource)?;
    defaulted(&mut object, &cx.of(resource, ""));
    patch::track_birth(resource, &mut object, cx.field_manager, cx.now);
    Ok(object)
}

/// What only the server may say of a new object.
fn begin(metadata: &mut Value, cx: &WriteCx<'_>, rules: &Cx<'_>) {
    for field in
        ["resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"]
    {
        remove(metadata, field);
    }
    if rules.resource.strategy.has_generation() {
        metadata["generation"] = json!(1);
    }
    metadata["uid"] = json!(cx.uid.to_string());
    metadata["creationTimestamp"] = json!(time(cx.now));
    let prefix = text(metadata, "generateName");
    if text(metadata, "name").is_empty() && !prefix.is_empty() {
        metadata["name"] = json!(name::generated(prefix, cx.uid.as_bytes()));
    }
}

/// Where status has a path of its own, nobody brings one along.
fn forget_status(object: &mut Value, rules: &Cx<'_>) {
    // A custom resource's schema may ask for more than nothing: its own rules take the status away.
    if rules.resource.custom.is_none()
        && rules.resource.has_status()
        && !rules.resource.strategy.brings_status()
    {
        object["status"] = json!({});
    }
}

fn validate(object: &Value, rules: &Cx<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let resource = rules.resource;
    metadata(&object["metadata"], resource, &mut errors);
    resource.strategy.validate_create(object, rules, &mut errors);
    errors
}

/// What holds of the metadata of any object of the resource.
pub(super) fn metadata(metadata: &Value, resource: &Resource, errors: &mut Vec<FieldError>) {
    let rule = resource.strategy.name_rule();
    match resource.strategy.takes_any_finalizer() {
        true => {
            validation::metadata_at(metadata, resource.namespaced, rule, &Path::of("metadata"), errors);
        }
        false => validation::metadata(metadata, resource.namespaced, rule, errors),
    }
}

/// 422 when there are errors. An object whose name is only a prefix yet is spoken of by that.
pub(super) fn refuse(resource: &Resource, object: &Value, errors: Vec<FieldError>) -> Result<(), Status> {
    if errors.is_empty() {
        return Ok(());
    }
    let metadata = &object["metadata"];
    let name = match text(metadata, "name") {
        "" => text(metadata, "generateName"),
        name => name,
    };
    Err(Status::invalid(kind_subject(resource), name, errors))
}
