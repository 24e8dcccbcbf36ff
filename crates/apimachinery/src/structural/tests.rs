//! Schemas at work: what is kept, what is filled in, what is refused and in which words.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::rules::Rules;
use super::*;

fn schema(text: Value) -> Structural {
    Structural::read(&text)
}

fn said(schema_text: Value, value: &Value, old: Option<&Value>) -> Vec<String> {
    let schema = schema(schema_text);
    let mut errors = value::faults(value, old, &schema, "");
    if let Some(rules) = Rules::of(&schema) {
        rules.run(value, old, &schema, "", &mut errors);
    }
    errors.iter().map(ToString::to_string).collect()
}

fn field(of: Value) -> Value {
    json!({"type": "object", "properties": {"x": of}})
}

#[test]
fn what_a_schema_does_not_know_is_pruned_and_told() {
    let schema = schema(json!({"type": "object", "properties": {
        "a": {"type": "object", "properties": {"b": {"type": "string"}}},
        "list": {"type": "array", "items": {"type": "object", "properties": {"c": {"type": "string"}}}},
        "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"d": {"type": "string"}}}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                 "properties": {"known": {"type": "object", "properties": {"e": {"type": "string"}}}}},
        "pod": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}},
    }}));
    let mut object = json!({
        "apiVersion": "v1", "kind": "K", "metadata": {"anything": 1}, "z": 1,
        "a": {"b": "", "y": 1}, "list": [{"c": ""}, {"x": 1}], "map": {"k": {"d": "", "w": 1}},
        "free": {"any": {"thing": 1}, "known": {"e": "", "v": 1}},
        "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "u": 1, "spec": {"t": 1}},
    });
    let unknown = prune_root(&mut object, &schema);
    assert_eq!(unknown, ["a.y", "free.known.v", "list[1].x", "map.k.w", "pod.spec.t", "pod.u", "z"]);
    assert_eq!(object["free"], json!({"any": {"thing": 1}, "known": {"e": ""}}));
    assert_eq!(object["pod"]["metadata"], json!({"name": "p"}));
}

#[test]
fn defaults_fill_what_is_absent_and_nulls_that_are_not_allowed_go() {
    let schema = schema(json!({"type": "object", "properties": {
        "a": {"type": "string", "default": "x"},
        "n": {"type": "string", "nullable": true, "default": "y"},
        "plain": {"type": "string"},
        "inner": {"type": "object", "default": {}, "properties": {"deep": {"type": "integer", "default": 7}}},
        "list": {"type": "array", "items": {"type": "object", "properties": {"p": {"type": "string", "default": "q"}}}},
    }}));
    let mut object = json!({"a": null, "n": null, "plain": null, "list": [{}]});
    default(&mut object, &schema);
    drop_nulls(&mut object, Some(&schema));
    assert_eq!(object, json!({"a": "x", "n": null, "inner": {"deep": 7}, "list": [{"p": "q"}]}));
}

