//! What types and fields are for, in the words of the Kubernetes API: `kubectl explain` tells them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

const TEXT: &str = include_str!("../../../../schemas/tables/descriptions.txt");

/// The words about one type and its fields.
#[derive(Default)]
struct Words {
    of_type: &'static str,
    of_fields: HashMap<&'static str, &'static str>,
}

static DESCRIPTIONS: LazyLock<HashMap<&'static str, Words>> = LazyLock::new(|| {
    let mut types: HashMap<&'static str, Words> = HashMap::new();
    let mut of = "";
    for (name, words) in TEXT.lines().filter_map(|line| line.split_once('\t')) {
        match name.strip_prefix(' ') {
            None => {
                of = name;
                types.entry(of).or_default().of_type = words;
            }
            Some(field) => drop(types.entry(of).or_default().of_fields.insert(field, words)),
        }
    }
    types
});

/// What a type is for; none if nothing is known.
#[must_use]
pub fn of_type(name: &str) -> Option<Cow<'static, str>> {
    told(DESCRIPTIONS.get(name)?.of_type)
}

/// What a field of a type is for.
#[must_use]
pub fn of_field(type_name: &str, field: &str) -> Option<Cow<'static, str>> {
    told(DESCRIPTIONS.get(type_name)?.of_fields.get(field)?)
}

/// With line ends as line ends.
fn told(words: &'static str) -> Option<Cow<'static, str>> {
    match words {
        "" => None,
        words if words.contains('\\') => Some(words.replace("\\n", "\n").replace("\\\\", "\\").into()),
        words => Some(words.into()),
    }
}
