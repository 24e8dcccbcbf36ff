//! Running: a walk over the tree that counts what it does, and stops when it did too much
//! (`github.com/google/cel-go/interpreter/runtimecost.go`, `k8s.io/apiserver/pkg/cel/library/cost.go`).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::{Expr, Fold, Kind, Macro};
use crate::check::Program;
use crate::library::{self, NO_OVERLOAD};
use crate::value::{Key, List, ListKind, Value};

const LIST_COST: u64 = 10;
const MAP_COST: u64 = 30;
const TRAVERSAL: f64 = 0.1;
const REGEX: f64 = 0.25;

/// What a run came to, and what it cost.
#[derive(Debug)]
pub struct Run {
    pub result: Result<Value, Ended>,
    pub cost: u64,
}

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It went wrong, in cel-go's words.
    Failed(String),
    /// It cost more than it may.
    TooDear,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ended::Failed(why) => f.write_str(why),
            Ended::TooDear => f.write_str("operation cancelled: actual cost limit exceeded"),
        }
    }
}

impl Program {
    /// Runs it on these variables, at most for `limit`.
    #[must_use]
    pub fn run(&self, variables: &[(&str, Value)], limit: u64) -> Run {
        let scopes = variables.iter().map(|(name, value)| (*name, value.clone())).collect();
        let mut runner = Runner { scopes, cost: 0, limit };
        let result = runner.value(&self.expr);
        Run { result, cost: runner.cost }
    }
}

struct Runner<'e> {
    scopes: Vec<(&'e str, Value)>,
    cost: u64,
    limit: u64,
}

type Came = Result<Value, Ended>;

fn failed(why: impl Into<String>) -> Ended {
    Ended::Failed(why.into())
}