#[test]
fn every_keyword_refuses_in_upstreams_words() {
    let cases = [
        (
            json!({"type": "string"}),
            json!(1),
            "x: Invalid value: \"integer\": x in body must be of type string: \"integer\"",
        ),
        (
            json!({"type": "string"}),
            Value::Null,
            "x: Invalid value: \"null\": x in body must be of type string: \"null\"",
        ),
        (
            json!({"type": "integer"}),
            json!(1.5),
            "x: Invalid value: \"number\": x in body must be of type integer: \"number\"",
        ),
        (
            json!({"x-kubernetes-int-or-string": true}),
            json!(true),
            "x: Invalid value: \"boolean\": x in body must be of type integer,string: \"boolean\"",
        ),
        (
            json!({"type": "string", "enum": ["a", "b"]}),
            json!("c"),
            "x: Unsupported value: \"c\": supported values: \"a\", \"b\"",
        ),
        (
            json!({"type": "string", "maxLength": 2}),
            json!("abc"),
            "x: Too long: may not be more than 2 bytes",
        ),
        (
            json!({"type": "string", "minLength": 2}),
            json!("a"),
            "x: Invalid value: \"a\": x in body should be at least 2 chars long",
        ),
        (
            json!({"type": "string", "pattern": "^a$"}),
            json!("b"),
            "x: Invalid value: \"b\": x in body should match '^a$'",
        ),
        (
            json!({"type": "string", "format": "date-time"}),
            json!("b"),
            "x: Invalid value: \"b\": x in body must be of type date-time: \"b\"",
        ),
        (
            json!({"type": "integer", "maximum": 1}),
            json!(2),
            "x: Invalid value: 2: x in body should be less than or equal to 1",
        ),
        (
            json!({"type": "integer", "maximum": 1, "exclusiveMaximum": true}),
            json!(1),
            "x: Invalid value: 1: x in body should be less than 1",
        ),
        (
            json!({"type": "number", "minimum": 1.5}),
            json!(1),
            "x: Invalid value: 1: x in body should be greater than or equal to 1.5",
        ),
        (
            json!({"type": "integer", "multipleOf": 2}),
            json!(3),
            "x: Invalid value: 3: x in body should be a multiple of 2",
        ),
        (
            json!({"type": "array", "maxItems": 1, "items": {"type": "integer"}}),
            json!([1, 2]),
            "x: Too many: 2: must have at most 1 item",
        ),
        (
            json!({"type": "array", "minItems": 1, "items": {"type": "integer"}}),
            json!([]),
            "x: Invalid value: 0: x in body should have at least 1 items",
        ),
        (
            json!({"type": "object", "maxProperties": 1}),
            json!({"a": 1, "b": 2}),
            "x: Too many: 2: must have at most 1 item",
        ),
        (json!({"type": "object", "required": ["a"]}), json!({}), "x.a: Required value"),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            json!({"k": 1}),
            "x.k: Invalid value: \"integer\": x.k in body must be of type string: \"integer\"",
        ),
        (
            json!({"type": "array", "items": {"type": "object", "required": ["n"]}}),
            json!([{"n": 1}, {}]),
            "x[1].n: Required value",
        ),
        (
            json!({"type": "string", "not": {"enum": ["a"]}}),
            json!("a"),
            "<nil>: Invalid value: \"\": \"x\" must not validate the schema (not)",
        ),
        (
            json!({"type": "integer", "oneOf": [{"minimum": 1}, {"minimum": 2}]}),
            json!(3),
            "<nil>: Invalid value: \"\": \"x\" must validate one and only one schema (oneOf). Found 2 valid alternatives",
        ),
    ];
    for (of, value, expected) in cases {
        assert_eq!(said(field(of), &json!({"x": value}), None), [expected]);
    }
    let any = json!({"type": "integer", "anyOf": [{"minimum": 5}, {"maximum": 1}]});
    assert_eq!(
        said(field(any), &json!({"x": 3}), None)[0],
        "<nil>: Invalid value: \"\": \"x\" must validate at least one schema (anyOf)"
    );
    assert_eq!(said(field(json!({"type": "integer"})), &json!({"x": 1.0}), None), [""; 0]);
    assert_eq!(said(field(json!({"type": "string", "nullable": true})), &json!({"x": null}), None), [""; 0]);
}

#[test]
fn what_was_wrong_before_and_did_not_change_is_tolerated() {
    let of = json!({"type": "object", "properties": {
        "a": {"type": "integer", "maximum": 1}, "b": {"type": "integer", "maximum": 1},
        "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"],
                 "items": {"type": "object", "properties": {"n": {"type": "string"}, "v": {"type": "integer", "maximum": 1}}}},
        "plain": {"type": "array", "items": {"type": "integer", "maximum": 1}},
    }});
    let old = json!({"a": 5, "b": 1, "list": [{"n": "x", "v": 9}], "plain": [7]});
    let new = json!({"a": 5, "b": 2, "list": [{"n": "y", "v": 3}, {"n": "x", "v": 9}], "plain": [7, 8]});
    let fields: Vec<String> =
        value::faults(&new, Some(&old), &schema(of), "").into_iter().map(|error| error.field).collect();
    assert_eq!(fields, ["b", "list[0].v", "plain[0]", "plain[1]"]);
}

#[test]
fn sets_and_maps_hold_everything_once() {
    let of = schema(json!({"type": "object", "properties": {
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "b"],
                "items": {"type": "object"}},
    }}));
    let object = json!({"set": ["x", "y", "x", "x"], "map": [{"a": 1}, {"a": 1, "b": 2}, {"a": 1, "c": 3}]});
    let mut errors = Vec::new();
    duplicates(&object, &of, &mut errors);
    let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["map[2]: Duplicate value: {\"a\":1}", "set[2]: Duplicate value: \"x\""]);
}

