//! Running the rules of a definition on an object (`schema/cel/validation.go`).
//!
//! A rule that looks at `oldSelf` runs where what stood before can be told: through maps, and lists that are told apart by
//! keys. An error in what did not change is tolerated.

use rutter_cel::{Ended, Value as Cel};
use serde_json::Value;

use super::{CALL_LIMIT, Compiled, Rules, declare};
use crate::status::{Fault, FieldError};
use crate::structural::value::counterpart;
use crate::structural::{List, Structural};

/// What all rules of an object may cost together.
const BUDGET: u64 = 10_000_000;
/// The longest message that an expression may make, in bytes.
const MESSAGE_MAX: usize = 5 * 1024;

impl Rules {
    /// Adds an error for every rule that an object breaks. `old` is what it replaces.
    pub(crate) fn run(
        &self,
        object: &Value,
        old: Option<&Value>,
        schema: &Structural,
        path: &str,
        errors: &mut Vec<FieldError>,
    ) {
        let mut run = Run { budget: BUDGET, errors };
        let place = Place { path: path.to_owned(), unchanged: old == Some(object) };
        // When the budget is spent the rest is left out; that it is was said.
        let _ = run.node(self, object, old, schema, &place);
    }
}

struct Run<'e> {
    budget: u64,
    errors: &'e mut Vec<FieldError>,
}

/// Where a value stands, and whether it stood there before.
struct Place {
    path: String,
    unchanged: bool,
}

/// Nothing more is run.
struct Spent;

