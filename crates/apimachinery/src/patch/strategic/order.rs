//! The order of merged lists: what the patch names stands in the patch's order, what only the server has stays where
//! it was among its neighbours (`normalizeElementOrder`).

use serde_json::Value;

use super::{ELEMENT_ORDER, Object, Type, list};
use crate::status::Status;

/// Carries out every `$setElementOrder/x`, and merges the lists they speak of.
pub(super) fn apply(original: &mut Object, patch: &mut Object, schema: Option<&Type>) -> Result<(), Status> {
    let directives: Vec<String> =
        patch.keys().filter(|name| name.starts_with(ELEMENT_ORDER)).cloned().collect();
    for directive in directives {
        let wanted = patch.remove(&directive).unwrap_or_default();
        let Value::Array(wanted) = wanted else {
            return Err(Status::bad_request("invalid patch format of setElementOrder list"));
        };
        let name = &directive[ELEMENT_ORDER.len()..];
        let field = schema.and_then(|schema| schema.field(name)).filter(|field| field.merges());
        let Some(field) = field else { continue };
        let key = field.patch_merge_key.as_deref();
        let server_order = as_list(original.get(name));
        let merged = match (original.remove(name), patch.remove(name)) {
            (Some(Value::Array(old)), Some(Value::Array(new))) => {
                check(&new, &wanted, key)?;
                list::merge(old, new, field)?
            }
            (Some(Value::Array(old)), None) => old,
            (_, Some(Value::Array(new))) => as_list(Some(&super::plain(Value::Array(new)))),
            (None, None) => continue,
            (old, new) => {
                old.map(|old| original.insert(name.to_owned(), old));
                new.map(|new| patch.insert(name.to_owned(), new));
                continue;
            }
        };
        original.insert(name.to_owned(), Value::Array(ordered(merged, &wanted, &server_order, key)));
    }
    Ok(())
}

fn as_list(value: Option<&Value>) -> Vec<Value> {
    value.and_then(Value::as_array).cloned().unwrap_or_default()
}

/// What the patch has must be in the order it asks for, and in that order.
fn check(patch: &[Value], wanted: &[Value], key: Option<&str>) -> Result<(), Status> {
    let is_deletion = |one: &&Value| one.get(super::PATCH).is_none();
    let places: Vec<Option<usize>> =
        patch.iter().filter(is_deletion).map(|one| position(wanted, one, key)).collect();
    match places.iter().all(Option::is_some) && places.is_sorted() {
        true => Ok(()),
        false => Err(Status::bad_request(format!(
            "The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
            Value::from(patch.to_vec()),
            Value::from(wanted.to_vec())
        ))),
    }
}

/// Weaves what `wanted` names, in its order, with the rest, in the server's.
pub(super) fn ordered(
    merged: Vec<Value>,
    wanted: &[Value],
    server_order: &[Value],
    key: Option<&str>,
) -> Vec<Value> {
    let (mut named, mut rest): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|one| position(wanted, one, key).is_some());
    named.sort_by_key(|one| position(wanted, one, key));
    rest.sort_by_key(|one| position(server_order, one, key).unwrap_or(usize::MAX));
    woven(rest, named, |one| position(server_order, one, key))
}

/// Merges two ordered lists: an element of the rest goes first only where the server had it before the named one.
fn woven(rest: Vec<Value>, named: Vec<Value>, place: impl Fn(&Value) -> Option<usize>) -> Vec<Value> {
    let mut woven = Vec::with_capacity(rest.len() + named.len());
    let (mut rest, mut named) = (rest.into_iter().peekable(), named.into_iter().peekable());
    loop {
        let rest_first = match (rest.peek(), named.peek()) {
            (None, None) => return woven,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(left), Some(right)) => matches!((place(left), place(right)), (Some(l), Some(r)) if l < r),
        };
        woven.extend(if rest_first { rest.next() } else { named.next() });
    }
}

/// Where an element stands in a list: maps by their key, scalars by themselves.
fn position(list: &[Value], element: &Value, key: Option<&str>) -> Option<usize> {
    match key {
        Some(key) => {
            let wanted = element.get(key)?;
            list.iter().position(|one| one.get(key) == Some(wanted))
        }
        None => list.iter().position(|one| one == element),
    }
}
