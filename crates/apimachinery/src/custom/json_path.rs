//! JSONPath as printer columns and selectable fields write it (`k8s.io/client-go/util/jsonpath`): names, quoted names,
//! places, slices, wildcards, descent, and filters that compare.

use std::cmp::Ordering;

use serde_json::Value;

/// A path that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Name(String),
    Place(i64),
    Slice(Option<i64>, Option<i64>),
    All,
    Descent,
    Filter { path: JsonPath, test: Option<(Test, Operand)> },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Test {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Value(Value),
    Path(JsonPath),
}

impl JsonPath {
    /// Reads `.spec.replicas`; none where it can't be read.
    #[must_use]
    pub fn parse(text: &str) -> Option<JsonPath> {
        let mut reader = Reader { rest: text.trim() };
        let path = reader.path()?;
        reader.rest.is_empty().then_some(path)
    }

    /// Every value that it leads to.
    #[must_use]
    pub fn find<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        let mut found = vec![value];
        for step in &self.0 {
            found = found.into_iter().flat_map(|value| step.take(value)).collect();
        }
        found
    }
}

impl Step {
    fn take<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
        match self {
            Step::Name(name) => value.get(name).into_iter().collect(),
            Step::Place(place) => at(list, *place).into_iter().collect(),
            Step::Slice(from, to) => {
                let length = list.len() as i64;
                let place = |place: i64| if place < 0 { place + length } else { place }.clamp(0, length);
                let (from, to) = (place(from.unwrap_or(0)), place(to.unwrap_or(length)));
                list.iter().skip(from as usize).take((to - from).max(0) as usize).collect()
            }
            Step::All => children(value),
            Step::Descent => {
                let mut all = vec![value];
                let mut next = 0;
                while next < all.len() {
                    all.extend(children(all[next]));
                    next += 1;
                }
                all
            }
            Step::Filter { path, test } => {
                list.iter().filter(|element| chosen(element, path, test.as_ref())).collect()
            }
        }
    }
}

