//! What a manager wants laid over what stands, and what it no longer wants taken away.

use serde_json::{Map, Value};

use super::fields::Fields;
use super::shape::Shape;
use super::walk::stepped;

/// `live` with everything that `wanted` says.
pub(super) fn merged(live: &Value, wanted: &Value, shape: Shape<'_>) -> Value {
    match (live, wanted) {
        (Value::Object(old), Value::Object(new)) if shape.is_map() => {
            let mut merged: Map<String, Value> = old.clone();
            for (name, value) in new {
                merged.insert(name.clone(), self::merged(&live[name], value, shape.field(name)));
            }
            Value::Object(merged)
        }
        (Value::Array(_), Value::Array(_)) => match (stepped(live, shape), stepped(wanted, shape)) {
            (Some(old), Some(new)) => Value::Array(lists(old, new, shape)),
            _ => wanted.clone(),
        },
        _ => wanted.clone(),
    }
}

/// What is wanted stands in the order it is wanted in; what only stands stays behind its neighbour.
fn lists(old: Vec<(String, Value)>, new: Vec<(String, Value)>, shape: Shape<'_>) -> Vec<Value> {
    let mut merged: Vec<(String, Value)> = Vec::with_capacity(old.len() + new.len());
    for (step, wanted) in &new {
        let stands = old.iter().find(|(other, _)| other == step);
        let value =
            stands.map_or_else(|| wanted.clone(), |(_, live)| self::merged(live, wanted, shape.element()));
        merged.push((step.clone(), value));
    }
    for (index, (step, live)) in old.iter().enumerate() {
        if new.iter().any(|(other, _)| other == step) {
            continue;
        }
        let neighbour = index.checked_sub(1).and_then(|before| {
            let (before, _) = &old[before];
            merged.iter().position(|(other, _)| other == before)
        });
        let place = neighbour.map_or(0, |at| at + 1);
        merged.insert(place, (step.clone(), live.clone()));
    }
    merged.into_iter().map(|(_, value)| value).collect()
}

/// Takes away every place in the set.
pub(super) fn prune(value: &mut Value, unwanted: &Fields, shape: Shape<'_>) {
    match value {
        Value::Object(map) if shape.is_map() => {
            for (step, below) in unwanted.steps() {
                let Some(name) = step.strip_prefix("f:") else { continue };
                if below.is_here() {
                    map.remove(name);
                } else if let Some(value) = map.get_mut(name) {
                    prune(value, below, shape.field(name));
                }
            }
        }
        Value::Array(list) => {
            let found = |element: &Value| {
                let step = shape.step(element)?;
                unwanted.steps().find(|(other, _)| **other == step).map(|(_, below)| below)
            };
            list.retain(|element| !found(element).is_some_and(Fields::is_here));
            for element in list.iter_mut() {
                if let Some(below) = found(element).cloned() {
                    prune(element, &below, shape.element());
                }
            }
        }
        _ => {}
    }
}
