//! Paths to fields of a schema, as selectable fields and the `fieldPath` of rules write them: `.spec.list`,
//! `.spec['odd.name']` (`pkg/apiserver/schema/cel/validation.go`, ValidFieldPath).

use super::Structural;

/// The path normalised, `spec.list`, and the schema of the field it leads to.
///
/// # Errors
/// Why it leads nowhere, in upstream's words.
pub(crate) fn find<'s>(
    path: &str,
    schema: &'s Structural,
    brackets: bool,
) -> Result<(String, &'s Structural), String> {
    let tokens = tokens(path);
    let mut tokens = tokens.iter().map(String::as_str);
    let (mut normal, mut at) = (String::new(), schema);
    while let Some(token) = tokens.next() {
        let name = match token {
            "[" if !brackets => return Err("array notation is not allowed".to_owned()),
            "[" => {
                let quoted = tokens.next().ok_or("unexpected end of JSON path")?;
                let inner = quoted.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
                let name = inner
                    .filter(|_| quoted.len() > 1)
                    .ok_or_else(|| format!("expected single quoted string but got {quoted}"))?;
                let name = unescaped(name).map_err(|why| format!("invalid string literal: {why}"))?;
                match tokens.next().ok_or("unexpected end of JSON path")? {
                    "]" => name,
                    other => return Err(format!("expected ] but got {other}")),
                }
            }
            "." => tokens.next().ok_or("unexpected end of JSON path")?.to_owned(),
            other => return Err(format!("expected [ or . but got: {other}")),
        };
        let nowhere = || "does not refer to a valid field".to_owned();
        if at.properties.is_empty() {
            at = at.of_any_key().ok_or_else(nowhere)?;
            normal.push_str(&format!("[{name}]"));
        } else {
            at = at.properties.get(&name).ok_or_else(nowhere)?;
            if !normal.is_empty() {
                normal.push('.');
            }
            normal.push_str(&name);
        }
    }
    Ok((normal, at))
}

fn tokens(path: &str) -> Vec<String> {
    let mut tokens = vec![String::new()];
    let mut quoted = false;
    let mut escaped = false;
    for c in path.chars() {
        let last = tokens.last_mut().expect("there is always one");
        match c {
            '.' | '[' | ']' if !quoted => {
                tokens.push(c.to_string());
                tokens.push(String::new());
            }
            '\'' if !escaped && (quoted || last.is_empty()) => {
                last.push(c);
                quoted = !quoted;
            }
            c => last.push(c),
        }
        escaped = c == '\\' && !escaped;
    }
    tokens.retain(|token| !token.is_empty());
    tokens
}

fn unescaped(text: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        plain.push(match chars.next() {
            Some('a') => '\u{7}',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('v') => '\u{b}',
            Some(same @ ('\'' | '\\')) => same,
            other => {
                return Err(format!("invalid escape char \\{}", other.map(String::from).unwrap_or_default()));
            }
        });
    }
    Ok(plain)
}
