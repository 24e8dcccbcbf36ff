//! What an expression may cost, told from its types before it runs (`github.com/google/cel-go/checker/cost.go`,
//! `k8s.io/apiserver/pkg/cel/library/cost.go`). The sizes of what it looks at are the declared maxima.

use std::sync::Arc;

use crate::ast::{Expr, Fold, Kind, Macro};
use crate::check::Types;
use crate::decl::Decl;
use crate::types::Type;
use crate::value::Value;

const LIST: Cost = Cost::fixed(10);
const MAP: Cost = Cost::fixed(30);
const TRAVERSAL: f64 = 0.1;
const REGEX: f64 = 0.25;

/// At least and at most; also how large something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    pub min: u64,
    pub max: u64,
}

impl Cost {
    const fn fixed(cost: u64) -> Cost {
        Cost { min: cost, max: cost }
    }

    const NOTHING: Cost = Cost::fixed(0);
    const UNKNOWN: Cost = Cost { min: 0, max: u64::MAX };

    fn plus(self, other: Cost) -> Cost {
        Cost { min: self.min.saturating_add(other.min), max: self.max.saturating_add(other.max) }
    }

    fn times(self, other: Cost) -> Cost {
        Cost { min: self.min.saturating_mul(other.min), max: self.max.saturating_mul(other.max) }
    }

    fn by(self, factor: f64) -> Cost {
        // Casts saturate.
        let scaled = |number: u64| (number as f64 * factor).ceil() as u64;
        Cost { min: scaled(self.min), max: scaled(self.max) }
    }

