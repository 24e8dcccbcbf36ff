//! The forms of names (`k8s.io/apimachinery/pkg/util/validation/validation.go`, `pkg/api/validation/path`).
//!
//! Each function gives what is wrong with a value, in upstream's words; nothing when it is right.

use std::net::IpAddr;

const LABEL_MAX: usize = 63;
const SUBDOMAIN_MAX: usize = 253;

/// Which form the name of a kind's objects must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameRule {
    /// A DNS-1123 subdomain, as most kinds have it.
    #[default]
    Subdomain,
    /// A DNS-1123 label: Namespace.
    Label,
    /// A DNS-1035 label: Service (before its names were relaxed).
    ServiceLabel,
    /// Anything that fits in a path: Role, ClusterRole and their bindings.
    PathSegment,
    /// An IP address in its canonical form: IPAddress.
    Address,
}

impl NameRule {
    /// What is wrong with `name`; with `prefix`, it is a `generateName`, which may end in a dash.
    #[must_use]
    pub fn faults(self, name: &str, prefix: bool) -> Vec<String> {
        let whole = if prefix { with_trailing_dash_masked(name) } else { name.to_owned() };
        match self {
            NameRule::Subdomain => dns_subdomain_faults(&whole),
            NameRule::Label => dns_label_faults(&whole),
            NameRule::ServiceLabel => service_name_faults(&whole),
            NameRule::PathSegment if prefix => path_segment_character_faults(name),
            NameRule::PathSegment => path_segment_faults(name),
            NameRule::Address if prefix => Vec::new(),
            NameRule::Address => canonical_address_faults(name),
        }
    }
}

/// Upstream replaces a trailing dash and the character before it by an `a`.
fn with_trailing_dash_masked(name: &str) -> String {
    match name.char_indices().rev().nth(1) {
        Some((index, _)) if name.ends_with('-') => format!("{}a", &name[..index]),
        _ => name.to_owned(),
    }
}

/// A DNS-1123 subdomain: what most names are.
#[must_use]
pub fn dns_subdomain_faults(value: &str) -> Vec<String> {
    let mut faults = longer_than(value, SUBDOMAIN_MAX);
    if !value.split('.').all(is_dns_label) {
        faults.push(SUBDOMAIN_WORDS.into());
    }
    faults
}

/// A DNS-1123 label: namespaces, container and volume names.
#[must_use]
pub fn dns_label_faults(value: &str) -> Vec<String> {
    let mut faults = longer_than(value, LABEL_MAX);
    if !is_dns_label(value) {
        faults.push(form(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
             and end with an alphanumeric character",
            &["my-name", "123-abc"],
            "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
        ));
    }
    faults
}

/// A DNS-1035 label: the name of a Service.
#[must_use]
pub fn service_name_faults(value: &str) -> Vec<String> {
    let mut faults = longer_than(value, LABEL_MAX);
    if !is_dns_label(value) || !value.starts_with(|c: char| c.is_ascii_lowercase()) {
        faults.push(form(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
             character, and end with an alphanumeric character",
            &["my-name", "abc-123"],
            "[a-z]([-a-z0-9]*[a-z0-9])?",
        ));
    }
    faults
}

/// A subdomain that may begin with `*.`.
#[must_use]
pub fn wildcard_subdomain_faults(value: &str) -> Vec<String> {
    let mut faults = longer_than(value, SUBDOMAIN_MAX);
    if !value.strip_prefix("*.").is_some_and(|rest| rest.split('.').all(is_dns_label)) {
        faults.push(form(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must \
             consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
            &["*.example.com"],
            r"\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
        ));
    }
    faults
}

/// `[prefix/]name`: label keys, annotation keys, finalizers, resource names.
#[must_use]
pub fn qualified_name_faults(value: &str) -> Vec<String> {
    let (prefix, name) = match value.split_once('/') {
        None => (None, value),
        Some((prefix, name)) if !name.contains('/') => (Some(prefix), name),
        Some(_) => return vec![not_a_qualified_name()],
    };
    let mut faults = prefix.map_or_else(Vec::new, prefix_faults);
    if name.is_empty() {
        faults.push("name part must be non-empty".into());
    } else if name.len() > LABEL_MAX {
        faults.push(format!("name part {}", max_bytes(LABEL_MAX)));
    }
    if !is_qualified_part(name) {
        faults.push(format!("name part {}", qualified_form()));
    }
    faults
}