impl<'e> Runner<'e> {
    fn pay(&mut self, cost: u64) -> Result<(), Ended> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > self.limit { Err(Ended::TooDear) } else { Ok(()) }
    }

    fn value(&mut self, expr: &'e Expr) -> Came {
        match &expr.kind {
            Kind::Literal(value) => Ok(value.clone()),
            Kind::Ident(name) => {
                self.pay(1)?;
                match self.scopes.iter().rev().find(|(known, _)| known == name) {
                    Some((_, value)) => Ok(value.clone()),
                    None => Ok(Value::Kind(Arc::from(name.as_str()))),
                }
            }
            Kind::Select { operand, field, test, optional } => {
                let of = self.value(operand)?;
                self.pay(1)?;
                selected(&of, field, *test, *optional)
            }
            Kind::Call { function, target, args } => self.call(function, target.as_deref(), args),
            Kind::List(elements) => {
                let mut items = Vec::with_capacity(elements.len());
                for (element, optional) in elements {
                    match (self.value(element)?, optional) {
                        (Value::Optional(found), true) => items.extend(found.as_deref().cloned()),
                        (value, _) => items.push(value),
                    }
                }
                self.pay(LIST_COST)?;
                Ok(Value::list(items))
            }
            Kind::Map(entries) => {
                let mut map = BTreeMap::new();
                for (key, value, optional) in entries {
                    let key = self.value(key)?;
                    let key = key
                        .key()
                        .ok_or_else(|| failed(format!("unsupported key type: {}", key.type_name())))?;
                    let value = match (self.value(value)?, optional) {
                        (Value::Optional(None), true) => continue,
                        (Value::Optional(Some(value)), true) => value.as_ref().clone(),
                        (value, _) => value,
                    };
                    if map.insert(key.clone(), value).is_some() {
                        return Err(failed(format!("Failed with repeated key: {}", key.value())));
                    }
                }
                self.pay(MAP_COST)?;
                Ok(Value::Map(Arc::new(map)))
            }
            Kind::Fold(fold) => self.fold(fold),
        }
    }

    fn call(&mut self, function: &'e str, target: Option<&'e Expr>, args: &'e [Expr]) -> Came {
        match function {
            "_&&_" => return self.logical(args, false),
            "_||_" => return self.logical(args, true),
            "_?_:_" => {
                return match self.value(&args[0])? {
                    Value::Bool(true) => self.value(&args[1]),
                    Value::Bool(false) => self.value(&args[2]),
                    _ => Err(failed(NO_OVERLOAD)),
                };
            }
            // The other half is not looked at when it isn't needed.
            "or" | "orValue" if args.len() == 1 && target.is_some() => {
                let of = self.value(target.expect("it was just looked at"))?;
                self.pay(1)?;
                return match (&of, function) {
                    (Value::Optional(Some(_)), "or") => Ok(of),
                    (Value::Optional(Some(value)), _) => Ok(value.as_ref().clone()),
                    (Value::Optional(None), _) => self.value(&args[0]),
                    _ => Err(failed(NO_OVERLOAD)),
                };
            }
            _ => {}
        }
        let mut given = Vec::with_capacity(args.len() + 1);
        for arg in target.into_iter().chain(args) {
            given.push(self.value(arg)?);
        }
        // What a call costs may depend on what it makes; what it takes is paid for before it works.
        let before = cost_of(function, &given);
        self.pay(before)?;
        let made = library::call(function, &given).map_err(failed)?;
        if function == "join" {
            self.pay(traversed(made.size(), 2.0))?;
        }
        Ok(made)
    }

    /// An error in one term is nothing when another decides.
    fn logical(&mut self, terms: &'e [Expr], decides: bool) -> Came {
        let mut error = None;
        for term in terms {
            match self.value(term) {
                Ok(Value::Bool(value)) if value == decides => return Ok(Value::Bool(decides)),
                Ok(Value::Bool(_)) => {}
                Ok(_) => error = error.or(Some(failed(NO_OVERLOAD))),
                Err(Ended::TooDear) => return Err(Ended::TooDear),
                Err(ended) => error = error.or(Some(ended)),
            }
        }
        error.map_or(Ok(Value::Bool(!decides)), Err)
    }

    fn fold(&mut self, fold: &'e Fold) -> Came {
        let range = self.value(&fold.range)?;
        if matches!(fold.name, Macro::OptMap | Macro::OptFlatMap) {
            return self.optional(fold, &range);
        }
        let pairs = pairs(&range, fold.second.is_some()).ok_or_else(|| failed(NO_OVERLOAD))?;
        let mut collected = Collected::of(fold.name);
        for (first, second) in pairs {
            let depth = self.scopes.len();
            self.scopes.push((&fold.var, first.clone()));
            if let Some(name) = &fold.second {
                self.scopes.push((name, second));
            }
            let step = self.step(fold, first, &mut collected);
            self.scopes.truncate(depth);
            if step? {
                break;
            }
        }
        collected.finish(&range)
    }

    /// One turn; whether nothing that follows matters.
    fn step(&mut self, fold: &'e Fold, key: Value, collected: &mut Collected) -> Result<bool, Ended> {
        let tested = fold.test.as_ref().map(|test| self.value(test));
        if matches!(tested, Some(Err(Ended::TooDear))) {
            return Err(Ended::TooDear);
        }
        // What cel-go's expansion of the macro does beside the condition.
        match (fold.name, &tested) {
            (Macro::All, _) => self.pay(3)?,
            (Macro::Exists, _) => self.pay(4)?,
            (Macro::ExistsOne, Some(Ok(Value::Bool(true)))) => self.pay(2)?,
            (Macro::Map | Macro::TransformMap | Macro::SortBy, _) => self.pay(2 + LIST_COST)?,
            (Macro::Filter, Some(Ok(Value::Bool(true)))) => self.pay(3 + LIST_COST)?,
            _ => self.pay(1)?,
        }
        let holds = match (fold.name, tested) {
            (Macro::All | Macro::Exists, Some(Err(ended))) => {
                collected.error = collected.error.take().or(Some(ended));
                return Ok(false);
            }
            (_, Some(Err(ended))) => return Err(ended),
            (_, Some(Ok(Value::Bool(holds)))) => holds,
            (Macro::All | Macro::Exists, Some(Ok(_))) => {
                collected.error = collected.error.take().or(Some(failed(NO_OVERLOAD)));
                return Ok(false);
            }
            (_, Some(Ok(_))) => return Err(failed(NO_OVERLOAD)),
            (_, None) => true,
        };
        match fold.name {
            Macro::All if !holds => {
                collected.decided = Some(false);
                return Ok(true);
            }
            Macro::Exists if holds => {
                collected.decided = Some(true);
                return Ok(true);
            }
            Macro::ExistsOne if holds => collected.count += 1,
            Macro::Filter if holds => collected.items.push(key),
            Macro::Map if holds => {
                let made = fold.made.as_ref().ok_or_else(|| failed(NO_OVERLOAD))?;
                collected.items.push(self.value(made)?);
            }
            Macro::SortBy => {
                let made = fold.made.as_ref().ok_or_else(|| failed(NO_OVERLOAD))?;
                let by = self.value(made)?;
                collected.pairs.push((by, key));
            }
            Macro::TransformMap if holds => {
                let made = fold.made.as_ref().ok_or_else(|| failed(NO_OVERLOAD))?;
                let value = self.value(made)?;
                collected.map.insert(key.key().ok_or_else(|| failed(NO_OVERLOAD))?, value);
            }
            _ => {}
        }
        Ok(false)
    }

    fn optional(&mut self, fold: &'e Fold, range: &Value) -> Came {
        let Value::Optional(found) = range else { return Err(failed(NO_OVERLOAD)) };
        let (Some(found), Some(made)) = (found, &fold.made) else { return Ok(Value::none()) };
        let depth = self.scopes.len();
        self.scopes.push((&fold.var, found.as_ref().clone()));
        let value = self.value(made);
        self.scopes.truncate(depth);
        match fold.name {
            Macro::OptMap => value.map(Value::some),
            _ => value,
        }
    }
}

