//! Types checked before anything runs (`github.com/google/cel-go/checker`).

use std::collections::HashMap;
use std::sync::Arc;

use crate::ast::{Expr, Fold, Kind, Macro};
use crate::cost::{Cost, Priced, Pricer};
use crate::decl::Decl;
use crate::lex::Fault;
use crate::library::signatures::{Signature, signatures};
use crate::parse::parse;
use crate::types::Type;
use crate::value::Value;

/// An expression that may be run.
#[derive(Debug, Clone)]
pub struct Program {
    pub(crate) expr: Expr,
    /// What it comes to.
    pub result: Type,
    /// What it may cost at most and at least.
    pub cost: Cost,
    names: Vec<String>,
}

impl Program {
    /// Whether it speaks of a variable.
    #[must_use]
    pub fn mentions(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }
}

/// Reads and checks an expression; `variables` are all it may speak of.
///
/// # Errors
/// What is wrong with it, as cel-go tells it: `ERROR: <input>:1:6: undefined field 'z'` and the line with a mark.
pub fn compile(text: &str, variables: &[(&str, Arc<Decl>)]) -> Result<Program, String> {
    let told =
        |faults: &[Fault]| faults.iter().map(|fault| shown(text, fault)).collect::<Vec<_>>().join("\n");
    let expr = parse(text).map_err(|fault| told(&[fault]))?;
    let mut checker =
        Checker { scopes: Vec::new(), faults: Vec::new(), names: Vec::new(), types: HashMap::new() };
    for (name, decl) in variables {
        checker.scopes.push(((*name).to_owned(), decl.as_type()));
    }
    let result = checker.of(&expr);
    if !checker.faults.is_empty() {
        return Err(told(&checker.faults));
    }
    let pricer = Pricer::new(variables, &checker.types);
    let Priced { cost, .. } = pricer.priced(&expr);
    Ok(Program { expr, result, cost, names: checker.names })
}

/// `ERROR: <input>:1:6: words`, the line, and a mark below it.
fn shown(text: &str, fault: &Fault) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = fault.at.min(chars.len());
    let line = chars[..at].iter().filter(|c| **c == '\n').count();
    let start = chars[..at].iter().rposition(|c| *c == '\n').map_or(0, |index| index + 1);
    let column = at - start;
    let source: String = chars[start..].iter().take_while(|c| **c != '\n').collect();
    let mark = ".".repeat(column);
    format!("ERROR: <input>:{}:{}: {}\n | {source}\n | {mark}^", line + 1, column + 1, fault.words)
}

/// Expressions by where they stand in memory: trees don't move while they are looked at.
pub(crate) type Types = HashMap<*const Expr, Type>;

struct Checker {
    scopes: Vec<(String, Type)>,
    faults: Vec<Fault>,
    names: Vec<String>,
    types: Types,
}

impl Checker {
    fn of(&mut self, expr: &Expr) -> Type {
        let found = self.found(expr);
        self.types.insert(std::ptr::from_ref(expr), found.clone());
        found
    }

    fn fault(&mut self, at: usize, words: String) -> Type {
        self.faults.push(Fault { at, words });
        Type::Dyn
    }

    fn found(&mut self, expr: &Expr) -> Type {
        match &expr.kind {
            Kind::Literal(value) => literal(value),
            Kind::Ident(name) => self.ident(expr.at, name),
            Kind::Select { operand, field, test, optional } => {
                let of = self.of(operand);
                let inner = match &of {
                    Type::Optional(inner) => inner.as_ref().clone(),
                    other => other.clone(),
                };
                let found = self.field(expr.at, &inner, field);
                match (*test, *optional || matches!(of, Type::Optional(_))) {
                    (true, _) => Type::Bool,
                    (false, true) => Type::optional(found),
                    (false, false) => found,
                }
            }
            Kind::Call { function, target, args } => self.call(expr.at, function, target.as_deref(), args),
            Kind::List(elements) => {
                let mut of: Option<Type> = None;
                for (element, optional) in elements {
                    let found = self.element(element, *optional);
                    of = Some(self.joined(element.at, of, found));
                }
                Type::list(of.unwrap_or(Type::Dyn))
            }
            Kind::Map(entries) => {
                let (mut keys, mut values): (Option<Type>, Option<Type>) = (None, None);
                for (key, value, optional) in entries {
                    let found = self.of(key);
                    keys = Some(self.joined(key.at, keys, found));
                    let found = self.element(value, *optional);
                    values = Some(self.joined(value.at, values, found));
                }
                Type::map(keys.unwrap_or(Type::Dyn), values.unwrap_or(Type::Dyn))
            }
            Kind::Fold(fold) => self.fold(fold),
        }
    }

