//! Lists that are merged: of maps by a key, of scalars as sets.

use serde_json::Value;

use super::{Object, PATCH, element_of, maps, order, plain};
use crate::status::Status;
use crate::tables::Field;

/// Merges two lists of a field whose strategy is to merge. The patch's order leads.
pub(super) fn merge(original: Vec<Value>, patch: Vec<Value>, field: &Field) -> Result<Vec<Value>, Status> {
    let server_order = original.clone();
    let Some(key) = field.patch_merge_key.as_deref() else {
        let merged = union(original, &patch);
        return Ok(order::ordered(merged, &patch, &server_order, None));
    };
    if !original.iter().chain(&patch).all(Value::is_object) {
        return if original.iter().chain(&patch).any(Value::is_object) {
            Err(Status::bad_request("unable to merge lists of maps with lists of scalars"))
        } else {
            let merged = union(original, &patch);
            Ok(order::ordered(merged, &patch, &server_order, None))
        };
    }
    let Carried { original, patch } = carry_out_directives(original, patch, key)?;
    let merged = by_key(original, &patch, key, field)?;
    Ok(order::ordered(merged, &patch, &server_order, Some(key)))
}

fn union(mut original: Vec<Value>, patch: &[Value]) -> Vec<Value> {
    for one in patch {
        if !original.contains(one) {
            original.push(one.clone());
        }
    }
    original
}

/// Both lists after the directives in the patch: what is left of the original, and what is to be merged into it.
struct Carried {
    original: Vec<Value>,
    patch: Vec<Value>,
}

/// Deletes what `$patch: delete` names; with `$patch: replace` nothing of the original stays.
fn carry_out_directives(mut original: Vec<Value>, patch: Vec<Value>, key: &str) -> Result<Carried, Status> {
    let mut plain_elements = Vec::with_capacity(patch.len());
    let mut replaces = false;
    for element in patch {
        match element.get(PATCH).and_then(Value::as_str) {
            None => plain_elements.push(element),
            Some("delete") => {
                let named = key_of(&element, key)?.clone();
                original.retain(|one| one.get(key) != Some(&named));
            }
            Some("replace") => replaces = true,
            // Merging lists can't be asked for, and nothing else is known.
            Some(_) => return Err(Status::patch_failed()),
        }
    }
    if replaces {
        original.clear();
    }
    Ok(Carried { original, patch: plain_elements })
}

fn by_key(mut original: Vec<Value>, patch: &[Value], key: &str, field: &Field) -> Result<Vec<Value>, Status> {
    for element in patch {
        let wanted = key_of(element, key)?;
        match original.iter_mut().find(|one| one.get(key) == Some(wanted)) {
            Some(found) => {
                let old: Object = found.as_object().cloned().unwrap_or_default();
                let new: Object = element.as_object().cloned().unwrap_or_default();
                *found = Value::Object(maps(old, new, element_of(field))?);
            }
            None => original.push(plain(element.clone())),
        }
    }
    Ok(original)
}

pub(super) fn key_of<'a>(element: &'a Value, key: &str) -> Result<&'a Value, Status> {
    element.get(key).ok_or_else(|| {
        Status::bad_request(format!("map: {element} does not contain declared merge key: {key}"))
    })
}
