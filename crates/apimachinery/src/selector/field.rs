//! Field selectors: `metadata.name=x,status.phase!=Running` (`k8s.io/apimachinery/pkg/fields/selector.go`).

use std::collections::BTreeMap;
use std::fmt;

use crate::registry::Resource;
use crate::status::Status;

/// Conditions on the selectable fields of a kind; without any, every object matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    pub terms: Vec<Term>,
}

/// One condition: the field has the value, or has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    pub field: String,
    pub value: String,
    pub equal: bool,
}

impl FieldSelector {
    /// Parses a selector. `\\`, `\,` and `\=` stand for the characters themselves.
    ///
    /// # Errors
    /// 400 in upstream's words.
    pub fn parse(text: &str) -> Result<FieldSelector, Status> {
        let parts = terms(text).filter(|part| !part.is_empty());
        let terms: Result<Vec<Term>, String> = parts.map(|part| term(text, part)).collect();
        terms.map(|terms| FieldSelector { terms }).map_err(Status::bad_request)
    }

    /// Refuses fields that `resource` does not let anyone select by, and says the others in the words of the version
    /// that is stored.
    ///
    /// # Errors
    /// 400: `field label not supported: x`, or, for a kind without selectable fields of its own, upstream's longer
    /// sentence (`k8s.io/apimachinery/pkg/runtime/conversion.go`, DefaultMetaV1FieldSelectorConversion).
    pub fn convert(&mut self, resource: &Resource) -> Result<(), Status> {
        let own = |field: &str| !matches!(field, "metadata.name" | "metadata.namespace");
        let asked = self.terms.iter().map(|term| term.field.as_str()).filter(|field| own(field));
        let refused = asked.filter_map(|field| resource.strategy.refuses_selector(field)).next();
        if let Some(why) = refused {
            return Err(Status::bad_request(why));
        }
        for term in &mut self.terms {
            if let Some(stored) = resource.strategy.stored_field(&term.field) {
                term.field = stored.to_owned();
            }
        }
        Ok(())
    }

    /// Whether an object of this name and namespace and with these selectable fields is meant.
    #[must_use]
    pub fn matches(&self, name: &str, namespace: &str, fields: &BTreeMap<String, String>) -> bool {
        self.terms.iter().all(|term| {
            let value = match term.field.as_str() {
                "metadata.name" => name,
                "metadata.namespace" => namespace,
                field => fields.get(field).map_or("", String::as_str),
            };
            (value == term.value) == term.equal
        })
    }

    /// Whether an object of this name and namespace could be meant, whatever its fields.
    #[must_use]
    pub fn may_match(&self, name: &str, namespace: &str) -> bool {
        self.terms.iter().all(|term| match term.field.as_str() {
            "metadata.name" => (name == term.value) == term.equal,
            "metadata.namespace" => (namespace == term.value) == term.equal,
            _ => true,
        })
    }

    /// The value that `field` must have, if the selector says so: the way into an index.
    #[must_use]
    pub fn required(&self, field: &str) -> Option<&str> {
        let term = self.terms.iter().find(|term| term.equal && term.field == field)?;
        Some(&term.value)
    }

    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }
}

/// Splits at commas that are not escaped.
fn terms(text: &str) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    text.split(move |c: char| {
        let splits = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        splits
    })
}

fn term(whole: &str, part: &str) -> Result<Term, String> {
    let Some((field, operator, value)) = split_at_operator(part) else {
        return Err(format!("invalid selector: '{whole}'; can't understand '{part}'"));
    };
    Ok(Term { field: field.to_owned(), value: unescaped(value)?, equal: operator != "!=" })
}

fn split_at_operator(part: &str) -> Option<(&str, &str, &str)> {
    for (index, _) in part.char_indices() {
        let rest = &part[index..];
        if let Some(operator) = ["!=", "==", "="].into_iter().find(|operator| rest.starts_with(operator)) {
            return Some((&part[..index], operator, &rest[operator.len()..]));
        }
    }
    None
}

fn unescaped(value: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.push(escaped_char(chars.next())?),
            ',' | '=' => {
                return Err(format!("invalid field selector: unescaped character in value: {}", c as u32));
            }
            c => plain.push(c),
        }
    }
    Ok(plain)
}

fn escaped_char(after_backslash: Option<char>) -> Result<char, String> {
    match after_backslash {
        Some(c @ ('\\' | ',' | '=')) => Ok(c),
        other => {
            let sequence: String = std::iter::once('\\').chain(other).collect();
            Err(format!("invalid field selector: invalid escape sequence: {sequence}"))
        }
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let operator = if term.equal { "=" } else { "!=" };
            let value = term.value.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=");
            write!(f, "{comma}{}{operator}{value}", term.field)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str) -> bool {
        let fields = BTreeMap::from([("status.phase".to_owned(), "Running".to_owned())]);
        FieldSelector::parse(selector).unwrap().matches("web", "prod", &fields)
    }

    #[test]
    fn a_field_selector_matches_what_meets_every_term() {
        let cases = [
            ("", true),
            (",", true),
            ("metadata.name=web", true),
            ("metadata.name==web,metadata.namespace=prod", true),
            ("metadata.name!=web", false),
            ("status.phase=Running,metadata.namespace!=dev", true),
            ("spec.nodeName=", true),
            ("spec.nodeName!=", false),
        ];
        for (selector, expected) in cases {
            assert_eq!(matches(selector), expected, "{selector}");
        }
    }

    #[test]
    fn values_may_be_escaped() {
        let selector = FieldSelector::parse(r"a=x\,y\=z\\,b!=c").unwrap();
        assert_eq!(selector.terms[0].value, r"x,y=z\");
        assert_eq!(selector.to_string(), r"a=x\,y\=z\\,b!=c");
        assert_eq!(selector.required("a"), Some(r"x,y=z\"));
        assert_eq!(selector.required("b"), None);
    }

    #[test]
    fn what_does_not_parse_is_refused_in_upstreams_words() {
        let cases = [
            ("a", "invalid selector: 'a'; can't understand 'a'"),
            (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
            ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        ];
        for (selector, message) in cases {
            assert_eq!(FieldSelector::parse(selector).unwrap_err().message, message);
        }
    }
}
