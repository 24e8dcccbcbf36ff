//! Lists, sets and maps: the standard functions, Kubernetes' lists, `ext.Lists` and `ext.Sets`.

use std::cmp::Ordering;

use super::operators::compare;
use super::{Answer, NO_OVERLOAD};
use crate::value::Value;

/// Lists that are made have no more elements than this.
const RANGE_MAX: i64 = 1_000_000;

pub(super) fn call(function: &str, args: &[Value]) -> Option<Answer> {
    if let ("lists.range", [Value::Int(end)]) = (function, args) {
        return Some(match *end {
            end if end > RANGE_MAX => Err(format!("lists.range: {end} is too many")),
            end => Ok(Value::list((0..end.max(0)).map(Value::Int).collect())),
        });
    }
    if function == "size" {
        return match args {
            [Value::String(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_)] => {
                Some(Ok(Value::Int(args[0].size() as i64)))
            }
            _ => None,
        };
    }
    let (Value::List(list), rest) = args.split_first()? else { return None };
    let items = list.items.as_slice();
    let other = match rest {
        [Value::List(other)] => Some(other.items.as_slice()),
        _ => None,
    };
    let place = |found: Option<usize>| Ok(Value::Int(found.map_or(-1, |at| at as i64)));
    Some(match (function, rest) {
        ("indexOf", [needle]) => place(items.iter().position(|item| item == needle)),
        ("lastIndexOf", [needle]) => place(items.iter().rposition(|item| item == needle)),
        ("isSorted", []) => is_sorted(items),
        ("sum", []) => sum(items),
        ("min", []) => extreme(items, "min", Ordering::is_lt),
        ("max", []) => extreme(items, "max", Ordering::is_gt),
        ("slice", [Value::Int(from), Value::Int(to)]) => slice(items, *from, *to),
        ("flatten", []) => Ok(Value::list(flat(items, 1))),
        ("flatten", [Value::Int(depth)]) if *depth >= 0 => Ok(Value::list(flat(items, *depth))),
        ("flatten", [Value::Int(_)]) => Err("level must be non-negative".to_owned()),
        ("distinct", []) => {
            let mut kept: Vec<Value> = Vec::new();
            for item in items {
                if !kept.contains(item) {
                    kept.push(item.clone());
                }
            }
            Ok(Value::list(kept))
        }
        ("sort", []) => sorted(items.iter().map(|item| (item.clone(), item.clone())).collect()),
        ("reverse", []) => Ok(Value::list(items.iter().rev().cloned().collect())),
        ("first", []) => Ok(items.first().cloned().map_or(Value::none(), Value::some)),
        ("last", []) => Ok(items.last().cloned().map_or(Value::none(), Value::some)),
        ("sets.contains", [_]) => Ok(Value::Bool(other?.iter().all(|item| items.contains(item)))),
        ("sets.intersects", [_]) => Ok(Value::Bool(other?.iter().any(|item| items.contains(item)))),
        ("sets.equivalent", [_]) => {
            let other = other?;
            let both = other.iter().all(|item| items.contains(item))
                && items.iter().all(|item| other.contains(item));
            Ok(Value::Bool(both))
        }
        _ => return None,
    })
}

/// Values by the keys before them.
pub(crate) fn sorted(mut pairs: Vec<(Value, Value)>) -> Answer {
    let comparable = pairs.windows(2).all(|pair| compare(&pair[0].0, &pair[1].0).is_some());
    if !comparable {
        return Err("list elements must be comparable".to_owned());
    }
    pairs.sort_by(|a, b| compare(&a.0, &b.0).unwrap_or(Ordering::Equal));
    Ok(Value::list(pairs.into_iter().map(|(_, value)| value).collect()))
}

fn is_sorted(items: &[Value]) -> Answer {
    for pair in items.windows(2) {
        match compare(&pair[0], &pair[1]) {
            Some(Ordering::Greater) => return Ok(Value::Bool(false)),
            Some(_) => {}
            None => return Err(NO_OVERLOAD.to_owned()),
        }
    }
    Ok(Value::Bool(true))
}

fn sum(items: &[Value]) -> Answer {
    let mut items = items.iter();
    let Some(first) = items.next() else { return Ok(Value::Int(0)) };
    items.try_fold(first.clone(), |sum, item| super::call("_+_", &[sum, item.clone()]))
}

fn extreme(items: &[Value], name: &str, beats: fn(Ordering) -> bool) -> Answer {
    let mut best: Option<&Value> = None;
    for item in items {
        best = match best {
            None => Some(item),
            Some(known) => match compare(item, known) {
                Some(order) if beats(order) => Some(item),
                Some(_) => Some(known),
                None => return Err(NO_OVERLOAD.to_owned()),
            },
        };
    }
    best.cloned().ok_or_else(|| format!("{name} called on empty list"))
}

fn slice(items: &[Value], from: i64, to: i64) -> Answer {
    let length = items.len() as i64;
    if from < 0 || to < 0 {
        return Err(format!("cannot slice({from}, {to}), negative indexes not supported"));
    }
    if from > to {
        return Err(format!(
            "cannot slice({from}, {to}), start index must be less than or equal to end index"
        ));
    }
    if to > length {
        return Err(format!("cannot slice({from}, {to}), list is length {length}"));
    }
    let (from, to) = (usize::try_from(from).unwrap_or_default(), usize::try_from(to).unwrap_or_default());
    Ok(Value::list(items[from..to].to_vec()))
}

fn flat(items: &[Value], depth: i64) -> Vec<Value> {
    items
        .iter()
        .flat_map(|item| match item {
            Value::List(inner) if depth > 0 => flat(&inner.items, depth - 1),
            other => vec![other.clone()],
        })
        .collect()
}
