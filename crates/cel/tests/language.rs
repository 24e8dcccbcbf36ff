//! The language, case by case: what an expression comes to, what is refused, what it costs.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use rutter_cel::{Decl, Key, Type, Value, compile};

fn text(max: u64) -> Arc<Decl> {
    Arc::new(Decl::simple(Type::String, max, 2))
}

fn int() -> Arc<Decl> {
    Arc::new(Decl::simple(Type::Int, 0, 1))
}

fn declared() -> Arc<Decl> {
    let fields = BTreeMap::from([
        ("name".to_owned(), text(100)),
        ("count".to_owned(), int()),
        ("tags".to_owned(), Arc::new(Decl::list(text(20), 10))),
        ("labels".to_owned(), Arc::new(Decl::map(text(20), 10, 20))),
    ]);
    Arc::new(Decl::object(fields, 2))
}

fn object() -> Value {
    let key = |name: &str| Key::String(Arc::from(name));
    Value::Map(Arc::new(BTreeMap::from([
        (key("name"), Value::text("web")),
        (key("count"), Value::Int(3)),
        (key("tags"), Value::list(vec![Value::text("a"), Value::text("b")])),
        (key("labels"), Value::Map(Arc::new(BTreeMap::from([(key("app"), Value::text("web"))])))),
    ])))
}

fn told(expression: &str) -> String {
    match compile(expression, &[("self", declared())]) {
        Err(why) => why.lines().next().unwrap_or_default().to_owned(),
        Ok(program) => match program.run(&[("self", object())], 1_000_000).result {
            Ok(value) => value.to_string(),
            Err(ended) => format!("failed: {ended}"),
        },
    }
}

#[test]
fn expressions_come_to_what_they_come_to_in_kubernetes() {
    let cases = [
        ("1 + 2 * 3 == 7", "true"),
        ("-9223372036854775808 < 0", "true"),
        ("!!true", "true"),
        ("--1 == 1", "true"),
        ("7 % 4 == 3 && 7 / 2 == 3", "true"),
        ("'a' + \"b\" == r'ab'", "true"),
        ("'\\u00e9'.size() == 1", "true"),
        ("true || self.nope == 1", "ERROR: <input>:1:13: undefined field 'nope'"),
        ("self.count > 2 ? 'many' : 'few'", "many"),
        ("1 / 0 == 1 || true", "true"),
        ("1 / 0 == 1", "failed: division by zero"),
        ("9223372036854775807 + 1 == 0", "failed: integer overflow"),
        ("self.name.matches('^w.b$')", "true"),
        ("self.tags.all(t, t.size() == 1)", "true"),
        ("self.tags.exists_one(t, t == 'a')", "true"),
        ("self.tags.map(t, t + '!').join(',')", "a!,b!"),
        ("self.tags.map(t, t != 'a', t)", "[b]"),
        ("self.tags.filter(t, t > 'a')", "[b]"),
        ("self.tags.all(i, t, i < 2)", "true"),
        ("self.labels.all(k, k == 'app')", "true"),
        ("self.labels.exists(k, v, v == 'web')", "true"),
        ("self.labels.transformMap(k, v, v + k)", "{app: webapp}"),
        ("'app' in self.labels && !('x' in self.labels)", "true"),
        ("self.labels['x'] == ''", "failed: no such key: x"),
        ("has(self.labels.app) && !has(self.labels.x)", "true"),
        ("self.labels[?'x'].orValue('none')", "none"),
        ("self.?name.hasValue()", "true"),
        ("self.labels.?app.optMap(v, v + '!').value()", "web!"),
        ("[1, 2, 3].sum() == 6 && [3, 1].min() == 1 && [1, 2].isSorted()", "true"),
        ("[[1], [2, 3]].flatten()", "[1, 2, 3]"),
        ("[3, 1, 2].sort()", "[1, 2, 3]"),
        ("[1, 1, 2].distinct()", "[1, 2]"),
        ("sets.contains([1, 2], [1]) && sets.equivalent([1, 2], [2, 1, 1])", "true"),
        ("'hello'.substring(1, 3) + 'x'.upperAscii()", "elX"),
        ("'a,b,c'.split(',', 2)", "[a, b,c]"),
        ("'hello'.replace('l', 'L', 1)", "heLlo"),
        ("'hello'.indexOf('l') == 2 && 'hello'.lastIndexOf('l') == 3", "true"),
        ("'%s is %d at %.2f'.format(['x', 3, 1.5])", "x is 3 at 1.50"),
        ("'abc 123'.find('[0-9]+')", "123"),
        (
            "url('https://a:80/b?c=d').getPort() == '80' && url('https://a/b?c=d').getQuery()['c'][0] == 'd'",
            "true",
        ),
        (
            "quantity('1Gi').isGreaterThan(quantity('1G')) && quantity('1.5').add(1) == quantity('2500m')",
            "true",
        ),
        ("isQuantity('1x')", "false"),
        ("quantity('1.5Gi').asInteger() == 1610612736 && !quantity('1m').isInteger()", "true"),
        (
            "string(quantity('1Gi').add(quantity('512Mi'))) + ' ' + string(quantity('1000m').sub(1))",
            "1536Mi 0",
        ),
        ("quantity('16Ei').add(1).isInteger()", "false"),
        ("ip('10.0.0.1').family() == 4 && cidr('10.0.0.0/8').containsIP('10.1.2.3')", "true"),
        ("cidr('10.0.0.0/8').containsCIDR(cidr('10.1.0.0/16'))", "true"),
        (
            "semver('1.2.3').isLessThan(semver('1.10.0')) && !isSemver('1.2') && isSemver('v1.2', true)",
            "true",
        ),
        ("format.dns1123Label().validate('A').hasValue()", "true"),
        ("!format.named('dns1123Label').value().validate('a').hasValue()", "true"),
        ("duration('1h30m').getMinutes() == 90 && string(duration('90s')) == '90s'", "true"),
        ("timestamp('2024-01-02T03:04:05Z').getFullYear() == 2024", "true"),
        ("timestamp('2024-01-02T03:04:05Z') + duration('1h') > timestamp('2024-01-02T03:04:05Z')", "true"),
        ("int('7') + int(2.9) == 9 && double(1) == 1.0 && string(1.5) == '1.5'", "true"),
        ("type(1) == int && type('') != bytes", "true"),
        ("1 < 1.5 && 2u > 1", "true"),
        ("dyn(1) == dyn(1.0)", "true"),
        ("{'a': 1, 'b': 2}.map(k, k).size() == 2", "true"),
    ];
    for (expression, expected) in cases {
        assert_eq!(told(expression), expected, "{expression}");
    }
}

