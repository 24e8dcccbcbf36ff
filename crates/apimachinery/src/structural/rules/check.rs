//! What a definition's rules may say, and what they may cost
//! (`pkg/apis/apiextensions/validation/{validation,cel_validation}.go`).

use rutter_cel::Type;
use serde_json::Value;

use super::declare::{self, REQUEST_MAX};
use super::program;
use crate::json::items;
use crate::status::{FieldError, Path};
use crate::structural::{Additional, List, Rule, Structural};

/// What one rule may cost, over all values that it may run on.
const RULE_LIMIT: u64 = 10_000_000;
/// What all rules of a schema may cost.
const SCHEMA_LIMIT: u64 = 100_000_000;

/// Adds an error for every rule that can't be compiled, or may cost too much. `unchanged`: the schema stood before, so its
/// single rules are not priced again.
pub(crate) fn check(
    json: &Value,
    schema: &Structural,
    unchanged: bool,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    let mut check = Check { unchanged, total: 0, dearest: Vec::new(), errors };
    let place = Place { is_root: true, times: Some(1), uncorrelatable: None };
    check.node(json, schema, &place, path);
    let Check { total, mut dearest, errors, .. } = check;
    if total <= SCHEMA_LIMIT {
        return;
    }
    dearest.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
    for (_, path) in dearest.iter().take(4) {
        let why = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
        errors.push(Path::of(path).forbidden(why));
    }
    let name = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
    errors.push(path.forbidden(&exceeds(name, total, SCHEMA_LIMIT)));
}

struct Check<'e> {
    unchanged: bool,
    total: u64,
    dearest: Vec<(u64, String)>,
    errors: &'e mut Vec<FieldError>,
}

struct Place {
    is_root: bool,
    /// How many values of the schema there may be; none when nothing bounds them.
    times: Option<u64>,
    /// Within this path nobody can tell what stood before.
    uncorrelatable: Option<String>,
}

impl Place {
    fn below(&self, schema: &Structural, most: Option<u64>, correlates: bool, path: &Path<'_>) -> Place {
        let uncorrelatable = match (&self.uncorrelatable, correlates) {
            (Some(known), _) => Some(known.clone()),
            (None, true) => None,
            (None, false) => Some(path.to_string()),
        };
        let times = self.times.zip(most).map(|(times, most)| times.saturating_mul(most));
        Place { is_root: schema.embedded, times, uncorrelatable }
    }
}

impl Check<'_> {
    fn node(&mut self, json: &Value, schema: &Structural, place: &Place, path: &Path<'_>) {
        if let Some(below) = &schema.items {
            let correlates = matches!(schema.list, List::Map(_));
            let place = place.below(below, schema.checks.max_items, correlates, path);
            self.node(&json["items"], below, &place, &path.child("items"));
        }
        if let Some(Additional::Of(below)) = &schema.additional {
            let place = place.below(below, schema.checks.max_properties, true, path);
            self.node(&json["additionalProperties"], below, &place, &path.child("additionalProperties"));
        }
        let properties = path.child("properties");
        for (name, below) in &schema.properties {
            let place = place.below(below, Some(1), !schema.atomic_map, path);
            self.node(&json["properties"][name], below, &place, &properties.key(name));
        }
        if schema.rules.is_empty() {
            return;
        }
        let at = path.child("x-kubernetes-validations");
        let written = items(&json["x-kubernetes-validations"]);
        for (index, rule) in schema.rules.iter().enumerate() {
            let written = written.get(index).cloned().unwrap_or_default();
            self.rule(rule, written, schema, place, &at.index(index));
        }
    }

    fn rule(&mut self, rule: &Rule, written: Value, schema: &Structural, place: &Place, path: &Path<'_>) {
        let Some(decl) = declare::decl(schema, place.is_root) else {
            let why = "failed to convert to declType for CEL validation rules";
            self.errors.push(path.child("rule").invalid(written, why));
            return;
        };
        let at = path.child("rule");
        let compiled = match program(&rule.rule, rule, &decl) {
            Ok(program) => program,
            Err(why) => {
                self.errors.push(at.invalid(written, &format!("compilation failed: {why}")));
                return;
            }
        };
        if !matches!(compiled.result, Type::Bool | Type::Dyn) {
            self.errors.push(at.invalid(written, "cel expression must evaluate to a bool"));
            return;
        }
        let times = place.times.unwrap_or(REQUEST_MAX / (decl.min_size + 1));
        self.price("estimated rule cost", compiled.cost.max.saturating_mul(times), &at);
        if !rule.message_expression.trim().is_empty() {
            let at = path.child("messageExpression");
            match program(&rule.message_expression, rule, &decl) {
                Err(why) => {
                    let why = format!("messageExpression compilation failed: {why}");
                    self.errors.push(at.invalid(written.clone(), &why));
                }
                Ok(message) if !matches!(message.result, Type::String | Type::Dyn) => {
                    self.errors
                        .push(at.invalid(written.clone(), "messageExpression must evaluate to a string"));
                }
                Ok(message) => self.price("estimated messageExpression cost", message.cost.max, &at),
            }
        }
        if compiled.mentions("oldSelf") {
            if let Some(within) = &place.uncorrelatable {
                let why = format!(
                    "oldSelf cannot be used on the uncorrelatable portion of the schema within {within}"
                );
                self.errors.push(at.invalid(rule.rule.as_str(), &why));
            }
        } else if let Some(optional) = rule.optional_old_self {
            let why = "may not be set if oldSelf is not used in rule";
            self.errors.push(path.child("optionalOldSelf").invalid(optional, why));
        }
    }

    fn price(&mut self, name: &str, cost: u64, at: &Path<'_>) {
        if cost > RULE_LIMIT && !self.unchanged {
            self.errors.push(at.forbidden(&exceeds(name, cost, RULE_LIMIT)));
        }
        self.total = self.total.saturating_add(cost);
        self.dearest.push((cost, at.to_string()));
    }
}

fn exceeds(name: &str, cost: u64, limit: u64) -> String {
    let factor = cost as f64 / limit as f64;
    let factor = match factor {
        factor if factor > 100.0 => "more than 100x".to_owned(),
        factor if factor < 1.5 => format!("{factor:.6}x"),
        factor => format!("{factor:.1}x"),
    };
    format!(
        "{name} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and \
         maxLength where arrays, maps, and strings are declared)"
    )
}
