//! Strategic merge patch: a merge patch that knows which lists are merged, and by which key
//! (`k8s.io/apimachinery/pkg/util/strategicpatch/patch.go`).
//!
//! | directive | in | meaning |
//! | --- | --- | --- |
//! | `$patch: replace` | a map, or an element of a list | the rest stands for the whole map or list |
//! | `$patch: delete` | a map, or an element of a list | the map is emptied, the element with that key goes |
//! | `$patch: merge` | a map | nothing special |
//! | `$retainKeys: […]` | a map | only these keys of the original stay |
//! | `$setElementOrder/x: […]` | beside a merged list x | the order of x, as far as it says |
//! | `$deleteFromPrimitiveList/x: […]` | beside a merged list x of scalars | these go |

mod list;
mod order;

use serde_json::{Map, Value};

use crate::registry::Resource;
use crate::status::Status;
use crate::tables::{Field, Schema, Type};

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const ELEMENT_ORDER: &str = "$setElementOrder/";
const DELETE_SCALARS: &str = "$deleteFromPrimitiveList/";

/// Merges `patch` into the current object by the schema of `resource`.
///
/// # Errors
/// 400 when the patch or a directive is malformed, 422 when a directive is unknown.
pub fn strategic(resource: &Resource, current: &Value, patch: &Value) -> Result<Value, Status> {
    let (Value::Object(current), Value::Object(patch)) = (current, patch) else {
        return Err(Status::bad_request("error decoding patch: a strategic merge patch is a JSON object"));
    };
    maps(current.clone(), patch.clone(), Some(resource.schema())).map(Value::Object)
}

type Object = Map<String, Value>;

/// Merges two maps. Without a schema maps are merged and lists replaced.
fn maps(mut original: Object, mut patch: Object, schema: Option<&Type>) -> Result<Object, Status> {
    match patch.remove(PATCH) {
        None => {}
        Some(directive) => match directive.as_str() {
            Some("replace") => return Ok(patch),
            Some("delete") => return Ok(Object::new()),
            Some("merge") => {}
            _ => return Err(Status::patch_failed()),
        },
    }
    retain_keys(&mut original, &mut patch)?;
    order::apply(&mut original, &mut patch, schema)?;
    for (name, value) in patch {
        match name.strip_prefix(DELETE_SCALARS) {
            Some(list) => delete_scalars(&mut original, list, &value)?,
            None => field(&mut original, name, value, schema)?,
        }
    }
    Ok(original)
}

fn field(original: &mut Object, name: String, patch: Value, schema: Option<&Type>) -> Result<(), Status> {
    if patch.is_null() {
        original.remove(&name);
        return Ok(());
    }
    let field = schema.and_then(|schema| schema.field(&name));
    let merged = match (original.remove(&name), patch) {
        (Some(Value::Object(old)), Value::Object(new)) => match field {
            Some(field) if field.patch_strategy == "replace" => Value::Object(new),
            field => Value::Object(maps(old, new, field.and_then(|field| object_of(&field.schema)))?),
        },
        (Some(Value::Array(old)), Value::Array(new)) => match field {
            Some(field) if field.merges() => Value::Array(list::merge(old, new, field)?),
            _ => Value::Array(new),
        },
        (_, patch) => plain(patch),
    };
    original.insert(name, merged);
    Ok(())
}

/// The type of a value, or of the values of a map; none for what is kept as it stands.
fn object_of(schema: &Schema) -> Option<&Type> {
    match schema {
        Schema::Object(inner) => Some(inner),
        _ => None,
    }
}

/// The type of a list's elements.
fn element_of(field: &Field) -> Option<&Type> {
    match &field.schema {
        Schema::Array(element) => object_of(element),
        _ => None,
    }
}

fn retain_keys(original: &mut Object, patch: &mut Object) -> Result<(), Status> {
    let Some(directive) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    const MALFORMED: &str = "invalid patch format of retainKeys";
    let Value::Array(kept) = directive else { return Err(Status::bad_request(MALFORMED)) };
    let is_kept = |name: &str| kept.iter().any(|kept| kept == name);
    if patch.iter().any(|(name, value)| !value.is_null() && !name.starts_with('$') && !is_kept(name)) {
        return Err(Status::bad_request(MALFORMED));
    }
    original.retain(|name, _| is_kept(name));
    Ok(())
}

fn delete_scalars(original: &mut Object, list: &str, unwanted: &Value) -> Result<(), Status> {
    let Value::Array(unwanted) = unwanted else {
        return Err(Status::bad_request("invalid patch format of primitive list"));
    };
    if let Some(Value::Array(list)) = original.get_mut(list) {
        list.retain(|one| !unwanted.contains(one));
    }
    Ok(())
}

/// A value that nothing is merged into: without directives, and without nulls, which had something to delete only
/// where something was.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(name, value)| !value.is_null() && !is_directive(name));
            Value::Object(kept.map(|(name, value)| (name, plain(value))).collect())
        }
        Value::Array(list) => {
            let is_deletion = |one: &Value| one.get(PATCH).is_some_and(|directive| directive == "delete");
            let is_bare =
                |one: &Value| one.as_object().is_some_and(|map| map.len() == 1 && map.contains_key(PATCH));
            Value::Array(
                list.into_iter().filter(|one| !is_deletion(one) && !is_bare(one)).map(plain).collect(),
            )
        }
        scalar => scalar,
    }
}

fn is_directive(name: &str) -> bool {
    name == PATCH
        || name == RETAIN_KEYS
        || name.starts_with(ELEMENT_ORDER)
        || name.starts_with(DELETE_SCALARS)
}

#[cfg(test)]
mod tests;