    fn or(self, other: Cost) -> Cost {
        Cost { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}

/// What is known of a part of an expression.
#[derive(Debug, Clone)]
pub(crate) struct Priced {
    pub(crate) cost: Cost,
    size: Option<Cost>,
    /// Where in the variables it lies.
    path: Option<Vec<String>>,
    /// The size of its elements, where they are made here.
    element: Option<Cost>,
}

impl Priced {
    fn of(cost: Cost) -> Priced {
        Priced { cost, size: None, path: None, element: None }
    }

    fn sized(self, size: Cost) -> Priced {
        Priced { size: Some(size), ..self }
    }
}

pub(crate) struct Pricer<'t> {
    variables: Vec<(String, Arc<Decl>)>,
    types: &'t Types,
    locals: std::cell::RefCell<Vec<(String, Priced)>>,
}

impl<'t> Pricer<'t> {
    pub(crate) fn new(variables: &[(&str, Arc<Decl>)], types: &'t Types) -> Pricer<'t> {
        let variables = variables.iter().map(|(name, decl)| ((*name).to_owned(), decl.clone())).collect();
        Pricer { variables, types, locals: std::cell::RefCell::default() }
    }

    pub(crate) fn priced(&self, expr: &Expr) -> Priced {
        match &expr.kind {
            Kind::Literal(value) => Priced::of(Cost::NOTHING).sized(Cost::fixed(match value {
                Value::String(_) | Value::Bytes(_) => value.size(),
                _ => 1,
            })),
            Kind::Ident(name) => {
                let local = self.locals.borrow().iter().rev().find(|(known, _)| known == name).cloned();
                match local {
                    Some((_, known)) => Priced { cost: Cost::fixed(1), ..known },
                    None => Priced { path: Some(vec![name.clone()]), ..Priced::of(Cost::fixed(1)) },
                }
            }
            Kind::Select { operand, field, test, .. } => {
                let of = self.priced(operand);
                if *test {
                    return Priced::of(of.cost.plus(Cost::fixed(1)));
                }
                let path = of.path.map(|mut path| {
                    path.push(field.clone());
                    path
                });
                Priced { path, ..Priced::of(of.cost.plus(Cost::fixed(1))) }
            }
            Kind::Call { function, target, args } => self.call(expr, function, target.as_deref(), args),
            Kind::List(elements) => {
                let mut cost = LIST;
                let mut size: Option<Cost> = None;
                for (element, _) in elements {
                    let priced = self.priced(element);
                    cost = cost.plus(priced.cost);
                    let one = self.size(element, &priced);
                    size = Some(size.map_or(one, |size| size.or(one)));
                }
                let element = size.unwrap_or(Cost::NOTHING);
                let count = Cost::fixed(elements.len() as u64);
                Priced { element: Some(element), ..Priced::of(cost) }.sized(count)
            }
            Kind::Map(entries) => {
                let mut cost = MAP;
                let mut size: Option<Cost> = None;
                for (key, value, _) in entries {
                    let priced = self.priced(value);
                    cost = cost.plus(self.priced(key).cost).plus(priced.cost);
                    let one = self.size(value, &priced);
                    size = Some(size.map_or(one, |size| size.or(one)));
                }
                let count = Cost::fixed(entries.len() as u64);
                Priced { element: Some(size.unwrap_or(Cost::NOTHING)), ..Priced::of(cost) }.sized(count)
            }
            Kind::Fold(fold) => self.fold(fold),
        }
    }

    /// How large a part may be.
    fn size(&self, expr: &Expr, priced: &Priced) -> Cost {
        if let Some(size) = priced.size {
            return size;
        }
        if let Some(declared) = priced.path.as_ref().and_then(|path| self.declared(path)) {
            return Cost { min: 0, max: declared.max_elements };
        }
        match self.types.get(&std::ptr::from_ref(expr)) {
            Some(kind) if kind.is_scalar() => Cost::fixed(1),
            _ => Cost::UNKNOWN,
        }
    }

    fn declared(&self, path: &[String]) -> Option<&Decl> {
        let (first, rest) = path.split_first()?;
        let (_, decl) = self.variables.iter().find(|(name, _)| name == first)?;
        decl.at(rest)
    }

    fn kind(&self, expr: &Expr) -> Option<&Type> {
        self.types.get(&std::ptr::from_ref(expr))
    }

    fn call(&self, expr: &Expr, function: &str, target: Option<&Expr>, args: &[Expr]) -> Priced {
        let all: Vec<&Expr> = target.into_iter().chain(args).collect();
        let priced: Vec<Priced> = all.iter().map(|arg| self.priced(arg)).collect();
        let size = |index: usize| all.get(index).map_or(Cost::fixed(1), |arg| self.size(arg, &priced[index]));
        let sum = priced.iter().fold(Cost::NOTHING, |sum, one| sum.plus(one.cost));
        let plus = |cost: Cost| Priced::of(sum.plus(cost));
        let one = Cost::fixed(1);
        match function {
            "_&&_" | "_||_" => {
                let first = priced.first().map_or(Cost::NOTHING, |first| first.cost);
                Priced::of(Cost { min: first.min, max: sum.max })
            }
            "_?_:_" => {
                let cost = priced[0].cost.plus(priced[1].cost.or(priced[2].cost));
                let element = priced[1].element.zip(priced[2].element).map(|(a, b)| a.or(b));
                Priced { element, ..Priced::of(cost) }.sized(size(1).or(size(2)))
            }
            "dyn" => Priced { cost: sum.plus(one), ..priced[0].clone() },
            "_[_]" | "_[?_]" => {
                let is_list = matches!(self.kind(all[0]), Some(Type::List(_)));
                let path = priced[0].path.clone().map(|mut path| {
                    path.push(if is_list { "@items" } else { "@values" }.to_owned());
                    path
                });
                Priced { path, size: priced[0].element, ..plus(one) }
            }
            "_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_" => {
                if matches!(self.kind(all[0]), Some(Type::Opaque(_))) {
                    return plus(one);
                }
                let most = size(0).max.min(size(1).max);
                plus(Cost { min: u64::from(most > 0), max: most }.by(TRAVERSAL))
            }
            "_+_" => match self.kind(expr) {
                Some(Type::String | Type::Bytes) => {
                    let made = size(0).plus(size(1));
                    plus(made.by(TRAVERSAL)).sized(made)
                }
                Some(Type::List(_)) => {
                    let element = priced[0].element.zip(priced[1].element).map(|(a, b)| a.or(b));
                    Priced { element, ..plus(one) }.sized(size(0).plus(size(1)))
                }
                Some(kind) if kind.is_dyn() => {
                    let made = size(0).plus(size(1));
                    plus(one.or(made.by(TRAVERSAL))).sized(made)
                }
                _ => plus(one),
            },
            "@in" => match self.kind(all[1]) {
                Some(Type::Map(..)) => plus(one),
                _ => plus(size(1)),
            },
            "startsWith" | "endsWith" => plus(size(1).by(TRAVERSAL)),
            "contains" => plus(size(0).by(TRAVERSAL).times(size(1).by(TRAVERSAL))),
            "matches" => plus(size(0).plus(one).by(TRAVERSAL).times(size(1).by(REGEX))),
            "find" | "findAll" => {
                let cost = size(0).plus(one).by(TRAVERSAL).times(size(1).by(REGEX));
                plus(cost).sized(Cost { min: 0, max: size(0).max })
            }
            "lowerAscii" | "upperAscii" | "substring" | "trim" | "url" => {
                plus(size(0).by(TRAVERSAL)).sized(size(0))
            }
            "replace" => {
                let (text, from, to) = (size(0), size(1), size(2));
                let times =
                    if from.min == 0 { text.max.saturating_add(1) } else { text.max.div_ceil(from.min) };
                let most = match to.max <= from.min {
                    true => text.max,
                    false => times.saturating_mul(to.max).saturating_add(text.max),
                };
                plus(text.by(2.0 * TRAVERSAL)).sized(Cost { min: 0, max: most })
            }
            "split" => {
                let most = match all.get(2).map(|arg| &arg.kind) {
                    Some(Kind::Literal(Value::Int(most))) => u64::try_from(*most).unwrap_or(u64::MAX),
                    _ => size(0).max,
                };
                plus(size(0).by(2.0 * TRAVERSAL)).sized(Cost { min: 0, max: most })
            }
            "join" => {
                let (count, by) = (size(0), size(1));
                let made = count.times(self.element_size(all[0], &priced[0]));
                let made =
                    match all.len() {
                        1 => made,
                        _ => made.plus(by.times(Cost {
                            min: count.min.saturating_sub(1),
                            max: count.max.saturating_sub(1),
                        })),
                    };
                plus(made.by(TRAVERSAL)).sized(made)
            }
            "bytes" | "string" | "strings.quote" => {
                let made = size(0);
                let most = made.max.saturating_mul(if function == "bytes" { 4 } else { 2 });
                plus(made.by(TRAVERSAL)).sized(Cost { min: 0, max: most })
            }
            "format" | "isIP" | "isCIDR" | "cidr" | "quantity" | "isQuantity" | "semver" | "isSemver"
            | "isURL" => plus(size(0).by(TRAVERSAL)),
            "ip" if target.is_none() => plus(size(0).by(TRAVERSAL)),
            "ip.isCanonical" => plus(size(0).by(2.0 * TRAVERSAL)),
            "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" | "sort" | "flatten" | "slice"
            | "reverse"
                if target.is_some() =>
            {
                let cost = match self.kind(all[0]) {
                    Some(Type::String) => size(0).by(TRAVERSAL),
                    _ => size(0).times(one.plus(self.text_cost(all[0], &priced[0]))),
                };
                plus(cost).sized(Cost { min: 0, max: size(0).max })
            }
            "distinct" => plus(size(0).times(size(0))).sized(size(0)),
            "sets.contains" | "sets.intersects" | "sets.equivalent" => plus(size(0).times(size(1))),
            "validate" => plus(size(1).by(TRAVERSAL).by(128.0 * REGEX)),
            "containsIP" | "containsCIDR" => plus(Cost { min: 1, max: 8 }.plus(size(1).by(TRAVERSAL))),
            "optional.of" | "optional.ofNonZeroValue" | "orValue" | "or" | "value" => {
                Priced { cost: sum.plus(one), ..priced.into_iter().next().unwrap_or_else(|| Priced::of(one)) }
            }
            _ => plus(one),
        }
    }

    fn element_size(&self, list: &Expr, priced: &Priced) -> Cost {
        if let Some(size) = priced.element {
            return size;
        }
        let mut path = priced.path.clone().unwrap_or_default();
        path.push("@items".to_owned());
        if let Some(declared) = priced.path.as_ref().and_then(|_| self.declared(&path)) {
            return Cost { min: 0, max: declared.max_elements };
        }
        match self.kind(list) {
            Some(Type::List(of)) if of.is_scalar() => Cost::fixed(1),
            _ => Cost::UNKNOWN,
        }
    }

    /// What looking at an element costs beyond one, where it is text.
    fn text_cost(&self, list: &Expr, priced: &Priced) -> Cost {
        match self.kind(list) {
            Some(Type::List(of)) if matches!(of.as_ref(), Type::String | Type::Bytes) => {
                self.element_size(list, priced).by(TRAVERSAL)
            }
            _ => Cost::NOTHING,
        }
    }

    fn fold(&self, fold: &Fold) -> Priced {
        let range = self.priced(&fold.range);
        let count = self.size(&fold.range, &range);
        let is_list = !matches!(self.kind(&fold.range), Some(Type::Map(..)));
        let below = |step: &str| Priced {
            path: range.path.clone().map(|mut path| {
                path.push(step.to_owned());
                path
            }),
            size: range.element.filter(|_| is_list),
            ..Priced::of(Cost::fixed(1))
        };
        let depth = self.locals.borrow().len();
        let (first, second) = match (is_list, &fold.second) {
            (true, Some(_)) => (Priced::of(Cost::fixed(1)).sized(Cost::fixed(1)), Some(below("@items"))),
            (true, None) => (below("@items"), None),
            (false, _) => (below("@keys"), Some(below("@values"))),
        };
        self.locals.borrow_mut().push((fold.var.clone(), first.clone()));
        if let (Some(name), Some(second)) = (&fold.second, second) {
            self.locals.borrow_mut().push((name.clone(), second));
        }
        let test = fold.test.as_ref().map_or(Cost::NOTHING, |test| self.priced(test).cost);
        let made = fold.made.as_ref().map(|made| {
            let priced = self.priced(made);
            let size = self.size(made, &priced);
            (priced.cost, size)
        });
        self.locals.borrow_mut().truncate(depth);
        let (made_cost, made_size) = made.unwrap_or((Cost::NOTHING, Cost::UNKNOWN));
        if matches!(fold.name, Macro::OptMap | Macro::OptFlatMap) {
            return Priced::of(range.cost.plus(Cost { min: 0, max: made_cost.max }).plus(Cost::fixed(2)))
                .sized(made_size);
        }
        let step = match fold.name {
            Macro::All => Cost { min: 3, max: 3 }.plus(test),
            Macro::Exists => Cost { min: 4, max: 4 }.plus(test),
            Macro::ExistsOne => test.plus(Cost { min: 1, max: 2 }),
            Macro::Filter => test.plus(Cost { min: 1, max: 13 }),
            Macro::Map | Macro::TransformMap if fold.test.is_some() => {
                test.plus(Cost { min: 1, max: made_cost.max.saturating_add(12) })
            }
            _ => made_cost.plus(Cost::fixed(12)),
        };
        let cost = range.cost.plus(count.times(step)).plus(Cost::fixed(1));
        let element = match fold.name {
            Macro::Map | Macro::TransformMap => Some(made_size),
            Macro::Filter | Macro::SortBy => first.size.or_else(|| {
                let declared = first.path.as_ref().and_then(|path| self.declared(path))?;
                Some(Cost { min: 0, max: declared.max_elements })
            }),
            _ => None,
        };
        match fold.name {
            Macro::All | Macro::Exists | Macro::ExistsOne => Priced::of(cost).sized(Cost::fixed(1)),
            _ => Priced { element, ..Priced::of(cost) }.sized(Cost { min: 0, max: count.max }),
        }
    }
}