fn prefix_faults(prefix: &str) -> Vec<String> {
    match prefix {
        "" => vec!["prefix part must be non-empty".into()],
        prefix => {
            dns_subdomain_faults(prefix).into_iter().map(|fault| format!("prefix part {fault}")).collect()
        }
    }
}

fn not_a_qualified_name() -> String {
    let form = qualified_form();
    format!(
        "a qualified name {form} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
    )
}

fn qualified_form() -> String {
    form(
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
         character",
        &["MyName", "my.name", "123-abc"],
        "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]",
    )
}

/// The value of a label.
#[must_use]
pub fn label_value_faults(value: &str) -> Vec<String> {
    let mut faults = longer_than(value, LABEL_MAX);
    if !value.is_empty() && !is_qualified_part(value) {
        faults.push(form(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
             start and end with an alphanumeric character",
            &["MyValue", "my_value", "12345"],
            "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
        ));
    }
    faults
}

/// Whatever can be one segment of a URL's path.
#[must_use]
pub fn path_segment_faults(value: &str) -> Vec<String> {
    match value {
        "." => vec!["may not be '.'".into()],
        ".." => vec!["may not be '..'".into()],
        value => path_segment_character_faults(value),
    }
}

fn path_segment_character_faults(value: &str) -> Vec<String> {
    let found = ["/", "%"].into_iter().filter(|character| value.contains(character));
    found.map(|character| format!("may not contain '{character}'")).collect()
}

/// The name of an IPAddress object: an address, written as Go writes it.
fn canonical_address_faults(value: &str) -> Vec<String> {
    match value.parse::<IpAddr>() {
        Ok(address) if address.to_string() == value => Vec::new(),
        Ok(address) => vec![format!("must be in canonical form (\"{address}\")")],
        Err(_) => vec![NOT_AN_ADDRESS.into()],
    }
}

/// An IP address of either family.
#[must_use]
pub fn ip_faults(value: &str) -> Vec<String> {
    match value.parse::<IpAddr>() {
        Ok(_) => Vec::new(),
        Err(_) => vec![NOT_AN_ADDRESS.into()],
    }
}

/// Whether this is an address and a prefix length: `10.0.0.0/24`.
#[must_use]
pub fn is_cidr(value: &str) -> bool {
    let Some((address, length)) = value.split_once('/') else { return false };
    let max = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.parse::<u8>().is_ok_and(|length| length <= max)
}

/// The name of a port (IANA_SVC_NAME): up to 15 of `[a-z0-9-]`, one letter at least.
#[must_use]
pub fn port_name_faults(value: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if value.len() > 15 {
        faults.push(max_bytes(15));
    }
    if !value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') || value.is_empty() {
        faults.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into());
    }
    if !value.bytes().any(|b| b.is_ascii_lowercase()) {
        faults.push("must contain at least one letter (a-z)".into());
    }
    if value.contains("--") {
        faults.push("must not contain consecutive hyphens".into());
    }
    if value.starts_with('-') || value.ends_with('-') {
        faults.push("must not begin or end with a hyphen".into());
    }
    faults
}

/// 1 to 65535.
#[must_use]
pub fn port_number_faults(port: i64) -> Vec<String> {
    if (1..=65535).contains(&port) { Vec::new() } else { vec![range(1, 65535)] }
}

/// The name of an environment variable: printable ASCII without `=`.
#[must_use]
pub fn env_name_faults(value: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if value.is_empty() {
        faults.push("environment variable name must be non-empty".into());
    }
    if !value.bytes().all(|b| (32..=126).contains(&b) && b != b'=') {
        let words = "a valid environment variable name must consist only of printable ASCII characters other than '='";
        faults.push(words.into());
    }
    faults
}

/// A C identifier: what `envFrom` needs no prefix for.
#[must_use]
pub fn c_identifier_faults(value: &str) -> Vec<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if value.chars().all(is_word) && value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return Vec::new();
    }
    vec![form(
        "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric \
         characters or '_'",
        &["my_name", "MY_NAME", "MyName"],
        "[A-Za-z_][A-Za-z0-9_]*",
    )]
}

