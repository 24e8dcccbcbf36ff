//! CEL: an expression is refused, or it runs within its bounds and comes to a value of the type that was promised.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use rutter_cel::{Decl, Key, Type, Value, compile};

/// What an expression of the input may cost; past it, it is ended.
const LIMIT: u64 = 100_000;
/// One step may be dearer than what is left: that much may be spent past the limit.
const STEP_MAX: u64 = 10_000_000;

static DECLARED: LazyLock<Arc<Decl>> = LazyLock::new(|| {
    let simple = |kind, max| Arc::new(Decl::simple(kind, max, 1));
    let text = simple(Type::String, 40);
    Arc::new(Decl::object(
        BTreeMap::from([
            ("name".to_owned(), text.clone()),
            ("count".to_owned(), simple(Type::Int, 0)),
            ("ratio".to_owned(), simple(Type::Double, 0)),
            ("on".to_owned(), simple(Type::Bool, 0)),
            ("tags".to_owned(), Arc::new(Decl::list(text.clone(), 4))),
            ("labels".to_owned(), Arc::new(Decl::map(text, 4, 40))),
        ]),
        2,
    ))
});

static OBJECT: LazyLock<Value> = LazyLock::new(|| {
    let key = |name: &str| Key::String(Arc::from(name));
    Value::Map(Arc::new(BTreeMap::from([
        (key("name"), Value::text("10.0.0.1")),
        (key("count"), Value::Int(3)),
        (key("ratio"), Value::Double(0.5)),
        (key("on"), Value::Bool(true)),
        (key("tags"), Value::list(vec![Value::text("a"), Value::text("1h")])),
        (key("labels"), Value::Map(Arc::new(BTreeMap::from([(key("app"), Value::text("web"))])))),
    ])))
});

pub fn one(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(program) = compile(text, &[("self", DECLARED.clone())]) else { return };
    assert!(program.cost.min <= program.cost.max, "{text:?}: {:?}", program.cost);
    let run = program.run(&[("self", OBJECT.clone())], LIMIT);
    assert!(run.cost <= LIMIT + STEP_MAX, "{text:?} cost {}", run.cost);
    if run.result.is_ok() {
        assert!(run.cost <= LIMIT, "{text:?} was not ended at {}", run.cost);
    }
    let again = program.run(&[("self", OBJECT.clone())], LIMIT);
    assert_eq!(run.cost, again.cost, "{text:?} costs as much as the last time");
}
