//! `x-kubernetes-validations`: rules in CEL (`k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel`). What they may say is
//! checked, and priced, when a definition is written ([`check`]); they are compiled once for a definition and run on every
//! write of an object ([`Rules`]).

mod check;
mod declare;
mod run;

use std::collections::BTreeMap;
use std::sync::Arc;

use rutter_cel::{Decl, Program, compile};

use super::{Rule, Structural, field_path};

pub(crate) use check::check;

/// What one rule may cost in one run.
const CALL_LIMIT: u64 = 1_000_000;

/// The rules of a schema, compiled; the same tree as the schema's.
#[derive(Debug)]
pub(crate) struct Rules {
    compiled: Vec<Compiled>,
    is_root: bool,
    items: Option<Box<Rules>>,
    properties: BTreeMap<String, Rules>,
    any: Option<Box<Rules>>,
}

#[derive(Debug)]
struct Compiled {
    rule: Rule,
    program: Result<Program, String>,
    message: Option<Program>,
    /// `fieldPath`, normalised.
    field: Option<String>,
}

impl Rules {
    /// The rules of an object's schema; none where there are none.
    #[must_use]
    pub(crate) fn of(schema: &Structural) -> Option<Rules> {
        schema.any(&|schema| !schema.rules.is_empty()).then(|| tree(schema, true)).flatten()
    }
}

fn tree(schema: &Structural, is_root: bool) -> Option<Rules> {
    let rules = Rules {
        compiled: compiled(schema, is_root),
        is_root,
        items: schema.items.as_deref().and_then(|items| tree(items, items.embedded)).map(Box::new),
        properties: schema
            .properties
            .iter()
            .filter_map(|(name, property)| Some((name.clone(), tree(property, property.embedded)?)))
            .collect(),
        any: schema.of_any_key().and_then(|any| tree(any, any.embedded)).map(Box::new),
    };
    let says_something = !rules.compiled.is_empty()
        || rules.items.is_some()
        || rules.any.is_some()
        || !rules.properties.is_empty();
    says_something.then_some(rules)
}

fn compiled(schema: &Structural, is_root: bool) -> Vec<Compiled> {
    if schema.rules.is_empty() {
        return Vec::new();
    }
    let declared = declare::decl(schema, is_root);
    let one = |rule: &Rule| Compiled {
        program: declared
            .as_ref()
            .ok_or_else(|| "failed to convert to declType for CEL validation rules".to_owned())
            .and_then(|decl| program(&rule.rule, rule, decl)),
        message: declared
            .as_ref()
            .filter(|_| !rule.message_expression.trim().is_empty())
            .and_then(|decl| program(&rule.message_expression, rule, decl).ok()),
        field: field_path::find(&rule.field_path, schema, true)
            .ok()
            .map(|(path, _)| path)
            .filter(|path| !path.is_empty()),
        rule: rule.clone(),
    };
    schema.rules.iter().map(one).collect()
}

/// `self`, and `oldSelf`, which with `optionalOldSelf` may be nothing.
fn program(text: &str, rule: &Rule, decl: &Arc<Decl>) -> Result<Program, String> {
    let old = match rule.optional_old_self {
        Some(true) => Arc::new(Decl::optional(decl)),
        _ => decl.clone(),
    };
    compile(text, &[("self", decl.clone()), ("oldSelf", old)])
}
