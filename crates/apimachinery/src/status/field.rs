//! Where in an object something is wrong, and in which words it is said.
//!
//! The words are those of `k8s.io/apimachinery/pkg/util/validation/field` (errors.go, path.go): clients and people match on them.
//! A [`Path`] borrows its parent, so walking a valid object allocates nothing; only an error spells its path out.

use std::fmt;

use serde_json::Value;

/// A place in an object: `spec.containers[0].ports`, `metadata.labels[app]`.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Name(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> Path<'a> {
    /// The place named `name`; dots in it are steps already spelled out. The empty name is the object itself.
    #[must_use]
    pub const fn of(name: &'a str) -> Self {
        Path { parent: None, step: Step::Name(name) }
    }

    #[must_use]
    pub const fn child(&'a self, name: &'a str) -> Self {
        Path { parent: Some(self), step: Step::Name(name) }
    }

    #[must_use]
    pub const fn index(&'a self, index: usize) -> Self {
        Path { parent: Some(self), step: Step::Index(index) }
    }

    #[must_use]
    pub const fn key(&'a self, key: &'a str) -> Self {
        Path { parent: Some(self), step: Step::Key(key) }
    }

    #[must_use]
    pub fn required(&self, detail: &str) -> FieldError {
        self.error(Fault::Required, None, detail)
    }

    #[must_use]
    pub fn invalid(&self, bad: impl Into<Value>, detail: &str) -> FieldError {
        self.error(Fault::Invalid, Some(bad.into()), detail)
    }

    /// `known` are the values that would have been accepted, in the order they are to be read.
    #[must_use]
    pub fn not_supported(&self, bad: impl Into<Value>, known: &[&str]) -> FieldError {
        let known: Vec<String> = known.iter().map(|word| quoted(word)).collect();
        let detail =
            if known.is_empty() { String::new() } else { format!("supported values: {}", known.join(", ")) };
        self.error(Fault::NotSupported, Some(bad.into()), &detail)
    }

    #[must_use]
    pub fn forbidden(&self, detail: &str) -> FieldError {
        self.error(Fault::Forbidden, None, detail)
    }

    #[must_use]
    pub fn duplicate(&self, bad: impl Into<Value>) -> FieldError {
        self.error(Fault::Duplicate, Some(bad.into()), "")
    }

    #[must_use]
    pub fn not_found(&self, bad: impl Into<Value>) -> FieldError {
        self.error(Fault::NotFound, Some(bad.into()), "")
    }

    /// Longer than `max` bytes. The value itself is not repeated.
    #[must_use]
    pub fn too_long(&self, max: usize) -> FieldError {
        self.error(Fault::TooLong, None, &format!("may not be more than {max} bytes"))
    }

    #[must_use]
    pub fn too_many(&self, actual: usize, max: usize) -> FieldError {
        let items = if max == 1 { "item" } else { "items" };
        self.error(Fault::TooMany, Some(actual.into()), &format!("must have at most {max} {items}"))
    }

    /// A value of the wrong JSON type; says what was expected.
    #[must_use]
    pub fn type_invalid(&self, bad: impl Into<Value>, detail: &str) -> FieldError {
        self.error(Fault::TypeInvalid, Some(bad.into()), detail)
    }

    fn error(&self, fault: Fault, bad: Option<Value>, detail: &str) -> FieldError {
        FieldError { fault, field: self.to_string(), bad, detail: detail.to_owned() }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Name("") => Ok(()),
            Step::Name(name) if self.parent.is_none_or(Path::is_empty) => f.write_str(name),
            Step::Name(name) => write!(f, ".{name}"),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{key}]"),
        }
    }
}

impl Path<'_> {
    fn is_empty(&self) -> bool {
        matches!(self.step, Step::Name("")) && self.parent.is_none_or(Path::is_empty)
    }
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    pub fault: Fault,
    /// The path, spelled out.
    pub field: String,
    /// The value that was found, where repeating it helps.
    pub bad: Option<Value>,
    pub detail: String,
}

/// `field.ErrorType`; its code is the `reason` of the Status's cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Required,
    Invalid,
    NotSupported,
    Forbidden,
    TooLong,
    TooMany,
    Duplicate,
    NotFound,
    TypeInvalid,
    Internal,
}

