//! Words of the language.

use crate::value::Value;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    Ident(String),
    Literal(Value),
    /// Operators and brackets.
    Sign(&'static str),
    End,
}

/// What can't be read, and where, in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) words: String,
}

const SIGNS: [&str; 27] = [
    "==", "!=", "<=", ">=", "&&", "||", "[?", ".?", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".",
    ",", "(", ")", "[", "]", "{", "}", "in",
];

/// Every word with its place.
pub(crate) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Fault> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        if c.is_whitespace() {
            at += 1;
        } else if c == '/' && chars.get(at + 1) == Some(&'/') {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if let Some((token, end)) = string(&chars, at)? {
            found.push((at, token));
            at = end;
        } else if c.is_ascii_digit() || (c == '.' && chars.get(at + 1).is_some_and(char::is_ascii_digit)) {
            let (token, end) = number(&chars, at)?;
            found.push((at, token));
            at = end;
        } else if c.is_ascii_alphabetic() || c == '_' {
            let end = (at..chars.len())
                .find(|index| !(chars[*index].is_ascii_alphanumeric() || chars[*index] == '_'))
                .unwrap_or(chars.len());
            let word: String = chars[at..end].iter().collect();
            found.push((at, named(word)));
            at = end;
        } else if c == '`' {
            let end = (at + 1..chars.len()).find(|index| chars[*index] == '`');
            let end = end.ok_or_else(|| unread(&chars, at))?;
            found.push((at, Token::Ident(chars[at + 1..end].iter().collect())));
            at = end + 1;
        } else {
            let is_here = |sign: &&&str| {
                **sign != "in" && sign.chars().enumerate().all(|(index, c)| chars.get(at + index) == Some(&c))
            };
            let sign = SIGNS.iter().find(is_here).ok_or_else(|| unread(&chars, at))?;
            // `[?` opens an optional index or element only; a conditional never follows a bracket.
            found.push((at, Token::Sign(sign)));
            at += sign.len();
        }
    }
    found.push((chars.len(), Token::End));
    Ok(found)
}

fn unread(chars: &[char], at: usize) -> Fault {
    let rest: String = chars[at..chars.len().min(at + 2)].iter().collect();
    Fault { at, words: format!("Syntax error: token recognition error at: '{rest}'") }
}

fn named(word: String) -> Token {
    match word.as_str() {
        "true" => Token::Literal(Value::Bool(true)),
        "false" => Token::Literal(Value::Bool(false)),
        "null" => Token::Literal(Value::Null),
        "in" => Token::Sign("in"),
        _ => Token::Ident(word),
    }
}

fn number(chars: &[char], at: usize) -> Result<(Token, usize), Fault> {
    let fault = |words: &str| Fault { at, words: format!("Syntax error: {words}") };
    let is_hex = chars[at] == '0' && matches!(chars.get(at + 1), Some('x' | 'X'));
    let mut end = if is_hex { at + 2 } else { at };
    let mut is_double = false;
    while let Some(c) = chars.get(end) {
        match c {
            c if is_hex && c.is_ascii_hexdigit() => {}
            c if c.is_ascii_digit() => {}
            '.' if !is_hex && !is_double && chars.get(end + 1).is_some_and(char::is_ascii_digit) => {
                is_double = true;
            }
            'e' | 'E' if !is_hex => {
                is_double = true;
                if matches!(chars.get(end + 1), Some('+' | '-')) {
                    end += 1;
                }
            }
            _ => break,
        }
        end += 1;
    }
    let text: String = chars[at..end].iter().collect();
    if is_double {
        let value = text.parse().map_err(|_| fault("invalid double literal"))?;
        return Ok((Token::Literal(Value::Double(value)), end));
    }
    let (digits, radix) = if is_hex { (&text[2..], 16) } else { (text.as_str(), 10) };
    if matches!(chars.get(end), Some('u' | 'U')) {
        let value = u64::from_str_radix(digits, radix).map_err(|_| fault("invalid uint literal"))?;
        return Ok((Token::Literal(Value::Uint(value)), end + 1));
    }
    // The least int has no positive counterpart: kept as uint until the sign before it is read.
    let value = u64::from_str_radix(digits, radix).map_err(|_| fault("invalid int literal"))?;
    match i64::try_from(value) {
        Ok(value) => Ok((Token::Literal(Value::Int(value)), end)),
        Err(_) if value == 1 << 63 => Ok((Token::Ident("@least".to_owned()), end)),
        Err(_) => Err(fault("invalid int literal")),
    }
}

/// A string or bytes literal, if one begins here.
fn string(chars: &[char], at: usize) -> Result<Option<(Token, usize)>, Fault> {
    let mut start = at;
    let (mut raw, mut bytes) = (false, false);
    while let Some(c) = chars.get(start) {
        match c {
            'r' | 'R' if !raw => raw = true,
            'b' | 'B' if !bytes => bytes = true,
            _ => break,
        }
        start += 1;
    }
    let Some(quote) = chars.get(start).copied().filter(|c| matches!(c, '"' | '\'')) else { return Ok(None) };
    let is_long = chars.get(start + 1) == Some(&quote) && chars.get(start + 2) == Some(&quote);
    let width = if is_long { 3 } else { 1 };
    let fault = || unread(chars, at);
    let mut index = start + width;
    let mut out: Vec<u8> = Vec::new();
    let put = |out: &mut Vec<u8>, c: char| out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    loop {
        let c = *chars.get(index).ok_or_else(fault)?;
        let closes = (0..width).all(|step| chars.get(index + step) == Some(&quote));
        if closes {
            index += width;
            break;
        }
        if c == '\n' && !is_long {
            return Err(fault());
        }
        if c != '\\' || raw {
            put(&mut out, c);
            index += 1;
            continue;
        }
        let escape = *chars.get(index + 1).ok_or_else(fault)?;
        index += 2;
        let digits = |from: usize, count: usize, radix: u32| -> Option<u32> {
            let text: String = chars.get(from..from + count)?.iter().collect();
            u32::from_str_radix(&text, radix).ok()
        };
        let (code, used) = match escape {
            'n' => (10, 0),
            't' => (9, 0),
            'r' => (13, 0),
            'a' => (7, 0),
            'b' => (8, 0),
            'f' => (12, 0),
            'v' => (11, 0),
            '\\' | '\'' | '"' | '`' | '?' => (escape as u32, 0),
            'x' | 'X' => (digits(index, 2, 16).ok_or_else(fault)?, 2),
            'u' => (digits(index, 4, 16).ok_or_else(fault)?, 4),
            'U' => (digits(index, 8, 16).ok_or_else(fault)?, 8),
            '0'..='3' => (digits(index - 1, 3, 8).ok_or_else(fault)?, 2),
            _ => return Err(fault()),
        };
        index += used;
        match u8::try_from(code) {
            Ok(byte) if bytes && matches!(escape, 'x' | 'X' | '0'..='3') => out.push(byte),
            _ => put(&mut out, char::from_u32(code).ok_or_else(fault)?),
        }
    }
    let value = match bytes {
        true => Value::bytes(&out),
        false => Value::text(&String::from_utf8_lossy(&out)),
    };
    Ok(Some((Token::Literal(value), index)))
}