    fn element(&mut self, expr: &Expr, optional: bool) -> Type {
        match (self.of(expr), optional) {
            (Type::Optional(inner), true) => inner.as_ref().clone(),
            (other, true) if !other.is_dyn() => {
                let words = format!("expected type 'optional_type' but found '{other}'");
                self.fault(expr.at, words)
            }
            (other, _) => other,
        }
    }

    /// Aggregates are of one type (`cel.HomogeneousAggregateLiterals`).
    fn joined(&mut self, at: usize, known: Option<Type>, found: Type) -> Type {
        match known {
            None => found,
            Some(known) if known.is_dyn() => found,
            Some(known) if found.is_dyn() || known == found => known,
            Some(known) => self.fault(at, format!("expected type '{known}' but found '{found}'")),
        }
    }

    fn ident(&mut self, at: usize, name: &str) -> Type {
        if let Some((_, found)) = self.scopes.iter().rev().find(|(known, _)| known == name) {
            let found = found.clone();
            if !self.names.iter().any(|known| known == name) {
                self.names.push(name.to_owned());
            }
            return found;
        }
        match name {
            "bool" | "int" | "uint" | "double" | "string" | "bytes" | "list" | "map" | "null_type"
            | "type" => Type::Kind,
            _ => self.fault(at, format!("undeclared reference to '{name}' (in container '')")),
        }
    }

    fn field(&mut self, at: usize, of: &Type, field: &str) -> Type {
        match of {
            Type::Dyn | Type::Param(_) => Type::Dyn,
            Type::Map(_, value) => value.as_ref().clone(),
            Type::Object(decl) => match decl.fields.get(field) {
                Some(found) => found.as_type(),
                None => self.fault(at, format!("undefined field '{field}'")),
            },
            other => self.fault(at, format!("type '{other}' does not support field selection")),
        }
    }

    fn call(&mut self, at: usize, function: &str, target: Option<&Expr>, args: &[Expr]) -> Type {
        let mut given: Vec<Type> = Vec::with_capacity(args.len() + 1);
        if let Some(target) = target {
            given.push(self.of(target));
        }
        for arg in args {
            // What is formatted may be of any types (cel-go exempts `format` from homogeneous aggregates).
            let found = match &arg.kind {
                Kind::List(elements) if function == "format" => {
                    elements.iter().for_each(|(element, _)| drop(self.of(element)));
                    let mixed = Type::list(Type::Dyn);
                    self.types.insert(std::ptr::from_ref(arg), mixed.clone());
                    mixed
                }
                _ => self.of(arg),
            };
            given.push(found);
        }
        if matches!(function, "_&&_" | "_||_") {
            for (arg, found) in args.iter().zip(&given) {
                if !found.is_dyn() && *found != Type::Bool {
                    let words = format!(
                        "found no matching overload for '{function}' applied to '({}, {})'",
                        given[0],
                        given.get(1).unwrap_or(found)
                    );
                    self.fault(arg.at, words);
                    break;
                }
            }
            return Type::Bool;
        }
        let known = signatures(function);
        if known.is_empty() {
            return self.fault(at, format!("undeclared reference to '{function}' (in container '')"));
        }
        let fitting: Vec<Type> = known
            .iter()
            .filter(|signature| signature.method == target.is_some())
            .filter_map(|signature| applied(signature, &given))
            .collect();
        match fitting.as_slice() {
            [] => {
                let words: Vec<String> = given.iter().map(ToString::to_string).collect();
                let (prefix, rest) = match target {
                    Some(_) => (format!("{}.", words[0]), words[1..].join(", ")),
                    None => (String::new(), words.join(", ")),
                };
                self.fault(
                    at,
                    format!("found no matching overload for '{function}' applied to '{prefix}({rest})'"),
                )
            }
            [one] => one.clone(),
            many if many.iter().all(|one| *one == many[0]) => many[0].clone(),
            _ => Type::Dyn,
        }
    }