impl Fault {
    /// As in `details.causes[].reason`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Fault::Required => "FieldValueRequired",
            Fault::Invalid => "FieldValueInvalid",
            Fault::NotSupported => "FieldValueNotSupported",
            Fault::Forbidden => "FieldValueForbidden",
            Fault::TooLong => "FieldValueTooLong",
            Fault::TooMany => "FieldValueTooMany",
            Fault::Duplicate => "FieldValueDuplicate",
            Fault::NotFound => "FieldValueNotFound",
            Fault::TypeInvalid => "FieldValueTypeInvalid",
            Fault::Internal => "InternalError",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Fault::Required => "Required value",
            Fault::Invalid | Fault::TypeInvalid => "Invalid value",
            Fault::NotSupported => "Unsupported value",
            Fault::Forbidden => "Forbidden",
            Fault::TooLong => "Too long",
            Fault::TooMany => "Too many",
            Fault::Duplicate => "Duplicate value",
            Fault::NotFound => "Not found",
            Fault::Internal => "Internal error",
        }
    }

    fn repeats_the_value(self) -> bool {
        !matches!(self, Fault::Required | Fault::Forbidden | Fault::TooLong | Fault::Internal)
    }
}

impl FieldError {
    /// The error without its field, as a cause's `message`.
    #[must_use]
    pub fn body(&self) -> String {
        let mut body = self.fault.words().to_owned();
        if let Some(bad) = self.bad.as_ref().filter(|_| self.fault.repeats_the_value()) {
            body.push_str(": ");
            body.push_str(&rendered(bad));
        }
        if !self.detail.is_empty() {
            body.push_str(": ");
            body.push_str(&self.detail);
        }
        body
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.body()),
            field => write!(f, "{field}: {}", self.body()),
        }
    }
}

fn rendered(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

/// A string as Go's `%q` prints it.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        push_quoted(&mut out, c);
    }
    out.push('"');
    out
}

fn push_quoted(out: &mut String, c: char) {
    use std::fmt::Write as _;
    let written = match c {
        '"' => out.write_str("\\\""),
        '\\' => out.write_str("\\\\"),
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        '\u{7}' => out.write_str("\\a"),
        '\u{8}' => out.write_str("\\b"),
        '\u{b}' => out.write_str("\\v"),
        '\u{c}' => out.write_str("\\f"),
        c if (c as u32) < 0x80 && c.is_control() => write!(out, "\\x{:02x}", c as u32),
        c if c.is_control() => write!(out, "\\u{:04x}", c as u32),
        c => out.write_char(c),
    };
    written.expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_reads_as_people_write_it() {
        let spec = Path::of("spec");
        let containers = spec.child("containers");
        let first = containers.index(0);
        assert_eq!(first.child("image").to_string(), "spec.containers[0].image");
        assert_eq!(Path::of("metadata.labels").key("a.b/c").to_string(), "metadata.labels[a.b/c]");
        let whole = Path::of("");
        assert_eq!(whole.child("spec").to_string(), "spec");
    }

    #[test]
    fn an_error_says_its_fault_its_value_and_its_detail() {
        let path = Path::of("spec.x");
        let cases = [
            (path.required(""), "spec.x: Required value"),
            (path.required("name it"), "spec.x: Required value: name it"),
            (path.invalid("a\"b", "must be c"), r#"spec.x: Invalid value: "a\"b": must be c"#),
            (path.invalid(-1, "must be positive"), "spec.x: Invalid value: -1: must be positive"),
            (path.invalid(json!({"a": 1}), "no"), r#"spec.x: Invalid value: {"a":1}: no"#),
            (
                path.not_supported("Z", &["A", "B"]),
                r#"spec.x: Unsupported value: "Z": supported values: "A", "B""#,
            ),
            (path.forbidden("not now"), "spec.x: Forbidden: not now"),
            (path.too_long(63), "spec.x: Too long: may not be more than 63 bytes"),
            (path.too_many(3, 1), "spec.x: Too many: 3: must have at most 1 item"),
            (path.duplicate("a"), r#"spec.x: Duplicate value: "a""#),
            (path.not_found("v"), r#"spec.x: Not found: "v""#),
        ];
        for (error, said) in cases {
            assert_eq!(error.to_string(), said);
        }
    }

    #[test]
    fn quoting_is_gos() {
        assert_eq!(quoted("a\u{0}b\té\u{7f}"), "\"a\\x00b\\té\\x7f\"");
    }
}
