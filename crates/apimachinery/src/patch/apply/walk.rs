//! What an object says, and what two objects say differently.

use serde_json::Value;

use super::fields::Fields;
use super::shape::Shape;
use crate::json::items;

/// The fields that an object sets (`ToFieldSet`).
pub(super) fn owned(value: &Value, shape: Shape<'_>) -> Fields {
    let mut fields = Fields::default();
    match value {
        Value::Object(map) if shape.is_map() && !map.is_empty() => {
            for (name, value) in map {
                let below = owned(value, shape.field(name));
                let is_free_key = shape.has_free_keys();
                fields.put(format!("f:{name}"), if is_free_key { below.and_here() } else { below });
            }
        }
        Value::Array(list) if !list.is_empty() => {
            let steps: Option<Vec<String>> = list.iter().map(|element| shape.step(element)).collect();
            let Some(steps) = steps else { return Fields::here() };
            for (step, element) in steps.into_iter().zip(list) {
                fields.put(step, owned(element, shape.element()).and_here());
            }
        }
        _ => return Fields::here(),
    }
    fields
}

/// What lies between two states.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Added, or of another value.
    pub(super) changed: Fields,
    pub(super) removed: Fields,
}

impl Difference {
    fn put(&mut self, step: &str, below: Difference) {
        self.changed.put(step.to_owned(), below.changed);
        self.removed.put(step.to_owned(), below.removed);
    }
}

pub(super) fn difference(old: &Value, new: &Value, shape: Shape<'_>) -> Difference {
    match (old, new) {
        (old, new) if old == new => Difference::default(),
        (Value::Null, new) => {
            let added = owned(new, shape);
            let is_container = new.is_object() || new.is_array();
            Difference {
                changed: if is_container { added.and_here() } else { added },
                removed: Fields::default(),
            }
        }
        (old, Value::Null) => {
            Difference { changed: Fields::default(), removed: owned(old, shape).and_here() }
        }
        (Value::Object(before), Value::Object(after)) if shape.is_map() => {
            let mut found = Difference::default();
            let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
            for name in names {
                found.put(&format!("f:{name}"), difference(&old[name], &new[name], shape.field(name)));
            }
            found
        }
        (Value::Array(_), Value::Array(_)) => lists(old, new, shape),
        _ => Difference { changed: Fields::here(), removed: Fields::default() },
    }
}

fn lists(old: &Value, new: &Value, shape: Shape<'_>) -> Difference {
    let (Some(before), Some(after)) = (stepped(old, shape), stepped(new, shape)) else {
        return Difference { changed: Fields::here(), removed: Fields::default() };
    };
    let mut found = Difference::default();
    let at = |list: &[(String, Value)], step: &str| {
        list.iter().find(|(other, _)| other == step).map_or(Value::Null, |(_, value)| value.clone())
    };
    let gone = before.iter().filter(|(step, _)| !after.iter().any(|(other, _)| other == step));
    for (step, _) in after.iter().chain(gone) {
        let mut below = difference(&at(&before, step), &at(&after, step), shape.element());
        if at(&before, step).is_null() {
            below.changed = below.changed.and_here();
        }
        found.put(step, below);
    }
    found
}

/// The elements of a list with the steps to them; none where it is merged as a whole.
pub(super) fn stepped(list: &Value, shape: Shape<'_>) -> Option<Vec<(String, Value)>> {
    items(list).iter().map(|element| Some((shape.step(element)?, element.clone()))).collect()
}