/// A key of a ConfigMap or a Secret: also a file's name.
#[must_use]
pub fn config_key_faults(value: &str) -> Vec<String> {
    let mut faults = longer_than(value, SUBDOMAIN_MAX);
    let is_key = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    if value.is_empty() || !value.bytes().all(is_key) {
        faults.push(form(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            &["key.name", "KEY_NAME", "key-name"],
            "[-._a-zA-Z0-9]+",
        ));
    }
    match value {
        "." => faults.push("must not be '.'".into()),
        ".." => faults.push("must not be '..'".into()),
        value if value.starts_with("..") => faults.push("must not start with '..'".into()),
        _ => {}
    }
    faults
}

/// `must be no more than 63 bytes`.
#[must_use]
pub fn max_bytes(max: usize) -> String {
    format!("must be no more than {max} bytes")
}

/// `must be between 1 and 65535, inclusive`.
#[must_use]
pub fn range(low: i64, high: i64) -> String {
    format!("must be between {low} and {high}, inclusive")
}

const NOT_AN_ADDRESS: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

const SUBDOMAIN_WORDS: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
                               '-' or '.', and must start and end with an alphanumeric character (e.g. \
                               'example.com', regex used for validation is \
                               '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

fn longer_than(value: &str, max: usize) -> Vec<String> {
    if value.len() > max { vec![max_bytes(max)] } else { Vec::new() }
}

/// What upstream's `RegexError` says.
fn form(words: &str, examples: &[&str], regex: &str) -> String {
    let examples: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{words} (e.g. {}regex used for validation is '{regex}')", examples.join(" or "))
}

fn is_dns_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    bytes.iter().all(|b| is_inner(*b)) && begins_and_ends(bytes, |b| b != b'-')
}

fn is_qualified_part(part: &str) -> bool {
    let bytes = part.as_bytes();
    let is_inner = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    bytes.iter().all(|b| is_inner(*b)) && begins_and_ends(bytes, |b| b.is_ascii_alphanumeric())
}

fn begins_and_ends(bytes: &[u8], rule: impl Fn(u8) -> bool) -> bool {
    matches!((bytes.first(), bytes.last()), (Some(first), Some(last)) if rule(*first) && rule(*last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_upstream_accepts_are_accepted() {
        let long = "a".repeat(63);
        for name in ["a", "web-1", "a.b.c", "1.2", &long] {
            assert_eq!(dns_subdomain_faults(name), [""; 0], "{name}");
        }
        for key in ["app", "app.kubernetes.io/name", "A_b.c", "x/1"] {
            assert_eq!(qualified_name_faults(key), [""; 0], "{key}");
        }
        for value in ["", "web", "A_b.c-1"] {
            assert_eq!(label_value_faults(value), [""; 0], "{value}");
        }
        assert_eq!(NameRule::PathSegment.faults("system:a.b*>c d", false), [""; 0]);
        assert_eq!(NameRule::Subdomain.faults("web-", true), [""; 0]);
        assert_eq!(NameRule::Address.faults("2001:db8::1", false), [""; 0]);
    }

    #[test]
    fn names_that_upstream_refuses_are_refused_in_its_words() {
        let label = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
                     start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for \
                     validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
        for name in ["", "A", "a.b", "-a", "a-", "a_b", "ä"] {
            assert_eq!(dns_label_faults(name), [label], "{name}");
        }
        assert_eq!(dns_label_faults(&"a".repeat(64)), ["must be no more than 63 bytes"]);
        assert_eq!(dns_subdomain_faults(&"a".repeat(254)), ["must be no more than 253 bytes"]);
        assert!(service_name_faults("1a")[0].starts_with("a DNS-1035 label must consist of"));
        assert_eq!(qualified_name_faults("/x"), ["prefix part must be non-empty"]);
        assert!(qualified_name_faults("a/b/c")[0].ends_with("and '/' (e.g. 'example.com/MyName')"));
        assert_eq!(qualified_name_faults("")[0], "name part must be non-empty");
        assert_eq!(path_segment_faults("a/b%"), ["may not contain '/'", "may not contain '%'"]);
        assert_eq!(config_key_faults(".."), ["must not be '..'"]);
        assert_eq!(port_name_faults("1234"), ["must contain at least one letter (a-z)"]);
        assert_eq!(port_number_faults(0), ["must be between 1 and 65535, inclusive"]);
        assert_eq!(
            NameRule::Address.faults("2001:DB8::1", false),
            ["must be in canonical form (\"2001:db8::1\")"]
        );
    }
}
