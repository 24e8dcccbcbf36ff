//! What it takes to bring one object from how it is to how it was.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// Metadata that the cluster writes: an object that is there keeps it, one that is made again gets its own.
const OURS: [&str; 8] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "managedFields",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Create(Value),
    /// As it is, and as it shall be.
    Update(Value, Value),
    Delete(Value),
}

impl Step {
    /// A member of a transaction, with what it expects.
    pub(super) fn write(&self) -> Value {
        match self {
            Step::Create(object) => json!({ "verb": "create", "object": object }),
            Step::Update(_, object) => json!({ "verb": "update", "object": object }),
            Step::Delete(object) => {
                let meta = &object["metadata"];
                let expected = json!({ "uid": meta["uid"], "resourceVersion": meta["resourceVersion"] });
                json!({ "verb": "delete", "object": object, "options": { "preconditions": expected } })
            }
        }
    }

    pub(super) fn makes_a_service(&self) -> bool {
        matches!(self, Step::Create(object) if object["kind"] == "Service")
    }

    pub(super) fn object(&self) -> String {
        let (Step::Create(object) | Step::Update(object, _) | Step::Delete(object)) = self;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        format!("{}/{}", text(&object["kind"]).to_lowercase(), text(&object["metadata"]["name"]))
    }

    pub(super) fn done(&self) -> &'static str {
        match self {
            Step::Create(_) => "made again",
            Step::Update(..) => "put back",
            Step::Delete(_) => "deleted",
        }
    }

    /// The top fields that change: `spec.replicas`, `metadata.labels` …
    pub(super) fn fields(&self) -> Vec<String> {
        let Step::Update(is, shall) = self else { return Vec::new() };
        let mut fields = Vec::new();
        for (field, one, other) in differing(is, shall) {
            match (one.is_object(), other.is_object()) {
                (true, true) => {
                    fields.extend(
                        differing(one, other).into_iter().map(|(part, ..)| format!("{field}.{part}")),
                    );
                }
                _ => fields.push(field.to_owned()),
            }
        }
        fields
    }
}

/// What differs between two objects, by field.
fn differing<'a>(one: &'a Value, other: &'a Value) -> Vec<(&'a str, &'a Value, &'a Value)> {
    let keys = |value: &'a Value| value.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    let all: std::collections::BTreeSet<&str> = keys(one).chain(keys(other)).collect();
    all.into_iter().map(|key| (key, &one[key], &other[key])).filter(|(_, one, other)| one != other).collect()
}

/// The step for one object; none when it is as it was.
pub(super) fn between(was: Option<Value>, is: Option<Value>) -> Result<Option<Step>> {
    Ok(match (was, is) {
        (Some(was), Some(is)) => {
            let name = is["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            ensure!(
                is["metadata"]["deletionTimestamp"].is_null(),
                "{name} is being deleted: wait until it is gone"
            );
            let shall = put_back(&was, &is);
            (shall != is).then_some(Step::Update(is, shall))
        }
        (Some(was), None) => Some(Step::Create(made_again(&was))),
        (None, Some(is)) => Some(Step::Delete(is)),
        (None, None) => None,
    })
}

/// The steps for all objects of one type that belong to nobody.
pub(super) fn between_all(
    mut was: BTreeMap<String, Value>,
    is: BTreeMap<String, Value>,
) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for (name, is) in is {
        let was = was.remove(&name).filter(is_its_own);
        if is_its_own(&is) {
            steps.extend(between(was, Some(is))?);
        }
    }
    for (_, was) in was.into_iter().filter(|(_, was)| is_its_own(was)) {
        steps.extend(between(Some(was), None)?);
    }
    Ok(steps)
}

/// Nobody else makes or ends it.
fn is_its_own(object: &Value) -> bool {
    object["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty)
}

/// Whose it is: `replicaset/web-5d`.
pub(super) fn controller(object: &Value) -> Option<String> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    let text = |field: &str| owner[field].as_str().unwrap_or_default();
    Some(format!("{}/{}", text("kind").to_lowercase(), text("name")))
}

/// As it was, but for what the cluster says.
fn put_back(was: &Value, is: &Value) -> Value {
    let mut shall = was.clone();
    for field in OURS {
        take_over(&mut shall["metadata"], &is["metadata"], field);
    }
    take_over(&mut shall, is, "status");
    shall
}

fn take_over(shall: &mut Value, is: &Value, field: &str) {
    let Some(shall) = shall.as_object_mut() else { return };
    match is.get(field) {
        Some(value) => shall.insert(field.to_owned(), value.clone()),
        None => shall.remove(field),
    };
}

fn made_again(was: &Value) -> Value {
    let mut object = was.clone();
    for field in OURS {
        take_over(&mut object["metadata"], &Value::Null, field);
    }
    take_over(&mut object, &Value::Null, "status");
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web(revision: u64, replicas: i64) -> Value {
        json!({"kind": "Deployment", "apiVersion": "apps/v1",
            "metadata": {"name": "web", "uid": "u", "resourceVersion": revision.to_string(), "generation": revision},
            "spec": {"replicas": replicas, "paused": false}, "status": {"replicas": replicas}})
    }

    #[test]
    fn what_people_wrote_is_put_back_and_what_the_cluster_says_stays() {
        let step = between(Some(web(1, 3)), Some(web(9, 5))).expect("it can be").expect("it differs");
        assert_eq!(step.fields(), ["spec.replicas"]);
        let write = step.write();
        assert_eq!(write["verb"], "update");
        assert_eq!(write["object"]["metadata"]["resourceVersion"], "9");
        assert_eq!(
            (&write["object"]["spec"]["replicas"], &write["object"]["status"]["replicas"]),
            (&json!(3), &json!(5))
        );
        let mut was = web(1, 3);
        was["status"] = json!({});
        assert_eq!(between(Some(was), Some(web(9, 3))).expect("it can be"), None);
    }

    #[test]
    fn what_is_gone_is_made_again_and_what_was_not_there_goes() {
        let made = between(Some(web(1, 3)), None).expect("it can be").expect("it is gone").write();
        assert_eq!(made["verb"], "create");
        assert_eq!(made["object"]["metadata"], json!({"name": "web"}));
        assert!(made["object"].get("status").is_none());
        let gone = between(None, Some(web(9, 5))).expect("it can be").expect("it came").write();
        assert_eq!(gone["options"]["preconditions"], json!({"uid": "u", "resourceVersion": "9"}));
        let mut ending = web(9, 5);
        ending["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert!(between(Some(web(1, 3)), Some(ending)).is_err());
    }

    #[test]
    fn what_belongs_to_another_follows_that_one() {
        let mut child = web(9, 5);
        child["metadata"]["ownerReferences"] =
            json!([{"kind": "App", "name": "a", "uid": "o", "controller": true}]);
        assert_eq!(controller(&child).as_deref(), Some("app/a"));
        let all = |object: Value| BTreeMap::from([("web".to_owned(), object)]);
        assert_eq!(between_all(all(web(1, 3)), all(child)).expect("it can be"), []);
        assert_eq!(between_all(BTreeMap::new(), all(web(9, 3))).expect("it can be").len(), 1);
    }
}
