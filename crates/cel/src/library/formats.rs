//! Named formats (`k8s.io/apiserver/pkg/cel/library/format.go`).

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;

use super::Answer;
use crate::value::Value;

const NAMES: [&str; 13] = [
    "dns1123Label",
    "dns1123Subdomain",
    "dns1035Label",
    "qualifiedName",
    "dns1123LabelPrefix",
    "dns1123SubdomainPrefix",
    "dns1035LabelPrefix",
    "labelValue",
    "uri",
    "uuid",
    "byte",
    "date",
    "datetime",
];

pub(super) fn call(function: &str, args: &[Value]) -> Option<Answer> {
    if let Some(name) = function.strip_prefix("format.") {
        return match (name, args) {
            ("named", [Value::String(name)]) => {
                let known = NAMES.into_iter().find(|known| **known == **name);
                Some(Ok(known.map_or(Value::none(), |name| Value::some(Value::Format(name)))))
            }
            (name, []) => NAMES.into_iter().find(|known| *known == name).map(|name| Ok(Value::Format(name))),
            _ => None,
        };
    }
    match (function, args) {
        ("validate", [Value::Format(name), Value::String(text)]) => {
            let faults: Vec<Value> = faults(name, text).iter().map(|fault| Value::text(fault)).collect();
            Some(Ok(if faults.is_empty() { Value::none() } else { Value::some(Value::list(faults)) }))
        }
        _ => None,
    }
}

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

macro_rules! patterns {
    ($($name:ident = $text:expr;)*) => {
        $(static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($text).expect("it is written here"));)*
    };
}

patterns! {
    DNS_LABEL = &format!("^{LABEL}$");
    SUBDOMAIN = &format!(r"^{LABEL}(\.{LABEL})*$");
    DNS_1035 = "^[a-z]([-a-z0-9]*[a-z0-9])?$";
    QUALIFIED = "^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$";
    LABEL_VALUE = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$";
    UUID = "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$";
}

fn faults(name: &str, text: &str) -> Vec<String> {
    let form = |pattern: &LazyLock<Regex>, text: &str, most: usize, what: &str, shown: &str| {
        let mut faults = Vec::new();
        if text.len() > most {
            faults.push(format!("must be no more than {most} bytes"));
        }
        if !pattern.is_match(text) {
            faults.push(format!("{what} (regex used for validation is '{shown}')"));
        }
        faults
    };
    let masked = text.strip_suffix('-').map(|rest| format!("{rest}a"));
    let prefix = masked.as_deref().unwrap_or(text);
    const LABEL_WORDS: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and \
                               must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex \
                               used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
    let label = |text: &str| {
        let mut faults = Vec::new();
        if text.len() > 63 {
            faults.push("must be no more than 63 bytes".to_owned());
        }
        if !DNS_LABEL.is_match(text) {
            faults.push(LABEL_WORDS.to_owned());
        }
        faults
    };
    let subdomain = |text: &str| {
        form(
            &SUBDOMAIN,
            text,
            253,
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character",
            &format!("{LABEL}(\\.{LABEL})*"),
        )
    };
    let old = |text: &str| {
        form(
            &DNS_1035,
            text,
            63,
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
             character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
        )
    };
    let bad = |holds: bool, what: &str| if holds { Vec::new() } else { vec![what.to_owned()] };
    match name {
        "dns1123Label" => label(text),
        "dns1123LabelPrefix" => label(prefix),
        "dns1123Subdomain" => subdomain(text),
        "dns1123SubdomainPrefix" => subdomain(prefix),
        "dns1035Label" => old(text),
        "dns1035LabelPrefix" => old(prefix),
        "qualifiedName" => {
            let (before, name) =
                text.split_once('/').map_or((None, text), |(before, name)| (Some(before), name));
            let mut faults = before.map(subdomain).unwrap_or_default();
            faults.extend(form(
                &QUALIFIED,
                name,
                63,
                "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                 alphanumeric character",
                "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]",
            ));
            faults
        }
        "labelValue" => form(
            &LABEL_VALUE,
            text,
            63,
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
             start and end with an alphanumeric character",
            "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
        ),
        "uri" => {
            let is_uri =
                matches!(super::url::call("isURL", &[Value::text(text)]), Some(Ok(Value::Bool(true))));
            bad(is_uri, "invalid URL")
        }
        "uuid" => bad(UUID.is_match(text), "does not match the UUID format"),
        "byte" => bad(STANDARD.decode(text).is_ok(), "invalid base64"),
        "date" => bad(text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(), "invalid date"),
        "datetime" => bad(text.parse::<jiff::Timestamp>().is_ok(), "invalid datetime"),
        _ => Vec::new(),
    }
}
