//! ConversionReview: what the webhook of a definition is asked, and what of its answer is believed
//! (upstream: `k8s.io/apiextensions-apiserver/pkg/apiserver/conversion/webhook_converter.go`).
//!
//! A webhook may change anything but who an object is: kind, name, namespace and uid stay, and of its metadata only
//! labels and annotations are taken from the answer.

use serde_json::{Map, Value, json};

use super::go_type;
use crate::json::{items, text};
use crate::status::{FieldError, Path, quoted};
use crate::tables::split_api_version;
use crate::validation::{annotations, labels};

const GROUP_VERSIONS: [(&str, &str); 2] =
    [("v1", "apiextensions.k8s.io/v1"), ("v1beta1", "apiextensions.k8s.io/v1beta1")];

/// One question: these objects, in that version.
#[derive(Debug)]
pub struct Review {
    /// The version that the review itself is written in.
    api_version: &'static str,
    uid: String,
    /// `group/version`
    desired: String,
    objects: Vec<Value>,
}

impl Review {
    /// A question to the `webhook` of a definition, in the first of its `conversionReviewVersions` that is known here.
    /// There is at least one object.
    ///
    /// # Errors
    /// When none of those versions is known.
    pub fn of(webhook: &Value, uid: String, desired: String, objects: Vec<Value>) -> Result<Review, String> {
        let listed = items(&webhook["conversionReviewVersions"]).iter().filter_map(Value::as_str);
        let known = |version: &str| GROUP_VERSIONS.into_iter().find(|(name, _)| *name == version);
        match listed.filter_map(known).next() {
            Some((_, api_version)) => Ok(Review { api_version, uid, desired, objects }),
            None => Err("no supported conversion review versions".to_owned()),
        }
    }

    /// What is sent.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let request = json!({ "uid": self.uid, "desiredAPIVersion": self.desired, "objects": self.objects });
        let review =
            json!({ "kind": "ConversionReview", "apiVersion": self.api_version, "request": request });
        review.to_string().into_bytes()
    }

    /// `conversion webhook for example.com/v1, Kind=CronTab failed: why`: when there is no answer.
    #[must_use]
    pub fn failed(&self, why: &str) -> String {
        format!("{} failed: {why}", self.subject())
    }

    /// The objects of an answer, each in the place of the one that was sent.
    ///
    /// # Errors
    /// In upstream's words, when the answer says that it failed, or can't be one to this question.
    pub fn answered(&self, answer: &[u8]) -> Result<Vec<Value>, String> {
        let converted = self.converted(answer).map_err(|why| self.failed(&why))?;
        if converted.len() != self.objects.len() {
            let (found, sent) = (converted.len(), self.objects.len());
            return Err(format!("{} returned {found} objects, expected {sent}", self.subject()));
        }
        let checked = converted.into_iter().enumerate();
        checked.map(|(index, object)| self.checked(index, object)).collect()
    }

    fn subject(&self) -> String {
        format!("conversion webhook for {}", self.objects.first().map(kind_of).unwrap_or_default())
    }

    fn converted(&self, answer: &[u8]) -> Result<Vec<Value>, String> {
        let mut review: Value = serde_json::from_slice(answer)
            .map_err(|error| format!("couldn't get version/kind; json parse error: {error}"))?;
        if review["kind"] == "Status" && review["apiVersion"] == "v1" && review["status"] != "Success" {
            return Err(text(&review, "message").to_owned());
        }
        // An answer of v1beta1 is taken for one whatever it says of itself, and to whom.
        let is_strict = self.api_version == GROUP_VERSIONS[0].1;
        let expected = format!("{}, Kind=ConversionReview", self.api_version);
        if is_strict && kind_of(&review) != expected {
            return Err(format!("expected webhook response of {expected}, got {}", kind_of(&review)));
        }
        let response = &mut review["response"];
        if !response.is_object() {
            return Err("no response provided".to_owned());
        }
        if is_strict && text(response, "uid") != self.uid {
            let (expected, found) = (quoted(&self.uid), quoted(text(response, "uid")));
            return Err(format!("expected response.uid={expected}, got {found}"));
        }
        match (text(&response["result"], "status"), text(&response["result"], "message")) {
            ("Success", _) => {}
            (status, "") => return Err(format!("response.result.status was '{status}', not 'Success'")),
            (_, message) => return Err(message.to_owned()),
        }
        match response["convertedObjects"].take() {
            Value::Array(objects) => Ok(objects),
            _ => Ok(Vec::new()),
        }
    }

    /// A converted object with the metadata of the one that was sent, or why it can't be the same one.
    fn checked(&self, index: usize, mut object: Value) -> Result<Value, String> {
        let original = &self.objects[index];
        let is_alone = self.objects.len() == 1;
        let (what, place, where_meta) = match is_alone {
            true => ("object", String::new(), String::new()),
            false => {
                ("converted object", format!(" at index {index}"), format!(" in object at index {index}"))
            }
        };
        let invalid = |why: String| format!("{} returned invalid {what}{place}: {why}", self.subject());
        if text(&object, "kind").is_empty() {
            return Err(invalid(format!("Object 'Kind' is missing in '{object}'")));
        }
        let misplaced =
            |why: String| format!("{} returned invalid {what} at index {index}: {why}", self.subject());
        if text(&object, "apiVersion") != self.desired {
            let found = text(&object, "apiVersion");
            let why = format!("invalid groupVersion (expected {}, received {found})", self.desired);
            return Err(misplaced(why));
        }
        if object["kind"] != original["kind"] {
            let (expected, found) = (text(original, "kind"), text(&object, "kind"));
            return Err(misplaced(format!("invalid kind (expected {expected}, received {found})")));
        }
        same(original, &object).map_err(invalid)?;
        restore(original, &mut object)
            .map_err(|why| format!("{} returned invalid metadata{where_meta}: {why}", self.subject()))?;
        Ok(object)
    }
}

