//! JSON Merge Patch (RFC 7386): an object like the target, in which null means away with it.

use serde_json::Value;

use crate::status::Status;

/// Merges `patch` into the current object.
///
/// # Errors
/// 400 when it is no JSON object.
pub fn merge(current: &Value, patch: &Value) -> Result<Value, Status> {
    if !patch.is_object() {
        return Err(Status::bad_request("error decoding patch: a merge patch is a JSON object"));
    }
    let mut patched = current.clone();
    json_patch::merge(&mut patched, patch);
    Ok(patched)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn maps_are_merged_lists_replaced_and_nulls_taken_away() {
        let current = json!({"a": {"b": 1, "c": 2}, "list": [1, 2], "gone": {"x": 1}});
        let patch = json!({"a": {"c": null, "d": {"e": null, "f": 1}}, "list": [3], "gone": null});
        assert_eq!(merge(&current, &patch).unwrap(), json!({"a": {"b": 1, "d": {"f": 1}}, "list": [3]}));
        assert_eq!(merge(&current, &json!([])).unwrap_err().code, 400);
    }
}
