//! JSON Patch (RFC 6902).

use serde_json::Value;

use crate::status::Status;

/// More operations than this are refused (`maxJSONPatchOperations`).
const OPERATIONS_MAX: usize = 10_000;

/// Carries out the operations of `patch` in their order, all or none.
///
/// # Errors
/// 400 when it is no list of operations, 413 when it is too long, 422 when a path is not there or a test fails.
pub fn json(current: &Value, patch: &Value) -> Result<Value, Status> {
    let count = patch.as_array().map_or(0, Vec::len);
    if count > OPERATIONS_MAX {
        return Err(Status::too_large(&format!(
            "The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {count}"
        )));
    }
    let operations: json_patch::Patch = serde_json::from_value(patch.clone())
        .map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?;
    let mut patched = current.clone();
    json_patch::patch(&mut patched, &operations).map_err(|_| Status::patch_failed())?;
    Ok(patched)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as value;

    #[test]
    fn operations_are_carried_out_in_their_order() {
        let current = value!({"a": {"b": [1, 2]}, "x": 1});
        let patch = value!([
            {"op": "test", "path": "/x", "value": 1},
            {"op": "add", "path": "/a/b/-", "value": 3},
            {"op": "remove", "path": "/x"},
            {"op": "replace", "path": "/a/b/0", "value": 9},
            {"op": "copy", "from": "/a/b/0", "path": "/y"},
            {"op": "move", "from": "/y", "path": "/z~1z"},
        ]);
        assert_eq!(json(&current, &patch).unwrap(), value!({"a": {"b": [9, 2, 3]}, "z/z": 9}));
    }

    #[test]
    fn what_cannot_be_carried_out_is_refused_and_changes_nothing() {
        let current = value!({"a": 1});
        let test = json(&current, &value!([{"op": "test", "path": "/a", "value": 2}])).unwrap_err();
        assert_eq!(test.code, 422);
        assert_eq!(test.message, "the server rejected our request due to an error in our request");
        assert_eq!(json(&current, &value!([{"op": "remove", "path": "/b"}])).unwrap_err().code, 422);
        assert_eq!(json(&current, &value!({"op": "add"})).unwrap_err().code, 400);
        let many: Vec<Value> = vec![value!({"op": "test", "path": "/a", "value": 1}); 10_001];
        assert_eq!(json(&current, &Value::Array(many)).unwrap_err().code, 413);
    }
}
