//! Semantic versions (`k8s.io/apiserver/pkg/cel/library/semverlib.go`).

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::Answer;
use crate::value::Value;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Semver {
    numbers: [u64; 3],
    pre: Vec<Identifier>,
    build: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Word(String),
}

pub(super) fn call(function: &str, args: &[Value]) -> Option<Answer> {
    let tolerant = matches!(args.get(1), Some(Value::Bool(true)));
    Some(match (function, args) {
        ("semver", [Value::String(text)] | [Value::String(text), Value::Bool(_)]) => {
            match parse(text, tolerant) {
                Some(version) => Ok(Value::Semver(Arc::new(version))),
                None => Err(format!("invalid semantic version {text:?}")),
            }
        }
        ("isSemver", [Value::String(text)] | [Value::String(text), Value::Bool(_)]) => {
            Ok(Value::Bool(parse(text, tolerant).is_some()))
        }
        ("major", [Value::Semver(version)]) => Ok(Value::Int(version.numbers[0] as i64)),
        ("minor", [Value::Semver(version)]) => Ok(Value::Int(version.numbers[1] as i64)),
        ("patch", [Value::Semver(version)]) => Ok(Value::Int(version.numbers[2] as i64)),
        ("compareTo", [Value::Semver(a), Value::Semver(b)]) => Ok(Value::Int(a.cmp(b) as i64)),
        ("isGreaterThan", [Value::Semver(a), Value::Semver(b)]) => Ok(Value::Bool(a > b)),
        ("isLessThan", [Value::Semver(a), Value::Semver(b)]) => Ok(Value::Bool(a < b)),
        _ => return None,
    })
}

fn parse(text: &str, tolerant: bool) -> Option<Semver> {
    let text = if tolerant { text.trim().strip_prefix('v').unwrap_or(text.trim()) } else { text };
    let (rest, build) = text.split_once('+').map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, pre) = rest.split_once('-').map_or((rest, None), |(core, pre)| (core, Some(pre)));
    let mut parts: Vec<String> = core.split('.').map(str::to_owned).collect();
    if tolerant {
        for part in &mut parts {
            let bare = part.trim_start_matches('0');
            *part = if bare.is_empty() && !part.is_empty() { "0".to_owned() } else { bare.to_owned() };
        }
        parts.resize(parts.len().max(3), "0".to_owned());
    }
    let is_number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let is_word = |part: &&str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let numbers: Option<Vec<u64>> =
        parts.iter().map(|part| part.parse().ok().filter(|_| is_number(part))).collect();
    let numbers: [u64; 3] = numbers?.try_into().ok()?;
    let pre: Option<Vec<Identifier>> = pre.map_or(Some(Vec::new()), |pre| {
        pre.split('.')
            .map(|part| match part.bytes().all(|byte| byte.is_ascii_digit()) {
                true => part.parse().ok().filter(|_| is_number(part)).map(Identifier::Number),
                false => Some(part).filter(is_word).map(|part| Identifier::Word(part.to_owned())),
            })
            .collect()
    });
    let build: Option<Vec<String>> = build.map_or(Some(Vec::new()), |build| {
        build.split('.').map(|part| Some(part).filter(is_word).map(str::to_owned)).collect()
    });
    Some(Semver { numbers, pre: pre?, build: build? })
}

impl Ord for Semver {
    /// A release stands above its own candidates; what was built makes no difference.
    fn cmp(&self, other: &Semver) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => self.pre.cmp(&other.pre),
        })
    }
}

impl PartialOrd for Semver {
    fn partial_cmp(&self, other: &Semver) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Semver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        for (index, part) in self.pre.iter().enumerate() {
            f.write_str(if index == 0 { "-" } else { "." })?;
            match part {
                Identifier::Number(number) => write!(f, "{number}")?,
                Identifier::Word(word) => f.write_str(word)?,
            }
        }
        if !self.build.is_empty() {
            write!(f, "+{}", self.build.join("."))?;
        }
        Ok(())
    }
}
