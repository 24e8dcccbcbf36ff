//! The grammar of label selector strings (`k8s.io/apimachinery/pkg/labels/selector.go`, Lexer and Parser).
//!
//! ```text
//! selector    = [ requirement { "," requirement } ]
//! requirement = [ "!" ] key | key ( "=" | "==" | "!=" | ">" | "<" ) [ value ] | key ( "in" | "notin" ) "(" values ")"
//! values      = [ value ] { "," [ value ] }
//! ```

use super::label::{Requirement, check_key};

pub(super) fn requirements(text: &str) -> Result<Vec<Requirement>, String> {
    let mut parser = Parser { tokens: tokens(text), at: 0 };
    parser.selector()
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Symbol(&'static str),
    End,
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Token::Word(word) => word,
            Token::Symbol(symbol) => symbol,
            Token::End => "",
        }
    }

    fn is(&self, symbol: &str) -> bool {
        matches!(self, Token::Symbol(found) if *found == symbol)
    }

    fn ends_a_condition(&self) -> bool {
        *self == Token::End || self.is(",")
    }
}

const SYMBOLS: &[&str] = &["==", "!=", "=", "!", "(", ")", ",", ">", "<"];
const OPERATORS: &str = "in, notin, =, ==, !=, gt, lt";

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (token, length) = first_token(rest);
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    tokens
}

fn first_token(text: &str) -> (Token, usize) {
    if let Some(symbol) = SYMBOLS.iter().find(|symbol| text.starts_with(**symbol)) {
        return (Token::Symbol(symbol), symbol.len());
    }
    let is_end = |c: char| c.is_whitespace() || "=!(),><".contains(c);
    let length = text.find(is_end).unwrap_or(text.len());
    (Token::Word(text[..length].to_owned()), length)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn selector(&mut self) -> Result<Vec<Requirement>, String> {
        let mut found = Vec::new();
        if self.peek() == Token::End {
            return Ok(found);
        }
        self.expect_condition(|text| format!("found '{text}', expected: !, identifier, or 'end of string'"))?;
        loop {
            found.push(self.requirement().map_err(|why| format!("unable to parse requirement: {why}"))?);
            let next = self.take();
            match next {
                Token::End => return Ok(found),
                next if next.is(",") => {
                    self.expect_condition(|text| format!("found '{text}', expected: identifier after ','"))?;
                }
                next => return Err(format!("found '{}', expected: ',' or 'end of string'", next.text())),
            }
        }
    }

    fn expect_condition(&self, otherwise: impl Fn(&str) -> String) -> Result<(), String> {
        match self.peek() {
            Token::Word(_) | Token::Symbol("!") => Ok(()),
            other => Err(otherwise(other.text())),
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let negated = self.peek().is("!");
        if negated {
            self.take();
        }
        let key = self.word()?;
        check_key(&key)?;
        if self.peek().ends_a_condition() {
            return Requirement::new(&key, if negated { "!" } else { "exists" }, Vec::new());
        }
        if negated {
            return Requirement::new(&key, "!", Vec::new());
        }
        let operator = self.operator()?;
        let values = if operator.ends_with("in") { self.values()? } else { vec![self.exact_value()?] };
        Requirement::new(&key, operator, values)
    }

    fn operator(&mut self) -> Result<&'static str, String> {
        let token = self.take();
        match &token {
            Token::Word(word) if word == "in" => Ok("in"),
            Token::Word(word) if word == "notin" => Ok("notin"),
            Token::Symbol(">") => Ok("gt"),
            Token::Symbol("<") => Ok("lt"),
            Token::Symbol(symbol @ ("=" | "==" | "!=")) => Ok(symbol),
            other => Err(format!("found '{}', expected: {OPERATORS}", other.text())),
        }
    }

    fn exact_value(&mut self) -> Result<String, String> {
        if self.peek().ends_a_condition() {
            return Ok(String::new());
        }
        self.word()
    }

    fn word(&mut self) -> Result<String, String> {
        match self.take() {
            Token::Word(word) => Ok(word),
            other => Err(format!("found '{}', expected: identifier", other.text())),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        let open = self.take();
        if !open.is("(") {
            return Err(format!("found '{}' expected: '('", open.text()));
        }
        if self.peek().is(")") {
            self.take();
            return Ok(Vec::new());
        }
        let mut values = vec![self.listed_value()];
        loop {
            let next = self.take();
            match next {
                next if next.is(")") => break,
                next if next.is(",") => values.push(self.listed_value()),
                next => return Err(format!("found '{}', expected: ',' or ')'", next.text())),
            }
        }
        values.sort();
        values.dedup();
        Ok(values)
    }

    /// A value of a list; between two commas stands the empty one.
    fn listed_value(&mut self) -> String {
        match self.peek() {
            Token::Word(word) => {
                self.take();
                word
            }
            _ => String::new(),
        }
    }

    fn peek(&self) -> Token {
        self.tokens.get(self.at).cloned().unwrap_or(Token::End)
    }

    fn take(&mut self) -> Token {
        let token = self.peek();
        self.at += 1;
        token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_parse_says_what_was_found_and_what_was_expected() {
        let cases = [
            ("=a", "found '=', expected: !, identifier, or 'end of string'"),
            ("a=b,", "found '', expected: identifier after ','"),
            ("a=b c", "found 'c', expected: ',' or 'end of string'"),
            ("a ~ b", "unable to parse requirement: found '~', expected: in, notin, =, ==, !=, gt, lt"),
            ("a in b", "unable to parse requirement: found 'b' expected: '('"),
            ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
            (
                "a in ()",
                "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' operators, values set \
                 can't be empty",
            ),
            (
                "a>x",
                "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value \
                 must be an integer",
            ),
            ("!!a", "unable to parse requirement: found '!', expected: identifier"),
        ];
        for (selector, message) in cases {
            assert_eq!(requirements(selector).unwrap_err(), message, "{selector}");
        }
    }

    #[test]
    fn keys_and_values_are_checked() {
        let key = requirements("a$b=c").unwrap_err();
        assert!(
            key.starts_with("unable to parse requirement: key: Invalid value: \"a$b\": name part must"),
            "{key}"
        );
        let value = requirements("a=b$").unwrap_err();
        let expected =
            "unable to parse requirement: values[0][a]: Invalid value: \"b$\": a valid label must be";
        assert!(value.starts_with(expected), "{value}");
    }
}
