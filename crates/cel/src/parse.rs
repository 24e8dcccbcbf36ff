//! From words to expressions (`github.com/google/cel-go/parser`). Macros are read here, so that what follows them knows
//! no names that they bring.

use crate::ast::{Expr, Fold, Kind, Macro};
use crate::lex::{Fault, Token, tokens};
use crate::value::Value;

/// Expressions are no longer than this, in characters, and no deeper.
const LENGTH_MAX: usize = 100_000;
const DEPTH_MAX: usize = 150;
/// Brackets within brackets: reading one takes ten times the stack of walking over it.
const NESTING_MAX: usize = 60;

pub(crate) fn parse(text: &str) -> Result<Expr, Fault> {
    if text.chars().count() > LENGTH_MAX {
        let words =
            format!("expression code point size exceeds limit: size: {}, limit {LENGTH_MAX}", text.len());
        return Err(Fault { at: 0, words });
    }
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
    let expr = parser.conditional()?;
    match parser.peek() {
        Token::End if expr.depth() <= DEPTH_MAX => Ok(expr),
        Token::End => {
            Err(Fault { at: 0, words: format!("expression recursion limit exceeded: {DEPTH_MAX}") })
        }
        _ => Err(parser.unexpected()),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
}

type Parsed = Result<Expr, Fault>;

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].1
    }

    fn at(&self) -> usize {
        self.tokens[self.next].0
    }

    fn take(&mut self) -> Token {
        let token = self.tokens[self.next].1.clone();
        if self.next + 1 < self.tokens.len() {
            self.next += 1;
        }
        token
    }

    fn takes(&mut self, sign: &str) -> bool {
        let here = matches!(self.peek(), Token::Sign(found) if *found == sign);
        if here {
            self.take();
        }
        here
    }

    fn expect(&mut self, sign: &str) -> Result<(), Fault> {
        if self.takes(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> Fault {
        let found = match self.peek() {
            Token::End => "<EOF>".to_owned(),
            Token::Sign(sign) => (*sign).to_owned(),
            Token::Ident(name) => name.clone(),
            Token::Literal(value) => value.to_string(),
        };
        Fault { at: self.at(), words: format!("Syntax error: mismatched input '{found}'") }
    }

    fn conditional(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            let words = format!("expression recursion limit exceeded: {NESTING_MAX}");
            return Err(Fault { at: self.at(), words });
        }
        let test = self.many("_||_", "||")?;
        let expr = if self.takes("?") {
            let at = test.at;
            let yes = self.many("_||_", "||")?;
            self.expect(":")?;
            let no = self.conditional()?;
            call(at, "_?_:_", vec![test, yes, no])
        } else {
            test
        };
        self.depth -= 1;
        Ok(expr)
    }

    /// Chains of `||`, and below them of `&&`, are one call each, so that a long one is not deep.
    fn many(&mut self, function: &str, sign: &str) -> Parsed {
        let mut terms = Vec::new();
        loop {
            terms.push(if sign == "||" { self.many("_&&_", "&&")? } else { self.relation()? });
            if !self.takes(sign) {
                break;
            }
        }
        let at = terms[0].at;
        Ok(if terms.len() == 1 { terms.remove(0) } else { call(at, function, terms) })
    }

    fn relation(&mut self) -> Parsed {
        const RELATIONS: [(&str, &str); 7] = [
            ("==", "_==_"),
            ("!=", "_!=_"),
            ("<=", "_<=_"),
            (">=", "_>=_"),
            ("<", "_<_"),
            (">", "_>_"),
            ("in", "@in"),
        ];
        self.chain(&RELATIONS, |parser| {
            parser.chain(&[("+", "_+_"), ("-", "_-_")], |parser| {
                parser.chain(&[("*", "_*_"), ("/", "_/_"), ("%", "_%_")], Parser::unary)
            })
        })
    }

    fn chain(&mut self, signs: &[(&str, &str)], below: impl Fn(&mut Parser) -> Parsed) -> Parsed {
        let mut left = below(self)?;
        loop {
            let at = self.at();
            let Some((_, function)) = signs.iter().find(|(sign, _)| self.takes(sign)) else {
                return Ok(left);
            };
            let right = below(self)?;
            left = call(at, function, vec![left, right]);
        }
    }

    fn unary(&mut self) -> Parsed {
        let at = self.at();
        let mut signs = Vec::new();
        loop {
            if self.takes("!") {
                signs.push("!_");
            } else if self.takes("-") {
                signs.push("-_");
            } else {
                break;
            }
            if signs.len() > DEPTH_MAX {
                return Err(Fault { at, words: "Syntax error: too many signs".to_owned() });
            }
        }
        if signs.last() == Some(&"-_") {
            // A minus before a number is the number's own.
            let negative = match self.peek() {
                Token::Literal(Value::Int(number)) => Some(Value::Int(-number)),
                Token::Literal(Value::Double(number)) => Some(Value::Double(-number)),
                Token::Ident(name) if name == "@least" => Some(Value::Int(i64::MIN)),
                _ => None,
            };
            if let Some(negative) = negative {
                let place = self.at();
                self.take();
                signs.pop();
                let literal = Expr { at: place, kind: Kind::Literal(negative) };
                let expr = self.members(literal)?;
                return Ok(signed(at, signs, expr));
            }
        }
        let primary = self.primary()?;
        let expr = self.members(primary)?;
        Ok(signed(at, signs, expr))
    }

    fn members(&mut self, mut expr: Expr) -> Parsed {
        let mut steps = 0;
        loop {
            let at = self.at();
            if self.takes(".?") {
                let field = self.name()?;
                let operand = Box::new(expr);
                expr = Expr { at, kind: Kind::Select { operand, field, test: false, optional: true } };
            } else if self.takes(".") {
                let field = self.name()?;
                expr = if self.takes("(") {
                    let args = self.arguments(")")?;
                    method(at, expr, field, args)?
                } else {
                    let operand = Box::new(expr);
                    Expr { at, kind: Kind::Select { operand, field, test: false, optional: false } }
                };
            } else if self.takes("[?") {
                let index = self.conditional()?;
                self.expect("]")?;
                expr = call(at, "_[?_]", vec![expr, index]);
            } else if self.takes("[") {
                let index = self.conditional()?;
                self.expect("]")?;
                expr = call(at, "_[_]", vec![expr, index]);
            } else {
                return Ok(expr);
            }
            steps += 1;
            if steps > DEPTH_MAX {
                return Err(Fault { at, words: format!("expression recursion limit exceeded: {DEPTH_MAX}") });
            }
        }
    }

    fn name(&mut self) -> Result<String, Fault> {
        match self.peek().clone() {
            Token::Ident(name) => {
                self.take();
                Ok(name)
            }
            // Words of the language may be fields.
            Token::Literal(Value::Bool(_) | Value::Null) | Token::Sign("in") => Err(self.unexpected()),
            _ => Err(self.unexpected()),
        }
    }

    fn arguments(&mut self, end: &str) -> Result<Vec<Expr>, Fault> {
        let mut args = Vec::new();
        while !self.takes(end) {
            args.push(self.conditional()?);
            if !self.takes(",") {
                self.expect(end)?;
                break;
            }
        }
        Ok(args)
    }

    fn primary(&mut self) -> Parsed {
        let at = self.at();
        match self.take() {
            Token::Literal(value) => Ok(Expr { at, kind: Kind::Literal(value) }),
            Token::Ident(name) if name != "@least" => {
                if self.takes("(") {
                    let args = self.arguments(")")?;
                    return function(at, name, args);
                }
                Ok(Expr { at, kind: Kind::Ident(name) })
            }
            Token::Sign(".") => {
                let name = self.name()?;
                Ok(Expr { at, kind: Kind::Ident(name) })
            }
            Token::Sign("(") => {
                let expr = self.conditional()?;
                self.expect(")")?;
                Ok(expr)
            }
            Token::Sign("[?") => {
                self.next -= 1;
                self.tokens[self.next].1 = Token::Sign("?");
                self.list(at)
            }
            Token::Sign("[") => self.list(at),
            Token::Sign("{") => {
                let mut entries = Vec::new();
                while !self.takes("}") {
                    let optional = self.takes("?");
                    let key = self.conditional()?;
                    self.expect(":")?;
                    entries.push((key, self.conditional()?, optional));
                    if !self.takes(",") {
                        self.expect("}")?;
                        break;
                    }
                }
                Ok(Expr { at, kind: Kind::Map(entries) })
            }
            _ => {
                self.next = self.next.saturating_sub(usize::from(self.at() != at));
                Err(Fault { at, ..self.unexpected() })
            }
        }
    }

    fn list(&mut self, at: usize) -> Parsed {
        let mut elements = Vec::new();
        while !self.takes("]") {
            let optional = self.takes("?");
            elements.push((self.conditional()?, optional));
            if !self.takes(",") {
                self.expect("]")?;
                break;
            }
        }
        Ok(Expr { at, kind: Kind::List(elements) })
    }
}