impl Run<'_> {
    fn node(
        &mut self,
        rules: &Rules,
        value: &Value,
        old: Option<&Value>,
        schema: &Structural,
        place: &Place,
    ) -> Result<(), Spent> {
        if value.is_null() {
            return Ok(());
        }
        self.rules_of(rules, value, old, schema, place)?;
        match value {
            Value::Array(list) => {
                let (Some(rules), Some(schema_of_items)) = (&rules.items, &schema.items) else {
                    return Ok(());
                };
                for (index, value) in list.iter().enumerate() {
                    let before = old.and_then(|old| counterpart(value, old, &schema.list));
                    let unchanged = match schema.list {
                        List::Map(_) => before == Some(value),
                        List::Atomic | List::Set => place.unchanged,
                    };
                    let place = Place { path: format!("{}[{index}]", place.path), unchanged };
                    self.node(rules, value, before, schema_of_items, &place)?;
                }
            }
            Value::Object(map) => {
                for (name, value) in map {
                    let (rules, below, path) = match (rules.properties.get(name), &rules.any) {
                        (Some(rules), _) => (rules, schema.properties.get(name), child(&place.path, name)),
                        (None, Some(any)) if !schema.properties.contains_key(name) => {
                            (any.as_ref(), schema.of_any_key(), format!("{}[{name}]", place.path))
                        }
                        _ => continue,
                    };
                    let Some(below) = below else { continue };
                    let before = old.and_then(|old| old.get(name)).filter(|_| !schema.atomic_map);
                    let unchanged = if schema.atomic_map { place.unchanged } else { before == Some(value) };
                    self.node(rules, value, before, below, &Place { path, unchanged })?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn rules_of(
        &mut self,
        rules: &Rules,
        value: &Value,
        old: Option<&Value>,
        schema: &Structural,
        place: &Place,
    ) -> Result<(), Spent> {
        if rules.compiled.is_empty() {
            return Ok(());
        }
        let seen = declare::value(value, schema, rules.is_root);
        let before = old.filter(|old| !old.is_null()).map(|old| declare::value(old, schema, rules.is_root));
        for compiled in &rules.compiled {
            self.rule(compiled, value, &seen, before.as_ref(), schema, place)?;
        }
        Ok(())
    }

    fn rule(
        &mut self,
        compiled: &Compiled,
        value: &Value,
        seen: &Cel,
        before: Option<&Cel>,
        schema: &Structural,
        place: &Place,
    ) -> Result<(), Spent> {
        let told = |words: String| invalid(&place.path, Some(schema.kind.as_str().into()), words);
        let program = match &compiled.program {
            Ok(program) => program,
            Err(why) => {
                self.errors.push(told(format!("rule compile error: {why}")));
                return Ok(());
            }
        };
        let is_optional = compiled.rule.optional_old_self == Some(true);
        let looks_back = program.mentions("oldSelf");
        if looks_back && before.is_none() && !is_optional {
            return Ok(());
        }
        let old = match (before, is_optional) {
            (before, true) => Cel::Optional(before.cloned().map(std::sync::Arc::new)),
            (Some(before), false) => before.clone(),
            (None, false) => Cel::Null,
        };
        let variables = [("self", seen.clone()), ("oldSelf", old)];
        let run = program.run(&variables, CALL_LIMIT);
        let spent =
            "validation failed due to running out of cost budget, no further validation rules will be run";
        let Some(left) = self.budget.checked_sub(run.cost) else {
            self.errors.push(told(spent.to_owned()));
            return Err(Spent);
        };
        self.budget = left;
        let rule = words_of(compiled);
        match run.result {
            Ok(Cel::Bool(true)) => return Ok(()),
            Ok(_) => {}
            Err(Ended::TooDear) => {
                self.errors.push(told(format!(
                    "'{}': no further validation rules will be run due to call cost exceeds limit for rule: {rule}",
                    Ended::TooDear
                )));
                return Err(Spent);
            }
            Err(Ended::Failed(why)) if why.starts_with("no such overload") => {
                self.errors.push(told(format!(
                    "'{why}': call arguments did not match a supported operator, function or macro signature for rule: \
                     {rule}"
                )));
                return Ok(());
            }
            Err(Ended::Failed(why)) => {
                self.errors.push(told(format!("{why} evaluating rule: {rule}")));
                return Ok(());
            }
        }
        let detail =
            self.message(compiled, &variables).unwrap_or_else(|| match compiled.rule.message.trim() {
                "" => format!("failed rule: {rule}"),
                message => message.to_owned(),
            });
        if looks_back || !place.unchanged {
            self.errors.push(broken(compiled, value, schema, &place.path, detail));
        }
        Ok(())
    }

    /// What `messageExpression` makes, if it makes something that can be told.
    fn message(&mut self, compiled: &Compiled, variables: &[(&str, Cel)]) -> Option<String> {
        let run = compiled.message.as_ref()?.run(variables, CALL_LIMIT.min(self.budget));
        self.budget = self.budget.saturating_sub(run.cost);
        let Ok(Cel::String(text)) = run.result else { return None };
        let text = text.trim();
        (!text.is_empty() && text.len() <= MESSAGE_MAX && !text.contains('\n')).then(|| text.to_owned())
    }
}

fn child(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn words_of(compiled: &Compiled) -> &str {
    match compiled.rule.message.trim() {
        "" => compiled.rule.rule.trim(),
        message => message,
    }
}

fn invalid(path: &str, bad: Option<Value>, detail: String) -> FieldError {
    let field = if path.is_empty() { "<nil>".to_owned() } else { path.to_owned() };
    FieldError { fault: Fault::Invalid, field, bad, detail }
}

/// The error that a broken rule is, by its reason; objects and lists are not repeated.
fn broken(compiled: &Compiled, value: &Value, schema: &Structural, path: &str, detail: String) -> FieldError {
    let path = match &compiled.field {
        Some(field) if field.starts_with('[') => format!("{path}{field}"),
        Some(field) => child(path, field),
        None => path.to_owned(),
    };
    let is_whole = matches!(schema.kind.as_str(), "object" | "array");
    let bad = (!is_whole).then(|| value.clone());
    let error = invalid(&path, bad, detail);
    match compiled.rule.reason.as_str() {
        "FieldValueForbidden" => FieldError { fault: Fault::Forbidden, bad: None, ..error },
        "FieldValueRequired" => FieldError { fault: Fault::Required, bad: None, ..error },
        "FieldValueDuplicate" => FieldError { fault: Fault::Duplicate, detail: String::new(), ..error },
        _ => error,
    }
}
