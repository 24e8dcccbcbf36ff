//! Which names a definition gets (`pkg/controller/status/naming_controller.go`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::names_condition;
use super::view::{Definition, View};

/// Names as they are asked for, or as they were accepted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Names {
    pub(super) plural: String,
    pub(super) singular: String,
    pub(super) kind: String,
    pub(super) list_kind: String,
    pub(super) short_names: Vec<String>,
    pub(super) categories: Vec<String>,
}

impl Names {
    pub(super) fn read(names: &Value) -> Names {
        let text = |name: &str| names[name].as_str().unwrap_or_default().to_owned();
        let list = |name: &str| {
            let list = names[name].as_array().into_iter().flatten();
            list.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Names {
            plural: text("plural"),
            singular: text("singular"),
            kind: text("kind"),
            list_kind: text("listKind"),
            short_names: list("shortNames"),
            categories: list("categories"),
        }
    }

    fn resources(&self) -> impl Iterator<Item = &String> {
        [&self.plural, &self.singular].into_iter().chain(&self.short_names)
    }
}

/// What became of the names that were asked for.
pub(super) struct Verdict {
    pub(super) accepted: Names,
    conflict: Option<(&'static str, String)>,
}

impl Verdict {
    pub(super) fn is_accepted(&self) -> bool {
        self.conflict.is_none()
    }

    pub(super) fn condition(&self) -> Value {
        match &self.conflict {
            Some((reason, message)) => names_condition("False", reason, message),
            None => names_condition("True", "NoConflicts", "no conflicts found"),
        }
    }

    /// The last conflict found is the one that is told, as upstream tells it.
    fn judge(&mut self, reason: &'static str, taken: &[&String]) -> bool {
        let words: Vec<String> = taken.iter().map(|name| format!("{name:?} is already in use")).collect();
        match words.as_slice() {
            [] => return true,
            [one] => self.conflict = Some((reason, one.clone())),
            many => self.conflict = Some((reason, format!("[{}]", many.join(", ")))),
        }
        false
    }
}

/// Accepts what nobody else has, name by name.
pub(super) fn judged(view: &View, definition: &Definition) -> Verdict {
    let (asked, had) = (&definition.names, &definition.accepted);
    let mut resources: BTreeSet<&String> = BTreeSet::new();
    let mut kinds: BTreeSet<&String> = BTreeSet::new();
    for other in view.others_of_group(definition) {
        resources.extend(other.accepted.resources());
        kinds.extend([&other.accepted.kind, &other.accepted.list_kind]);
    }
    let is_taken = |name: &String, had: &String, used: &BTreeSet<&String>| {
        name != had && !name.is_empty() && used.contains(name)
    };
    let mut verdict = Verdict { accepted: had.clone(), conflict: None };
    let one = |name, had, used| if is_taken(name, had, used) { vec![name] } else { Vec::new() };

    if verdict.judge("PluralConflict", &one(&asked.plural, &had.plural, &resources)) {
        verdict.accepted.plural.clone_from(&asked.plural);
    }
    if verdict.judge("SingularConflict", &one(&asked.singular, &had.singular, &resources)) {
        verdict.accepted.singular.clone_from(&asked.singular);
    }
    let new = asked.short_names.iter().filter(|name| !had.short_names.contains(name));
    let taken: Vec<&String> = new.filter(|name| resources.contains(name)).collect();
    if verdict.judge("ShortNamesConflict", &taken) {
        verdict.accepted.short_names.clone_from(&asked.short_names);
    }
    if verdict.judge("KindConflict", &one(&asked.kind, &had.kind, &kinds)) {
        verdict.accepted.kind.clone_from(&asked.kind);
    }
    if verdict.judge("ListKindConflict", &one(&asked.list_kind, &had.list_kind, &kinds)) {
        verdict.accepted.list_kind.clone_from(&asked.list_kind);
    }
    verdict.accepted.categories.clone_from(&asked.categories);
    verdict
}

/// A merge patch that makes the names these, whatever stood there.
pub(super) fn replacing(names: &Names) -> Value {
    let or_null = |list: &[String]| if list.is_empty() { Value::Null } else { json!(list) };
    let text = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    json!({
        "plural": names.plural,
        "kind": names.kind,
        "singular": text(&names.singular),
        "listKind": text(&names.list_kind),
        "shortNames": or_null(&names.short_names),
        "categories": or_null(&names.categories),
    })
}