fn call(at: usize, function: &str, args: Vec<Expr>) -> Expr {
    Expr { at, kind: Kind::Call { function: function.to_owned(), target: None, args } }
}

fn signed(at: usize, signs: Vec<&'static str>, expr: Expr) -> Expr {
    // Two of a kind say nothing, as in cel-go.
    let mut kept: Vec<&str> = Vec::new();
    for sign in signs {
        if kept.last() == Some(&sign) {
            kept.pop();
        } else {
            kept.push(sign);
        }
    }
    kept.into_iter().rev().fold(expr, |expr, sign| call(at, sign, vec![expr]))
}

fn function(at: usize, name: String, mut args: Vec<Expr>) -> Parsed {
    if name == "has" && args.len() == 1 {
        let Expr { at: place, kind } = args.remove(0);
        return match kind {
            Kind::Select { operand, field, optional: false, .. } => {
                Ok(Expr { at, kind: Kind::Select { operand, field, test: true, optional: false } })
            }
            _ => Err(Fault { at: place, words: "invalid argument to has() macro".to_owned() }),
        };
    }
    Ok(Expr { at, kind: Kind::Call { function: name, target: None, args } })
}

fn method(at: usize, target: Expr, name: String, args: Vec<Expr>) -> Parsed {
    // A namespaced function: its name is the whole path.
    if let Kind::Ident(space) = &target.kind
        && matches!(
            space.as_str(),
            "sets" | "optional" | "format" | "strings" | "math" | "lists" | "ip" | "base64"
        )
        && is_namespaced(space, &name)
    {
        return Ok(Expr { at, kind: Kind::Call { function: format!("{space}.{name}"), target: None, args } });
    }
    match macro_of(&name, args.len()) {
        Some((name, two)) => fold(at, name, two, target, args),
        None => Ok(Expr { at, kind: Kind::Call { function: name, target: Some(Box::new(target)), args } }),
    }
}