/// `example.com/v1, Kind=CronTab`
fn kind_of(object: &Value) -> String {
    let (group, version) = split_api_version(text(object, "apiVersion"));
    format!("{group}/{version}, Kind={}", text(object, "kind"))
}

fn same(original: &Value, converted: &Value) -> Result<(), String> {
    for (field, noun) in [("name", "name"), ("namespace", "namespace"), ("uid", "UID")] {
        let (one, other) = (text(&original["metadata"], field), text(&converted["metadata"], field));
        if one != other {
            return Err(format!("must have the same {noun}: {one} != {other}"));
        }
    }
    Ok(())
}

/// Gives a converted object the original's metadata, with its own labels and annotations.
fn restore(original: &Value, converted: &mut Value) -> Result<(), String> {
    let told = match converted.get_mut("metadata") {
        None => return Err("missing metadata in converted object".to_owned()),
        Some(metadata) if metadata.is_object() => metadata.take(),
        Some(other) => {
            return Err(format!("invalid metadata of type {} in converted object", go_type(other)));
        }
    };
    let mut metadata = original["metadata"].as_object().cloned().unwrap_or_default();
    for field in ["labels", "annotations"] {
        match &told[field] {
            Value::Null => {
                metadata.remove(field);
            }
            Value::Object(map) => {
                check_texts(field, map, &original["metadata"][field])?;
                metadata.insert(field.to_owned(), told[field].clone());
            }
            other => {
                let found = go_type(other);
                return Err(format!("invalid metadata.{field} of type {found} in converted object"));
            }
        }
    }
    converted["metadata"] = Value::Object(metadata);
    Ok(())
}

