//! Cases as data: `cases/*.yaml` are stories of requests and what has to be answered, field by field. `{ns}` is a
//! namespace of the story's own; `{name}` is what an earlier step kept under that name.
//!
//! A step's `want` names the fields that the answer has to have; a field that is `~absent` must not be there.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::cluster::Cluster;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// `GET /api/v1/…`
    ask: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Sent as JSON; a text is sent as it is.
    #[serde(default)]
    body: Value,
    code: u16,
    #[serde(default)]
    want: Value,
    #[serde(default)]
    want_headers: BTreeMap<String, String>,
    /// Name → JSON pointer into the answer.
    #[serde(default)]
    keep: BTreeMap<String, String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_story_is_answered_as_upstream_answers_it() {
    let cluster = Cluster::start().await;
    let client = cluster.admin();
    let mut wrong = Vec::new();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/cases");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let stories: BTreeMap<String, Vec<Step>> =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for (number, (name, steps)) in stories.into_iter().enumerate() {
            let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
            wrong.extend(told(&client, &format!("{stem}-{number}"), &name, steps).await);
        }
    }
    cluster.stop().await;
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

async fn told(client: &Client, namespace: &str, name: &str, steps: Vec<Step>) -> Vec<String> {
    let made = client.post("/api/v1/namespaces", &json!({"metadata": {"name": namespace}})).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let mut kept = BTreeMap::from([("ns".to_owned(), namespace.to_owned())]);
    let mut wrong = Vec::new();
    for step in steps {
        let answer = asked(client, &step, &kept).await;
        let mut faults = Vec::new();
        if answer.code != step.code {
            faults.push(format!("code {} instead of {}: {}", answer.code, step.code, answer.text()));
        }
        let found = answer.json();
        let want: Value = serde_json::from_str(&filled(&step.want.to_string(), &kept)).unwrap();
        differences("", &found, &want, &mut faults);
        for (header, value) in &step.want_headers {
            let got: Vec<&str> =
                answer.headers.get_all(header).iter().filter_map(|value| value.to_str().ok()).collect();
            if got.join(", ") != filled(value, &kept) {
                faults.push(format!("header {header} is {got:?} instead of {value:?}"));
            }
        }
        for (name, pointer) in &step.keep {
            let value = found.pointer(pointer).cloned().unwrap_or_default();
            kept.insert(name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        wrong.extend(faults.iter().map(|fault| format!("{name}\n  {}\n    {fault}", step.ask)));
    }
    wrong
}

async fn asked(client: &Client, step: &Step, kept: &BTreeMap<String, String>) -> Answer {
    let (method, path) = step.ask.split_once(' ').unwrap();
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut headers: Vec<(&str, &str)> = step.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    if !step.headers.contains_key("content-type") {
        headers.push(("content-type", "application/json"));
    }
    let body = match &step.body {
        Value::Null => Bytes::new(),
        Value::String(text) => Bytes::from(filled(text, kept)),
        value => Bytes::from(filled(&value.to_string(), kept)),
    };
    client.ask(method, &filled(path, kept), &headers, body).await
}

fn filled(text: &str, kept: &BTreeMap<String, String>) -> String {
    kept.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// What of `want` isn't so in `found`. Lists have to be as long; objects may have more.
fn differences(path: &str, found: &Value, want: &Value, faults: &mut Vec<String>) {
    match (found, want) {
        (_, Value::Null) => {}
        (found, Value::String(want)) if want == "~absent" => {
            if !found.is_null() {
                faults.push(format!("{path} is there: {found}"));
            }
        }
        (found, Value::String(want)) if want == "~present" => {
            if found.is_null() {
                faults.push(format!("{path} is not there"));
            }
        }
        (Value::Object(found), Value::Object(want)) => {
            for (name, want) in want {
                differences(&format!("{path}.{name}"), found.get(name).unwrap_or(&Value::Null), want, faults);
            }
        }
        (Value::Array(found), Value::Array(want)) if found.len() == want.len() => {
            for (index, (found, want)) in found.iter().zip(want).enumerate() {
                differences(&format!("{path}[{index}]"), found, want, faults);
            }
        }
        (found, want) if found == want => {}
        (found, want) => faults.push(format!("{path} is {found} instead of {want}")),
    }
}
