//! Texts: the standard functions, `ext.Strings`, and Kubernetes' regular expressions.

use regex::Regex;

use super::{Answer, NO_OVERLOAD, time};
use crate::value::Value;

pub(super) fn call(function: &str, args: &[Value]) -> Option<Answer> {
    if let ("join", [Value::List(list), rest @ ..]) = (function, args) {
        return Some(join(&list.items, rest));
    }
    if function == "strings.quote" {
        return match args {
            [Value::String(text)] => Some(Ok(Value::text(&format!("{:?}", text.as_ref())))),
            _ => None,
        };
    }
    let (Value::String(text), rest) = args.split_first()? else { return None };
    let number = |index: usize| match rest.get(index) {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    };
    let other = match rest.first() {
        Some(Value::String(other)) => Some(other.as_ref()),
        _ => None,
    };
    let text = text.as_ref();
    Some(match (function, other, rest.len()) {
        ("contains", Some(other), 1) => Ok(Value::Bool(text.contains(other))),
        ("startsWith", Some(other), 1) => Ok(Value::Bool(text.starts_with(other))),
        ("endsWith", Some(other), 1) => Ok(Value::Bool(text.ends_with(other))),
        ("matches", Some(pattern), 1) => compiled(pattern).map(|regex| Value::Bool(regex.is_match(text))),
        ("find", Some(pattern), 1) => {
            compiled(pattern).map(|regex| Value::text(regex.find(text).map_or("", |found| found.as_str())))
        }
        ("findAll", Some(pattern), 1 | 2) => compiled(pattern).map(|regex| {
            let most = number(1).and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
            Value::list(regex.find_iter(text).take(most).map(|found| Value::text(found.as_str())).collect())
        }),
        ("charAt", None, 1) => char_at(text, number(0)?),
        ("indexOf", Some(other), 1 | 2) => index_of(text, other, number(1)),
        ("lastIndexOf", Some(other), 1 | 2) => last_index_of(text, other, number(1)),
        ("lowerAscii", _, 0) => Ok(Value::text(&text.to_ascii_lowercase())),
        ("upperAscii", _, 0) => Ok(Value::text(&text.to_ascii_uppercase())),
        ("trim", _, 0) => Ok(Value::text(text.trim())),
        ("reverse", _, 0) => Ok(Value::text(&text.chars().rev().collect::<String>())),
        ("size", _, 0) => Ok(Value::Int(text.chars().count() as i64)),
        ("replace", Some(from), 2 | 3) => {
            let Some(Value::String(to)) = rest.get(1) else { return None };
            Ok(Value::text(&match number(2) {
                Some(most) if most >= 0 => {
                    text.replacen(from, to, usize::try_from(most).unwrap_or(usize::MAX))
                }
                _ => text.replace(from, to),
            }))
        }
        ("split", Some(by), 1 | 2) => Ok(split(text, by, number(1))),
        ("substring", None, 1 | 2) => substring(text, number(0)?, number(1)),
        ("format", None, 1) => match &rest[0] {
            Value::List(list) => format(text, &list.items),
            _ => return None,
        },
        _ => return None,
    })
}

fn compiled(pattern: &str) -> Result<Regex, String> {
    let built = regex::RegexBuilder::new(pattern).size_limit(1 << 20).nest_limit(50).build();
    built.map_err(|error| {
        format!("error parsing regexp: {}", error.to_string().lines().last().unwrap_or_default())
    })
}

fn join(items: &[Value], rest: &[Value]) -> Answer {
    let by = match rest {
        [] => "",
        [Value::String(by)] => by.as_ref(),
        _ => return Err(NO_OVERLOAD.to_owned()),
    };
    let texts: Option<Vec<&str>> = items
        .iter()
        .map(|item| match item {
            Value::String(text) => Some(text.as_ref()),
            _ => None,
        })
        .collect();
    texts.map(|texts| Value::text(&texts.join(by))).ok_or_else(|| NO_OVERLOAD.to_owned())
}

fn char_at(text: &str, place: i64) -> Answer {
    let length = text.chars().count() as i64;
    if place < 0 || place > length {
        return Err(format!("index out of range: {place}"));
    }
    let found = text.chars().nth(usize::try_from(place).unwrap_or_default());
    Ok(Value::text(&found.map(String::from).unwrap_or_default()))
}

fn index_of(text: &str, other: &str, from: Option<i64>) -> Answer {
    let chars: Vec<char> = text.chars().collect();
    let needle: Vec<char> = other.chars().collect();
    let from = from.unwrap_or(0);
    if from < 0 || from > chars.len() as i64 {
        return Err(format!("index out of range: {from}"));
    }
    let from = usize::try_from(from).unwrap_or_default();
    let found = (from..=chars.len().saturating_sub(needle.len()))
        .find(|at| chars.len() >= at + needle.len() && chars[*at..at + needle.len()] == needle[..]);
    Ok(Value::Int(found.map_or(-1, |at| at as i64)))
}