fn check_texts(field: &str, told: &Map<String, Value>, before: &Value) -> Result<(), String> {
    if let Some((key, value)) = told.iter().find(|(_, value)| !value.is_string()) {
        let found = go_type(value);
        return Err(format!("metadata.{field}[{key}] must be a string, but is {found} in converted object"));
    }
    if before.as_object().unwrap_or(&Map::new()) == told {
        return Ok(());
    }
    let (map, metadata) = (Value::Object(told.clone()), Path::of("metadata"));
    let mut errors = Vec::new();
    match field {
        "labels" => labels(&map, &metadata.child("labels"), &mut errors),
        // Upstream names this path so.
        _ => annotations(&map, &metadata.child("annotation"), &mut errors),
    }
    match errors.as_slice() {
        [] => Ok(()),
        [one] => Err(one.to_string()),
        many => Err(format!("[{}]", many.iter().map(FieldError::to_string).collect::<Vec<_>>().join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(version: &str, name: &str) -> Value {
        json!({"kind": "CronTab", "apiVersion": format!("example.com/{version}"), "metadata": {
            "name": name, "namespace": "a", "uid": "u", "resourceVersion": "7", "labels": {"x": "y"},
            "managedFields": [{"manager": "m"}],
        }, "spec": {"at": "* *"}})
    }

    fn review(objects: Vec<Value>) -> Review {
        let webhook = json!({"conversionReviewVersions": ["v9", "v1", "v1beta1"]});
        Review::of(&webhook, "id".to_owned(), "example.com/v2".to_owned(), objects).unwrap()
    }

    fn answer(objects: &[Value]) -> Value {
        json!({"kind": "ConversionReview", "apiVersion": "apiextensions.k8s.io/v1", "response": {
            "uid": "id", "result": {"status": "Success"}, "convertedObjects": objects,
        }})
    }

    fn with(mut value: Value, pointer: &str, new: Value) -> Value {
        *value.pointer_mut(pointer).unwrap() = new;
        value
    }

    #[test]
    fn a_question_is_written_in_the_first_version_that_both_know() {
        let body: Value = serde_json::from_slice(&review(vec![object("v1", "a")]).body()).unwrap();
        assert_eq!(
            (&body["apiVersion"], &body["request"]["desiredAPIVersion"], &body["request"]["uid"]),
            (&json!("apiextensions.k8s.io/v1"), &json!("example.com/v2"), &json!("id"))
        );
        assert_eq!(body["request"]["objects"][0]["metadata"]["name"], "a");
        let unknown = Review::of(
            &json!({"conversionReviewVersions": ["v9"]}),
            String::new(),
            String::new(),
            vec![object("v1", "a")],
        );
        assert_eq!(unknown.unwrap_err(), "no supported conversion review versions");
    }

    #[test]
    fn labels_and_annotations_are_believed_and_no_other_metadata() {
        let mut told = object("v2", "a");
        told["spec"] = json!({"schedule": "* *"});
        told["metadata"] =
            json!({"name": "a", "namespace": "a", "uid": "u", "annotations": {"n": "o"}, "generation": 9});
        let converted = review(vec![object("v1", "a")]).answered(answer(&[told]).to_string().as_bytes());
        assert_eq!(
            converted.unwrap(),
            [json!({"kind": "CronTab", "apiVersion": "example.com/v2", "metadata": {
                "name": "a", "namespace": "a", "uid": "u", "resourceVersion": "7", "annotations": {"n": "o"},
                "managedFields": [{"manager": "m"}],
            }, "spec": {"schedule": "* *"}})]
        );
    }

    #[test]
    fn an_answer_that_is_none_is_refused_in_upstreams_words() {
        let good = answer(&[object("v2", "a")]);
        let meta = "/response/convertedObjects/0/metadata";
        let cases = [
            (
                with(good.clone(), "/response/uid", json!("other")),
                " failed: expected response.uid=\"id\", got \"other\"",
            ),
            (with(good.clone(), "/response", json!(null)), " failed: no response provided"),
            (
                with(good.clone(), "/apiVersion", json!("apiextensions.k8s.io/v1beta1")),
                " failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got \
                 apiextensions.k8s.io/v1beta1, Kind=ConversionReview",
            ),
            (
                with(
                    good.clone(),
                    "/response/result",
                    json!({"status": "Failure", "message": "no such hour"}),
                ),
                " failed: no such hour",
            ),
            (
                with(good.clone(), "/response/result", json!({})),
                " failed: response.result.status was '', not 'Success'",
            ),
            (
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "busy"}),
                " failed: busy",
            ),
            (answer(&[]), " returned 0 objects, expected 1"),
            (
                answer(&[object("v3", "a")]),
                " returned invalid object at index 0: invalid groupVersion (expected example.com/v2, received example.com/v3)",
            ),
            (
                with(good.clone(), "/response/convertedObjects/0/kind", json!("Tab")),
                " returned invalid object at index 0: invalid kind (expected CronTab, received Tab)",
            ),
            (answer(&[object("v2", "b")]), " returned invalid object: must have the same name: a != b"),
            (
                with(good.clone(), &format!("{meta}/uid"), json!("")),
                " returned invalid object: must have the same UID: u != ",
            ),
            (
                with(good.clone(), &format!("{meta}/labels"), json!([])),
                " returned invalid metadata: invalid metadata.labels of type []interface {} in converted object",
            ),
            (
                with(good.clone(), &format!("{meta}/labels"), json!({"x": 1})),
                " returned invalid metadata: metadata.labels[x] must be a string, but is int64 in converted object",
            ),
            (
                with(good, &format!("{meta}/labels"), json!({"-": "y"})),
                " returned invalid metadata: metadata.labels: Invalid value: \"-\": name part must consist of \
                 alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. \
                 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
                 '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
            ),
        ];
        for (answer, words) in cases {
            let refused = review(vec![object("v1", "a")]).answered(answer.to_string().as_bytes());
            let expected = format!("conversion webhook for example.com/v1, Kind=CronTab{words}");
            assert_eq!(refused.unwrap_err(), expected);
        }
    }

    #[test]
    fn of_many_objects_the_wrong_one_is_named() {
        let asked = || review(vec![object("v1", "a"), object("v1", "b")]);
        let told = answer(&[object("v2", "a"), object("v2", "x")]).to_string();
        assert_eq!(
            asked().answered(told.as_bytes()).unwrap_err(),
            "conversion webhook for example.com/v1, Kind=CronTab returned invalid converted object at index 1: must \
             have the same name: b != x"
        );
        let nameless = answer(&[object("v2", "a"), with(object("v2", "b"), "/metadata/labels", json!(1))]);
        assert_eq!(
            asked().answered(nameless.to_string().as_bytes()).unwrap_err(),
            "conversion webhook for example.com/v1, Kind=CronTab returned invalid metadata in object at index 1: \
             invalid metadata.labels of type int64 in converted object"
        );
    }

    #[test]
    fn an_answer_of_the_older_version_need_not_say_whose_it_is() {
        let webhook = json!({"conversionReviewVersions": ["v1beta1"]});
        let objects = vec![object("v1", "a")];
        let review = Review::of(&webhook, "id".to_owned(), "example.com/v2".to_owned(), objects).unwrap();
        assert!(String::from_utf8(review.body()).unwrap().contains("apiextensions.k8s.io/v1beta1"));
        let told =
            json!({"response": {"result": {"status": "Success"}, "convertedObjects": [object("v2", "a")]}});
        assert_eq!(review.answered(told.to_string().as_bytes()).unwrap()[0]["apiVersion"], "example.com/v2");
    }
}