fn is_namespaced(space: &str, name: &str) -> bool {
    match space {
        "ip" => name == "isCanonical",
        _ => true,
    }
}

/// The macro, and whether it has two variables.
fn macro_of(name: &str, args: usize) -> Option<(Macro, bool)> {
    Some(match (name, args) {
        ("all", 2 | 3) => (Macro::All, args == 3),
        ("exists", 2 | 3) => (Macro::Exists, args == 3),
        ("exists_one" | "existsOne", 2 | 3) => (Macro::ExistsOne, args == 3),
        ("map", 2 | 3) => (Macro::Map, false),
        ("filter", 2) => (Macro::Filter, false),
        ("transformList", 3 | 4) => (Macro::Map, true),
        ("transformMap", 3 | 4) => (Macro::TransformMap, true),
        ("optMap", 2) => (Macro::OptMap, false),
        ("optFlatMap", 2) => (Macro::OptFlatMap, false),
        ("sortBy", 2) => (Macro::SortBy, false),
        _ => return None,
    })
}

fn fold(at: usize, name: Macro, two: bool, range: Expr, args: Vec<Expr>) -> Parsed {
    let mut args = args.into_iter();
    let mut variable = || match args.next() {
        Some(Expr { kind: Kind::Ident(name), .. }) => Ok(name),
        Some(other) => Err(Fault { at: other.at, words: "argument must be a simple name".to_owned() }),
        None => Err(Fault { at, words: "argument is missing".to_owned() }),
    };
    let var = variable()?;
    let second = if two { Some(variable()?) } else { None };
    let rest: Vec<Expr> = args.collect();
    let (test, made) = match (name, rest.len()) {
        (Macro::All | Macro::Exists | Macro::ExistsOne | Macro::Filter, _) => (rest.into_iter().next(), None),
        (_, 2) => {
            let mut rest = rest.into_iter();
            (rest.next(), rest.next())
        }
        _ => (None, rest.into_iter().next()),
    };
    Ok(Expr { at, kind: Kind::Fold(Box::new(Fold { name, range, var, second, test, made })) })
}
