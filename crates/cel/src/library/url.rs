//! URLs (`k8s.io/apiserver/pkg/cel/library/urls.go`): absolute ones, and absolute paths.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Answer;
use crate::value::{Key, Value};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    pub(crate) text: String,
    scheme: String,
    /// With its port.
    host: String,
    path: String,
    query: String,
}

pub(super) fn call(function: &str, args: &[Value]) -> Option<Answer> {
    Some(match (function, args) {
        ("url", [Value::String(text)]) => match parse(text) {
            Some(url) => Ok(Value::Url(Arc::new(url))),
            None => Err(format!(
                "URL parse error during conversion from string: parse {text:?}: invalid URI for request"
            )),
        },
        ("isURL", [Value::String(text)]) => Ok(Value::Bool(parse(text).is_some())),
        ("getScheme", [Value::Url(url)]) => Ok(Value::text(&url.scheme)),
        ("getHost", [Value::Url(url)]) => Ok(Value::text(&url.host)),
        ("getHostname", [Value::Url(url)]) => Ok(Value::text(name_and_port(&url.host).0)),
        ("getPort", [Value::Url(url)]) => Ok(Value::text(name_and_port(&url.host).1)),
        ("getEscapedPath", [Value::Url(url)]) => Ok(Value::text(&url.path)),
        ("getQuery", [Value::Url(url)]) => Ok(query(&url.query)),
        _ => return None,
    })
}

fn parse(text: &str) -> Option<Url> {
    let is_clean = !text.chars().any(|c| c.is_control() || c == ' ');
    let is_escaped = text
        .split('%')
        .skip(1)
        .all(|rest| rest.len() >= 2 && rest.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit));
    if !is_clean || !is_escaped {
        return None;
    }
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => {
            let mut letters = scheme.chars();
            let is_scheme = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
                && letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
            (is_scheme.then(|| scheme.to_lowercase())?, rest)
        }
        None if text.starts_with('/') => (String::new(), text),
        None => return None,
    };
    let (authority, path) = match scheme.is_empty() {
        true => ("", rest),
        false => rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len())),
    };
    let host = authority.rsplit('@').next().unwrap_or_default();
    let (_, port) = name_and_port(host);
    if !port.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    Some(Url {
        text: text.to_owned(),
        scheme,
        host: host.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
    })
}

fn name_and_port(host: &str) -> (&str, &str) {
    if let Some(rest) = host.strip_prefix('[')
        && let Some((name, port)) = rest.split_once(']')
    {
        return (name, port.strip_prefix(':').unwrap_or_default());
    }
    host.rsplit_once(':').unwrap_or((host, ""))
}

fn query(query: &str) -> Value {
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        found.entry(unescaped(name)).or_default().push(Value::text(&unescaped(value)));
    }
    let entries = found.into_iter().map(|(name, values)| (Key::String(Arc::from(name)), Value::list(values)));
    Value::Map(Arc::new(entries.collect()))
}

fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (bytes[at], hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}