fn ruled(rules: Value) -> Value {
    json!({"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-validations": rules, "properties": {
        "min": {"type": "integer"}, "max": {"type": "integer"}, "a-b": {"type": "string"},
        "when": {"type": "string", "format": "date-time"},
        "items": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"],
            "items": {"type": "object", "properties": {"n": {"type": "string"}, "v": {"type": "integer",
                "x-kubernetes-validations": [{"rule": "self >= oldSelf", "message": "may only grow"}]}}}},
    }}}})
}

#[test]
fn rules_are_run_and_told_as_upstream_tells_them() {
    let spec =
        |spec: Value| json!({"apiVersion": "g/v1", "kind": "K", "metadata": {"name": "n"}, "spec": spec});
    let cases = [
        (
            json!([{"rule": "self.min <= self.max"}]),
            json!({"min": 2, "max": 1}),
            vec!["spec: Invalid value: failed rule: self.min <= self.max"],
        ),
        (json!([{"rule": "self.min <= self.max"}]), json!({"min": 1, "max": 1}), vec![]),
        (
            json!([{"rule": "self.min <= self.max"}]),
            json!({"min": 1}),
            vec!["spec: Invalid value: \"object\": no such key: max evaluating rule: self.min <= self.max"],
        ),
        (
            json!([{"rule": "self.min < 2", "message": "too much", "fieldPath": ".min", "reason": "FieldValueForbidden"}]),
            json!({"min": 2}),
            vec!["spec.min: Forbidden: too much"],
        ),
        (
            json!([{"rule": "false", "messageExpression": "'min is %d'.format([self.min])"}]),
            json!({"min": 2}),
            vec!["spec: Invalid value: min is 2"],
        ),
        (json!([{"rule": "self.a__dash__b == 'x'"}]), json!({"a-b": "x"}), vec![]),
        (
            json!([{"rule": "self.when > timestamp('2020-01-01T00:00:00Z')"}]),
            json!({"when": "2024-01-01T00:00:00Z"}),
            vec![],
        ),
        (json!([{"rule": "!has(oldSelf.min) || self.min == oldSelf.min"}]), json!({"min": 2}), vec![]),
        (
            json!([{"rule": "oldSelf.hasValue()", "optionalOldSelf": true}]),
            json!({"min": 2}),
            vec!["spec: Invalid value: failed rule: oldSelf.hasValue()"],
        ),
    ];
    for (rules, found, expected) in cases {
        assert_eq!(said(ruled(rules.clone()), &spec(found), None), expected, "{rules}");
    }
    let old = spec(json!({"items": [{"n": "a", "v": 3}, {"n": "b", "v": 3}]}));
    let new = spec(json!({"items": [{"n": "b", "v": 2}, {"n": "a", "v": 4}, {"n": "c", "v": 1}]}));
    assert_eq!(
        said(ruled(json!([])), &new, Some(&old)),
        ["spec.items[0].v: Invalid value: 2: may only grow"]
    );
    // A rule that nothing new breaks is tolerated; one that looks back is not.
    let kept = spec(json!({"min": 2, "max": 1}));
    assert_eq!(said(ruled(json!([{"rule": "self.min <= self.max"}])), &kept, Some(&kept)), [""; 0]);
    assert_eq!(said(ruled(json!([{"rule": "self.min < oldSelf.min"}])), &kept, Some(&kept)).len(), 1);
}

/// Any JSON, not too deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Any schema of the same letters.
fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "string", "default": "a"})),
        Just(json!({"type": "integer", "nullable": true, "maximum": 10})),
        Just(json!({"x-kubernetes-int-or-string": true})),
        Just(json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|items| json!({"type": "array", "items": items})),
            inner.clone().prop_map(|any| json!({"type": "object", "additionalProperties": any})),
            prop::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|properties| json!({"type": "object", "default": {}, "properties": properties})),
        ]
    })
}

proptest! {
    #[test]
    fn pruning_and_defaulting_twice_is_doing_it_once(schema in any_schema(), object in any_json()) {
        let schema = Structural::read(&schema);
        let mut once = object;
        prune(&mut once, &schema);
        default(&mut once, &schema);
        drop_nulls(&mut once, Some(&schema));
        let mut twice = once.clone();
        prop_assert!(!prune(&mut twice, &schema) || schema.properties.is_empty());
        default(&mut twice, &schema);
        drop_nulls(&mut twice, Some(&schema));
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn what_did_not_change_is_never_refused(schema in any_schema(), object in any_json()) {
        let schema = Structural::read(&schema);
        prop_assert_eq!(value::faults(&object, Some(&object), &schema, ""), vec![]);
    }
}