/// What a macro gathers.
struct Collected {
    name: Macro,
    decided: Option<bool>,
    error: Option<Ended>,
    count: usize,
    items: Vec<Value>,
    pairs: Vec<(Value, Value)>,
    map: BTreeMap<Key, Value>,
}

impl Collected {
    fn of(name: Macro) -> Collected {
        Collected {
            name,
            decided: None,
            error: None,
            count: 0,
            items: Vec::new(),
            pairs: Vec::new(),
            map: BTreeMap::new(),
        }
    }

    fn finish(self, range: &Value) -> Came {
        match (self.name, self.decided, self.error) {
            (Macro::All | Macro::Exists, Some(decided), _) => Ok(Value::Bool(decided)),
            (Macro::All | Macro::Exists, None, Some(error)) => Err(error),
            (Macro::All, None, None) => Ok(Value::Bool(true)),
            (Macro::Exists, None, None) => Ok(Value::Bool(false)),
            (Macro::ExistsOne, ..) => Ok(Value::Bool(self.count == 1)),
            (Macro::TransformMap, ..) => Ok(Value::Map(Arc::new(self.map))),
            (Macro::SortBy, ..) => library::sorted(self.pairs).map_err(failed),
            (Macro::Filter, ..) => {
                let kind = match range {
                    Value::List(list) => list.kind.clone(),
                    _ => ListKind::Plain,
                };
                Ok(Value::List(Arc::new(List { items: self.items, kind })))
            }
            _ => Ok(Value::list(self.items)),
        }
    }
}

/// What a macro walks over: elements or keys; with two variables, places or keys and what stands there.
fn pairs(range: &Value, two: bool) -> Option<Vec<(Value, Value)>> {
    Some(match range {
        Value::List(list) if two => {
            list.items.iter().enumerate().map(|(at, item)| (Value::Int(at as i64), item.clone())).collect()
        }
        Value::List(list) => list.items.iter().map(|item| (item.clone(), Value::Null)).collect(),
        Value::Map(map) => map.iter().map(|(key, value)| (key.value(), value.clone())).collect(),
        _ => return None,
    })
}

