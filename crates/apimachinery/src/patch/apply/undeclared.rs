//! What an applied object says that its schema doesn't declare: it can't be owned, so the apply is refused, whatever
//! the request asks of validation (`structured-merge-diff/typed/tofrom.go`, `managedfields/internal/structuredmerge.go`).

use serde_json::{Map, Value};

use super::shape::Shape;
use crate::json::text;
use crate::registry::Resource;
use crate::status::Status;

/// 500, as upstream's, for the fields at these paths, as `spec.containers[0].foo`.
pub(crate) fn refuse(resource: &Resource, wanted: &Value, paths: &[String]) -> Status {
    let told = |path: &String| {
        let at = owned_path(wanted, Shape::of(resource), path).unwrap_or_else(|| format!(".{path}"));
        format!("{at}: field not declared in schema")
    };
    let told = match paths {
        [one] => told(one),
        many => format!("errors:\n  {}", many.iter().map(told).collect::<Vec<_>>().join("\n  ")),
    };
    let metadata = &wanted["metadata"];
    Status::unclassified(format!(
        "failed to create typed patch object ({}/{}; {}/{}, Kind={}): {told}",
        text(metadata, "namespace"),
        text(metadata, "name"),
        resource.group,
        resource.version,
        resource.kind
    ))
}

/// The path with list elements by what tells them apart: `.spec.containers[name="web"].foo`.
fn owned_path(value: &Value, shape: Shape<'_>, path: &str) -> Option<String> {
    if path.is_empty() {
        return Some(String::new());
    }
    match value {
        Value::Object(map) => {
            let path = path.strip_prefix('.').unwrap_or(path);
            let (name, rest) = step_into(map, path)?;
            Some(format!(".{name}{}", owned_path(&map[name], shape.field(name), rest)?))
        }
        Value::Array(list) => {
            let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
            let element = list.get(index.parse::<usize>().ok()?)?;
            let place = shape.step(element).map_or_else(|| index.to_owned(), |step| by_key(&step));
            Some(format!("[{place}]{}", owned_path(element, shape.element(), rest)?))
        }
        _ => None,
    }
}

/// The longest key that the path begins with: keys of maps have dots in them.
fn step_into<'a>(map: &'a Map<String, Value>, path: &'a str) -> Option<(&'a str, &'a str)> {
    let step = |name: &'a String| {
        let rest = path.strip_prefix(name.as_str())?;
        (rest.is_empty() || rest.starts_with(['.', '['])).then_some((name.as_str(), rest))
    };
    map.keys().filter_map(step).max_by_key(|(name, _)| name.len())
}

/// `name="web"` or `="a"`, as `fieldpath.PathElement` writes them.
fn by_key(step: &str) -> String {
    match step.split_once(':') {
        Some(("k", keys)) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            keys.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
        }
        Some((_, value)) => format!("={value}"),
        None => step.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::decode;
    use crate::registry::Registry;

    fn refusal(object: serde_json::Value) -> (u16, String) {
        let registry = Registry::builtin();
        let resource = registry.by_kind("apps", "v1", "Deployment").expect("it is built in");
        let status = decode::applied(object, &resource).expect_err("it has fields nobody declared");
        (status.code, status.message)
    }

    #[test]
    fn an_undeclared_field_is_told_by_the_path_that_managers_would_own() {
        let deployment = |containers: serde_json::Value, more: serde_json::Value| {
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
                   "spec": {"template": {"spec": {"containers": containers}}}, "extra": more})
        };
        let one = deployment(json!([{"name": "a"}, {"name": "b", "imagee": "x"}]), json!(null));
        let head = "failed to create typed patch object (default/web; apps/v1, Kind=Deployment): ";
        let of_b = ".spec.template.spec.containers[name=\"b\"].imagee: field not declared in schema";
        let (code, message) = refusal({
            let mut one = one.clone();
            one.as_object_mut().expect("an object").remove("extra");
            one
        });
        assert_eq!((code, message), (500, format!("{head}{of_b}")));
        let (_, message) = refusal(one);
        assert_eq!(message, format!("{head}errors:\n  .extra: field not declared in schema\n  {of_b}"));
    }
}