fn at(list: &[Value], place: i64) -> Option<&Value> {
    let place = if place < 0 { place + list.len() as i64 } else { place };
    list.get(usize::try_from(place).ok()?)
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

fn chosen(element: &Value, path: &JsonPath, test: Option<&(Test, Operand)>) -> bool {
    let found = path.find(element);
    let Some((test, operand)) = test else { return !found.is_empty() };
    let other = match operand {
        Operand::Value(value) => Some(value),
        Operand::Path(path) => path.find(element).first().copied(),
    };
    let (Some(one), Some(other)) = (found.first(), other) else { return false };
    let order = match (one, other) {
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        (Value::Number(one), Value::Number(other)) => one.as_f64().partial_cmp(&other.as_f64()),
        (one, other) => (*one == other).then_some(Ordering::Equal),
    };
    match test {
        Test::Equal => order == Some(Ordering::Equal),
        Test::Unequal => order != Some(Ordering::Equal),
        Test::Less => order == Some(Ordering::Less),
        Test::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Test::Greater => order == Some(Ordering::Greater),
        Test::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn path(&mut self) -> Option<JsonPath> {
        let mut steps = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix("..") {
                self.rest = rest;
                steps.push(Step::Descent);
                if !self.rest.starts_with('[') {
                    steps.push(self.named()?);
                }
            } else if let Some(rest) = self.rest.strip_prefix('.') {
                self.rest = rest;
                // A dot alone is the object itself; a dot before a bracket says nothing.
                if !self.rest.is_empty() && !self.rest.starts_with('[') {
                    steps.push(self.named()?);
                }
            } else if let Some(rest) = self.rest.strip_prefix('[') {
                self.rest = rest;
                steps.push(self.bracket()?);
            } else {
                return Some(JsonPath(steps));
            }
        }
    }

    fn named(&mut self) -> Option<Step> {
        if let Some(rest) = self.rest.strip_prefix('*') {
            self.rest = rest;
            return Some(Step::All);
        }
        let mut name = String::new();
        let mut chars = self.rest.char_indices();
        let mut end = self.rest.len();
        while let Some((index, c)) = chars.next() {
            match c {
                '\\' => name.push(chars.next()?.1),
                '.' | '[' | ']' | ' ' | '=' | '!' | '<' | '>' | ')' => {
                    end = index;
                    break;
                }
                c => name.push(c),
            }
        }
        self.rest = &self.rest[end..];
        (!name.is_empty()).then_some(Step::Name(name))
    }

    fn bracket(&mut self) -> Option<Step> {
        if self.rest.starts_with('?') {
            return self.filter();
        }
        if self.rest.starts_with(['\'', '"']) {
            let name = self.quoted()?;
            self.expect("]")?;
            return Some(Step::Name(name));
        }
        let (inner, rest) = self.rest.split_once(']')?;
        self.rest = rest;
        if inner == "*" {
            return Some(Step::All);
        }
        let number = |text: &str| match text.trim() {
            "" => Some(None),
            text => text.parse::<i64>().ok().map(Some),
        };
        match inner.split_once(':') {
            Some((from, to)) => {
                let to = to.split(':').next().unwrap_or_default();
                Some(Step::Slice(number(from)?, number(to)?))
            }
            None => Some(Step::Place(inner.trim().parse().ok()?)),
        }
    }

    /// `?(@.type=="Ready")`
    fn filter(&mut self) -> Option<Step> {
        self.expect("?(")?;
        self.space();
        self.expect("@")?;
        let path = self.path()?;
        self.space();
        let tests = [
            ("==", Test::Equal),
            ("!=", Test::Unequal),
            ("<=", Test::LessOrEqual),
            (">=", Test::GreaterOrEqual),
            ("<", Test::Less),
            (">", Test::Greater),
        ];
        let found = tests.into_iter().find(|(sign, _)| self.rest.starts_with(sign));
        let test = match found {
            None => None,
            Some((sign, test)) => {
                self.rest = &self.rest[sign.len()..];
                self.space();
                Some((test, self.operand()?))
            }
        };
        self.space();
        self.expect(")]")?;
        Some(Step::Filter { path, test })
    }

    fn operand(&mut self) -> Option<Operand> {
        if self.rest.starts_with(['\'', '"']) {
            return self.quoted().map(|text| Operand::Value(text.into()));
        }
        if let Some(rest) = self.rest.strip_prefix('@') {
            self.rest = rest;
            return self.path().map(Operand::Path);
        }
        let end = self.rest.find(')')?;
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        serde_json::from_str(word.trim()).ok().map(Operand::Value)
    }

    fn quoted(&mut self) -> Option<String> {
        let quote = self.rest.chars().next()?;
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((index, c)) = chars.next() {
            match c {
                '\\' => text.push(chars.next()?.1),
                c if c == quote => {
                    self.rest = &self.rest[index + 1..];
                    return Some(text);
                }
                c => text.push(c),
            }
        }
        None
    }

    fn expect(&mut self, sign: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(sign)?;
        Some(())
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_leads_to_what_clients_expect() {
        let object = json!({
            "spec": {"replicas": 3, "a.b": "dotted", "list": [1, 2, 3]},
            "status": {"conditions": [{"type": "A", "status": "False"}, {"type": "Ready", "status": "True"}]},
        });
        let cases = [
            (".spec.replicas", json!([3])),
            (".spec.missing", json!([])),
            (".spec['a.b']", json!(["dotted"])),
            (".spec.a\\.b", json!(["dotted"])),
            (".spec.list[0]", json!([1])),
            (".spec.list[-1]", json!([3])),
            (".spec.list[1:]", json!([2, 3])),
            (".spec.list[*]", json!([1, 2, 3])),
            (".status.conditions[?(@.type==\"Ready\")].status", json!(["True"])),
            (".status.conditions[?(@.type=='Gone')].status", json!([])),
            (".spec.list[?(@>1)]", json!([2, 3])),
            ("..replicas", json!([3])),
        ];
        for (path, found) in cases {
            let path = JsonPath::parse(path).unwrap_or_else(|| panic!("{path} can't be read"));
            assert_eq!(json!(path.find(&object)), found, "{path:?}");
        }
        for path in [".a[", ".a[?(@.b", ".a['b", ".a[x]"] {
            assert_eq!(JsonPath::parse(path), None, "{path}");
        }
    }
}