fn selected(of: &Value, field: &str, test: bool, optional: bool) -> Came {
    let (inner, within) = match of {
        Value::Optional(None) if test => return Ok(Value::Bool(false)),
        Value::Optional(None) => return Ok(Value::none()),
        Value::Optional(Some(inner)) => (inner.as_ref(), true),
        other => (other, false),
    };
    let Value::Map(map) = inner else {
        return Err(failed(format!("no such key: {field}")));
    };
    let found = map.get(&Key::String(Arc::from(field)));
    if test {
        return Ok(Value::Bool(found.is_some()));
    }
    match (found, optional || within) {
        (Some(found), true) => Ok(Value::some(found.clone())),
        (None, true) => Ok(Value::none()),
        (Some(found), false) => Ok(found.clone()),
        (None, false) => Err(failed(format!("no such key: {field}"))),
    }
}

fn traversed(size: u64, times: f64) -> u64 {
    (size as f64 * times * TRAVERSAL).ceil() as u64
}

/// What a call costs, by what it is given.
fn cost_of(function: &str, args: &[Value]) -> u64 {
    let size = |index: usize| args.get(index).map_or(1, Value::size);
    match function {
        "_[_]" | "_[?_]" => 1,
        "_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_" => match args.first() {
            Some(Value::Quantity(_) | Value::Ip(_) | Value::Cidr(_) | Value::Url(_) | Value::Semver(_)) => 1,
            _ => traversed(size(0).min(size(1)), 1.0),
        },
        "_+_" if matches!(args.first(), Some(Value::String(_) | Value::Bytes(_))) => {
            traversed(size(0).saturating_add(size(1)), 1.0)
        }
        "@in" if matches!(args.get(1), Some(Value::List(_))) => size(1),
        "startsWith" | "endsWith" | "bytes" | "strings.quote" | "format" | "lowerAscii" | "upperAscii"
        | "substring" | "trim" | "url" | "isURL" | "cidr" | "isIP" | "isCIDR" | "quantity" | "isQuantity"
        | "semver" | "isSemver" | "ip" => traversed(size(0), 1.0),
        "replace" | "split" | "ip.isCanonical" => traversed(size(0), 2.0),
        "matches" | "find" | "findAll" => {
            traversed(size(0) + 1, 1.0).saturating_mul((size(1) as f64 * REGEX).ceil() as u64)
        }
        "contains" => traversed(size(0), 1.0).saturating_mul(traversed(size(1), 1.0)),
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" | "sort" | "distinct" | "flatten"
        | "slice" | "reverse" | "sets.contains" | "sets.equivalent" | "sets.intersects" => args
            .first()
            .map_or(1, walked)
            .saturating_mul(if function.starts_with("sets.") || function == "distinct" {
                size(args.len() - 1).max(1)
            } else {
                1
            }),
        "lists.range" => match args.first() {
            Some(Value::Int(count)) => u64::try_from(*count).unwrap_or(0).saturating_add(LIST_COST),
            _ => 1,
        },
        "containsIP" | "containsCIDR" => 4,
        "validate" => traversed(size(1) + 1, 1.0).saturating_mul(32),
        _ => 1,
    }
}

/// Everything in a value, looked at once.
fn walked(value: &Value) -> u64 {
    match value {
        Value::String(text) => (text.len() as f64 * TRAVERSAL) as u64,
        Value::Bytes(bytes) => (bytes.len() as f64 * TRAVERSAL) as u64,
        Value::List(list) => list.items.iter().map(walked).sum(),
        Value::Map(map) => map.iter().map(|(key, value)| walked(&key.value()) + walked(value)).sum(),
        _ => 1,
    }
}