fn last_index_of(text: &str, other: &str, from: Option<i64>) -> Answer {
    let chars: Vec<char> = text.chars().collect();
    let needle: Vec<char> = other.chars().collect();
    if let Some(from) = from.filter(|from| *from < 0 || *from > chars.len() as i64) {
        return Err(format!("index out of range: {from}"));
    }
    if needle.len() > chars.len() {
        return Ok(Value::Int(-1));
    }
    let last = chars.len() - needle.len();
    let from = from.map_or(last, |from| usize::try_from(from).unwrap_or_default().min(last));
    let found = (0..=from).rev().find(|at| chars[*at..at + needle.len()] == needle[..]);
    Ok(Value::Int(found.map_or(-1, |at| at as i64)))
}

fn split(text: &str, by: &str, most: Option<i64>) -> Value {
    let parts: Vec<Value> = match most {
        Some(0) => Vec::new(),
        Some(most) if most > 0 => {
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            pieces(text, by, most).iter().map(|part| Value::text(part)).collect()
        }
        _ => pieces(text, by, usize::MAX).iter().map(|part| Value::text(part)).collect(),
    };
    Value::list(parts)
}

/// An empty separator parts characters, as Go has it.
fn pieces(text: &str, by: &str, most: usize) -> Vec<String> {
    if !by.is_empty() {
        return text.splitn(most, by).map(str::to_owned).collect();
    }
    let mut chars = text.chars();
    let mut parts = Vec::new();
    while parts.len() + 1 < most {
        match chars.next() {
            Some(c) => parts.push(c.to_string()),
            None => return parts,
        }
    }
    let rest = chars.as_str();
    if !rest.is_empty() {
        parts.push(rest.to_owned());
    }
    parts
}

fn substring(text: &str, from: i64, to: Option<i64>) -> Answer {
    let chars: Vec<char> = text.chars().collect();
    let length = chars.len() as i64;
    let to = to.unwrap_or(length);
    if from < 0 || from > length {
        return Err(format!("index out of range: {from}"));
    }
    if to < 0 || to > length {
        return Err(format!("index out of range: {to}"));
    }
    if from > to {
        return Err(format!("invalid substring range. start: {from}, end: {to}"));
    }
    let (from, to) = (usize::try_from(from).unwrap_or_default(), usize::try_from(to).unwrap_or_default());
    Ok(Value::text(&chars[from..to].iter().collect::<String>()))
}

/// `%s %d %f %e %b %x %X %o %%`, with a precision where it means something.
fn format(pattern: &str, args: &[Value]) -> Answer {
    let mut out = String::new();
    let mut args = args.iter();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut precision = None;
        if chars.peek() == Some(&'.') {
            chars.next();
            let mut digits = String::new();
            while let Some(digit) = chars.peek().filter(|c| c.is_ascii_digit()) {
                digits.push(*digit);
                chars.next();
            }
            precision = digits.parse::<usize>().ok().filter(|precision| *precision <= 100);
        }
        let verb = chars.next().ok_or("unexpected end of format string")?;
        if verb == '%' {
            out.push('%');
            continue;
        }
        let value = args.next().ok_or_else(|| format!("index {} out of range", args.len()))?;
        out.push_str(&formatted(verb, precision, value)?);
    }
    Ok(Value::text(&out))
}

fn formatted(verb: char, precision: Option<usize>, value: &Value) -> Result<String, String> {
    let wrong = || format!("error during formatting: {verb:?} clause can't take {}", value.type_name());
    let digits = precision.unwrap_or(6);
    let number = match value {
        Value::Int(number) => Some(*number as f64),
        Value::Uint(number) => Some(*number as f64),
        Value::Double(number) => Some(*number),
        _ => None,
    };
    Ok(match (verb, value) {
        ('s', Value::Duration(nanos)) => time::duration_text(*nanos),
        ('s', value) => value.to_string(),
        ('d', Value::Int(_) | Value::Uint(_)) => value.to_string(),
        ('d', Value::Double(number)) if number.fract() == 0.0 => format!("{number:.0}"),
        ('f', _) => format!("{:.digits$}", number.ok_or_else(wrong)?),
        ('e', _) => exponent(number.ok_or_else(wrong)?, digits),
        ('b', Value::Int(number)) => {
            format!("{}{:b}", if *number < 0 { "-" } else { "" }, number.unsigned_abs())
        }
        ('b', Value::Uint(number)) => format!("{number:b}"),
        ('b', Value::Bool(value)) => u8::from(*value).to_string(),
        ('o', Value::Int(number)) => {
            format!("{}{:o}", if *number < 0 { "-" } else { "" }, number.unsigned_abs())
        }
        ('o', Value::Uint(number)) => format!("{number:o}"),
        ('x' | 'X', _) => {
            let hex = match value {
                Value::Int(number) => {
                    format!("{}{:x}", if *number < 0 { "-" } else { "" }, number.unsigned_abs())
                }
                Value::Uint(number) => format!("{number:x}"),
                Value::String(text) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
                Value::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
                _ => return Err(wrong()),
            };
            if verb == 'X' { hex.to_uppercase() } else { hex }
        }
        ('d' | 'b' | 'o', _) => return Err(wrong()),
        _ => {
            return Err(format!(
                "could not parse formatting clause: unrecognized formatting clause \"{verb}\""
            ));
        }
    })
}

/// `1.052033e+03`
fn exponent(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$e}");
    let Some((mantissa, power)) = text.split_once('e') else { return text };
    let (sign, power) = power.strip_prefix('-').map_or(('+', power), |power| ('-', power));
    format!("{mantissa}e{sign}{power:0>2}")
}