#[test]
fn what_is_wrong_is_told_before_it_runs() {
    let cases = [
        ("self.z == 100", "ERROR: <input>:1:5: undefined field 'z'"),
        ("self = 42", "ERROR: <input>:1:6: Syntax error: token recognition error at: '= '"),
        ("other", "ERROR: <input>:1:1: undeclared reference to 'other' (in container '')"),
        (
            "self.count == 'a'",
            "ERROR: <input>:1:12: found no matching overload for '_==_' applied to '(int, string)'",
        ),
        ("self.count.foo()", "ERROR: <input>:1:11: undeclared reference to 'foo' (in container '')"),
        (
            "self.name.size(1)",
            "ERROR: <input>:1:10: found no matching overload for 'size' applied to 'string.(int)'",
        ),
        ("[1, 'a']", "ERROR: <input>:1:5: expected type 'int' but found 'string'"),
        (
            "self.count.all(x, true)",
            "ERROR: <input>:1:5: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)",
        ),
        ("(1", "ERROR: <input>:1:3: Syntax error: mismatched input '<EOF>'"),
    ];
    for (expression, expected) in cases {
        assert_eq!(told(expression), expected, "{expression}");
    }
    let shown = compile("self.z == 100", &[("self", declared())]).err();
    assert_eq!(shown.as_deref(), Some("ERROR: <input>:1:5: undefined field 'z'\n | self.z == 100\n | ....^"));
}

#[test]
fn what_is_too_long_or_too_deep_is_refused() {
    for expression in [
        format!("{}1{}", "(".repeat(1000), ")".repeat(1000)),
        "!".repeat(5000) + "true",
        vec!["1"; 1000].join(" + "),
        format!("self{}", ".name".repeat(1000)),
        "1".repeat(200_000),
    ] {
        assert!(compile(&expression, &[("self", declared())]).is_err());
    }
    // A chain is not deep.
    assert_eq!(told(&vec!["true"; 2000].join(" && ")), "true");
}

#[test]
fn cost_is_known_before_and_bounded_while_it_runs() {
    let cost = |expression: &str| {
        compile(expression, &[("self", declared())]).map(|program| program.cost.max).unwrap_or(0)
    };
    assert!(cost("self.count > 1") < 5);
    assert!(cost("self.tags.all(t, t == 'a')") < 100);
    let nested = cost("self.tags.all(a, self.tags.all(b, self.tags.all(c, a + b != c)))");
    assert!((5_000..100_000).contains(&nested), "{nested}");
    let huge = Arc::new(Decl::list(text(1_000_000), 1_000_000));
    let dear = compile("self.all(s, s.contains('x'))", &[("self", huge)]).map(|program| program.cost.max);
    assert!(dear.is_ok_and(|cost| cost > 10_000_000_000));

    let many = Arc::new(Decl::list(int(), 1_000_000));
    let program = compile("self.all(a, self.all(b, a + b >= 0))", &[("self", many)]);
    let items = Value::list((0..2_000).map(Value::Int).collect());
    let run = program.map(|program| program.run(&[("self", items)], 1_000_000));
    let run = run.unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(
        run.result.err().map(|ended| ended.to_string()).as_deref(),
        Some("operation cancelled: actual cost limit exceeded")
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[a-z0-9 .,()\\[\\]{}?:!=<>&|+*/%'\"\\\\-]{0,60}") {
        if let Ok(program) = compile(&text, &[("self", declared())]) {
            let _ = program.run(&[("self", object())], 100_000);
        }
    }

    #[test]
    fn numbers_are_added_as_numbers(a in -1_000_000i64..1_000_000, b in -1_000_000i64..1_000_000) {
        prop_assert_eq!(told(&format!("{a} + {b} == {}", a + b)), "true");
    }
}
