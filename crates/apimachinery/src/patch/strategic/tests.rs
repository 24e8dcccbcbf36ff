//! Each case: what stands, the patch, what comes of it.

use serde_json::json;

use super::*;
use crate::registry::Registry;

fn pod(spec: Value, patch: Value) -> Result<Value, Status> {
    let resource = Registry::builtin().resource("", "v1", "pods").unwrap();
    strategic(&resource, &json!({"spec": spec}), &json!({"spec": patch})).map(|mut pod| pod["spec"].take())
}

fn container(name: &str, image: &str) -> Value {
    json!({"name": name, "image": image})
}

#[test]
fn lists_with_a_key_are_merged_and_others_replaced() {
    let cases = [
        (
            "an element is merged by its key",
            json!({"containers": [{"name": "a", "image": "x", "command": ["c"]}, container("b", "y")]}),
            json!({"containers": [container("a", "z")]}),
            json!({"containers": [{"name": "a", "image": "z", "command": ["c"]}, container("b", "y")]}),
        ),
        (
            "an element of a new key is added, before what the patch does not name",
            json!({"containers": [container("a", "x")]}),
            json!({"containers": [container("b", "y")]}),
            json!({"containers": [container("b", "y"), container("a", "x")]}),
        ),
        (
            "a list without a key is replaced",
            json!({"containers": [{"name": "a", "command": ["c", "d"]}]}),
            json!({"containers": [{"name": "a", "command": ["e"]}]}),
            json!({"containers": [{"name": "a", "command": ["e"]}]}),
        ),
        (
            "a null takes away",
            json!({"containers": [{"name": "a", "image": "x", "command": ["c"]}], "nodeName": "n"}),
            json!({"containers": [{"name": "a", "command": null, "args": null}], "nodeName": null}),
            json!({"containers": [{"name": "a", "image": "x"}]}),
        ),
        (
            "$patch: delete takes an element away",
            json!({"containers": [container("a", "x"), container("b", "y")]}),
            json!({"containers": [{"name": "a", "$patch": "delete"}]}),
            json!({"containers": [container("b", "y")]}),
        ),
        (
            "$patch: replace in a list replaces it",
            json!({"containers": [container("a", "x"), container("b", "y")]}),
            json!({"containers": [container("c", "z"), {"$patch": "replace"}]}),
            json!({"containers": [container("c", "z")]}),
        ),
        (
            "$patch: replace in a map replaces it",
            json!({"securityContext": {"runAsUser": 1, "fsGroup": 2}}),
            json!({"securityContext": {"runAsUser": 3, "$patch": "replace"}}),
            json!({"securityContext": {"runAsUser": 3}}),
        ),
        (
            "$patch: delete empties a map",
            json!({"nodeSelector": {"a": "b"}}),
            json!({"nodeSelector": {"$patch": "delete"}}),
            json!({"nodeSelector": {}}),
        ),
        (
            "$retainKeys keeps these keys only",
            json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
            json!({"volumes": [{"name": "v", "hostPath": {"path": "/"}, "$retainKeys": ["name", "hostPath"]}]}),
            json!({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}),
        ),
        (
            "$setElementOrder orders what it names; the rest stays before what the server had after it",
            json!({"containers": [container("a", "1"), container("s", "2"), container("b", "3")]}),
            json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [container("a", "9")]}),
            json!({"containers": [container("s", "2"), container("b", "3"), container("a", "9")]}),
        ),
        (
            "directives and nulls in what is new leave no trace",
            json!({}),
            json!({"$setElementOrder/containers": [{"name": "a"}],
                "containers": [{"name": "a", "image": null, "env": [{"name": "E", "$patch": "delete"}]}]}),
            json!({"containers": [{"name": "a", "env": []}]}),
        ),
        (
            "a map of labels is merged",
            json!({"nodeSelector": {"a": "b", "c": "d"}}),
            json!({"nodeSelector": {"a": null, "e": "f"}}),
            json!({"nodeSelector": {"c": "d", "e": "f"}}),
        ),
    ];
    for (what, current, patch, expected) in cases {
        assert_eq!(pod(current, patch).unwrap(), expected, "{what}");
    }
}

fn finalizers(current: Value, patch: Value) -> Value {
    let resource = Registry::builtin().resource("", "v1", "pods").unwrap();
    let patched = strategic(&resource, &json!({"metadata": current}), &json!({"metadata": patch})).unwrap();
    patched["metadata"]["finalizers"].clone()
}

#[test]
fn lists_of_scalars_are_merged_as_sets() {
    let current = || json!({"finalizers": ["a", "b", "c"]});
    assert_eq!(finalizers(current(), json!({"finalizers": ["d", "b"]})), json!(["d", "a", "b", "c"]));
    assert_eq!(
        finalizers(current(), json!({"$deleteFromPrimitiveList/finalizers": ["b"]})),
        json!(["a", "c"])
    );
    let both = json!({"$deleteFromPrimitiveList/finalizers": ["a"], "$setElementOrder/finalizers": ["d", "c", "b"],
        "finalizers": ["d"]});
    assert_eq!(finalizers(current(), both), json!(["d", "c", "b"]));
}

#[test]
fn malformed_patches_are_refused() {
    let cases = [
        (json!({"containers": [{"image": "x"}]}), 400, "does not contain declared merge key: name"),
        (json!({"securityContext": {"$patch": "mend"}}), 422, "the server rejected our request"),
        (json!({"securityContext": {"$retainKeys": "x"}}), 400, "invalid patch format of retainKeys"),
        (
            json!({"securityContext": {"$retainKeys": ["a"], "b": 1}}),
            400,
            "invalid patch format of retainKeys",
        ),
        (
            json!({"$setElementOrder/containers": [{"name": "b"}], "containers": [{"name": "a"}]}),
            400,
            "doesn't match $setElementOrder list",
        ),
    ];
    let current = json!({"containers": [container("a", "x")], "securityContext": {"a": 1}});
    for (patch, code, said) in cases {
        let status = pod(current.clone(), patch.clone()).unwrap_err();
        assert_eq!(status.code, code, "{patch}");
        assert!(status.message.contains(said), "{}", status.message);
    }
}