    fn fold(&mut self, fold: &Fold) -> Type {
        let range = self.of(&fold.range);
        let (first, second) = match (&range, fold.name) {
            (Type::Optional(of), Macro::OptMap | Macro::OptFlatMap) => (of.as_ref().clone(), Type::Dyn),
            (Type::List(of), _) if fold.second.is_some() => (Type::Int, of.as_ref().clone()),
            (Type::List(of), _) => (of.as_ref().clone(), Type::Dyn),
            (Type::Map(key, value), _) => (key.as_ref().clone(), value.as_ref().clone()),
            (range, _) if range.is_dyn() => (Type::Dyn, Type::Dyn),
            (range, _) => {
                let words = format!(
                    "expression of type '{range}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.fault(fold.range.at, words);
                (Type::Dyn, Type::Dyn)
            }
        };
        let depth = self.scopes.len();
        self.scopes.push((fold.var.clone(), first.clone()));
        if let Some(name) = &fold.second {
            self.scopes.push((name.clone(), second));
        }
        if let Some(test) = &fold.test {
            let found = self.of(test);
            if !found.is_dyn() && found != Type::Bool {
                self.fault(test.at, format!("expected type 'bool' but found '{found}'"));
            }
        }
        let made = fold.made.as_ref().map(|made| self.of(made));
        self.scopes.truncate(depth);
        let made = made.unwrap_or(Type::Dyn);
        match fold.name {
            Macro::All | Macro::Exists | Macro::ExistsOne => Type::Bool,
            Macro::Map => Type::list(made),
            Macro::Filter => match range {
                Type::Map(key, _) => Type::List(key),
                other => other,
            },
            Macro::TransformMap => match range {
                Type::Map(key, _) => Type::Map(key, Arc::new(made)),
                _ => Type::map(Type::Int, made),
            },
            Macro::OptMap => Type::optional(made),
            Macro::OptFlatMap => made,
            Macro::SortBy => range,
        }
    }
}

fn literal(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Uint(_) => Type::Uint,
        Value::Double(_) => Type::Double,
        Value::String(_) => Type::String,
        Value::Bytes(_) => Type::Bytes,
        _ => Type::Dyn,
    }
}

/// What a function comes to with these arguments; none where they don't fit.
fn applied(signature: &Signature, given: &[Type]) -> Option<Type> {
    if signature.params.len() != given.len() {
        return None;
    }
    let mut bound = HashMap::new();
    for (param, given) in signature.params.iter().zip(given) {
        if !fits(param, given, &mut bound) {
            return None;
        }
    }
    Some(resolved(&signature.result, &bound))
}

fn fits(param: &Type, given: &Type, bound: &mut HashMap<char, Type>) -> bool {
    match (param, given) {
        (Type::Param(name), given) => match bound.get(name).cloned() {
            None => {
                bound.insert(*name, given.clone());
                true
            }
            Some(known) if known.is_dyn() => {
                bound.insert(*name, given.clone());
                true
            }
            Some(known) => given.is_dyn() || fits(&known, given, bound) || fits_null(&known, given),
        },
        (_, given) if given.is_dyn() => true,
        (Type::Dyn, _) => true,
        (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => fits(a, b, bound),
        (Type::Map(a, b), Type::Map(c, d)) => fits(a, c, bound) && fits(b, d, bound),
        (param, given) => param == given,
    }
}

/// Null may be compared with what may be null.
fn fits_null(known: &Type, given: &Type) -> bool {
    let nullable = |kind: &Type| {
        matches!(kind, Type::Object(_) | Type::Duration | Type::Timestamp | Type::Opaque(_) | Type::Null)
    };
    (matches!(given, Type::Null) && nullable(known)) || (matches!(known, Type::Null) && nullable(given))
}

fn resolved(pattern: &Type, bound: &HashMap<char, Type>) -> Type {
    match pattern {
        Type::Param(name) => bound.get(name).cloned().unwrap_or(Type::Dyn),
        Type::List(of) => Type::list(resolved(of, bound)),
        Type::Optional(of) => Type::optional(resolved(of, bound)),
        Type::Map(key, value) => Type::map(resolved(key, bound), resolved(value, bound)),
        other => other.clone(),
    }
}
