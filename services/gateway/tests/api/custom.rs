//! Custom resources: from the definition to the last object's end, as clients see it.

use http::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::cluster::Cluster;
use crate::kubectl::Kubectl;

pub(crate) const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const TABS: &str = "/apis/example.com/v1/namespaces/default/crontabs";

/// A CronTab: every kind of field, both subresources, columns, selectable fields, names.
const DEFINITION: &str = r##"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale:
        specReplicasPath: .spec.replicas
        statusReplicasPath: .status.replicas
        labelSelectorPath: .status.labelSelector
    additionalPrinterColumns:
    - {name: Spec, type: string, jsonPath: .spec.cronSpec, description: When}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    selectableFields:
    - jsonPath: .spec.cronSpec
    schema:
      openAPIV3Schema:
        type: object
        description: A table of times.
        properties:
          spec:
            type: object
            required: [cronSpec]
            properties:
              cronSpec: {type: string, description: Minute and hour., pattern: "^[0-9*]+ [0-9*]+$"}
              image: {type: string, default: cron}
              replicas: {type: integer, minimum: 1, maximum: 10, default: 1}
              extra: {type: object, x-kubernetes-preserve-unknown-fields: true}
              port: {x-kubernetes-int-or-string: true}
              note: {type: string, nullable: true}
              steps:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items:
                  type: object
                  required: [name]
                  properties:
                    name: {type: string}
                    run: {type: string}
          status:
            type: object
            properties:
              replicas: {type: integer}
              labelSelector: {type: string}
"##;

fn definition() -> Value {
    serde_saphyr::from_str(DEFINITION).unwrap()
}

pub(crate) async fn establish(client: &Client, definition: &Value) {
    let made = client.post(DEFINITIONS, definition).await;
    assert_eq!(made.code, 201, "{}", made.text());
    established(client, definition["metadata"]["name"].as_str().unwrap()).await;
}

async fn established(client: &Client, name: &str) -> Value {
    until(client, name, |definition| condition(definition, "Established") == Some("True".to_owned())).await
}

async fn until(client: &Client, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..2_000 {
        let found = client.get(&format!("{DEFINITIONS}/{name}")).await.json();
        if is_so(&found) {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{name} never came to it: {}", client.get(DEFINITIONS).await.text());
}

fn condition(definition: &Value, kind: &str) -> Option<String> {
    let conditions = definition["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == kind)?;
    Some(found["status"].as_str()?.to_owned())
}

fn tab(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "CronTab", "metadata": {"name": name}, "spec": spec})
}

async fn patch(client: &Client, kind: &str, path: &str, body: &str) -> Answer {
    client.ask(Method::PATCH, path, &[("content-type", kind)], body.to_owned().into()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_resource_is_served_like_any_other() {
    let cluster = Cluster::with_controllers().await;
    let client = cluster.admin();
    assert_eq!(client.get(TABS).await.code, 404);
    establish(&client, &definition()).await;

    // Discovery, at once.
    let listed = client.get("/apis/example.com/v1").await.json();
    let names: Vec<&str> =
        listed["resources"].as_array().unwrap().iter().filter_map(|r| r["name"].as_str()).collect();
    assert_eq!(names, ["crontabs", "crontabs/status", "crontabs/scale"]);
    assert_eq!(listed["resources"][0]["shortNames"], json!(["ct"]));
    assert_eq!(listed["resources"][0]["categories"], json!(["all"]));
    assert_eq!(client.get("/apis/example.com").await.json()["preferredVersion"]["version"], "v1");
    let document = client.get("/openapi/v3/apis/example.com/v1").await.json();
    let schema = &document["components"]["schemas"]["com.example.v1.CronTab"];
    assert_eq!(schema["properties"]["spec"]["properties"]["cronSpec"]["description"], "Minute and hour.");
    assert_eq!(schema["x-kubernetes-group-version-kind"][0]["kind"], "CronTab");
    let old = client.get("/openapi/v2").await.json();
    assert!(old["definitions"]["com.example.v1.CronTab"]["properties"]["spec"].is_object());

    // Made: defaulted and pruned.
    let mut watch = client.watch(&format!("{TABS}?watch=1")).await;
    let made = client
        .post(TABS, &tab("a", json!({"cronSpec": "* *", "unknown": 1, "extra": {"x": [1]}, "port": "http"})))
        .await;
    assert_eq!(made.code, 201, "{}", made.text());
    assert_eq!(made.headers["warning"], "299 - \"unknown field \\\"spec.unknown\\\"\"");
    let made = made.json();
    assert_eq!(
        made["spec"],
        json!({"cronSpec": "* *", "image": "cron", "replicas": 1, "extra": {"x": [1]}, "port": "http"})
    );
    assert_eq!((&made["metadata"]["generation"], &made["status"]), (&json!(1), &Value::Null));
    assert_eq!(watch.told().await, "ADDED a");

    // Refused, in upstream's words.
    let wrong = client.post(TABS, &tab("b", json!({"cronSpec": "x", "replicas": 11, "note": 7}))).await;
    assert_eq!(wrong.code, 422);
    assert_eq!(
        wrong.json()["message"],
        "CronTab.example.com \"b\" is invalid: [spec.cronSpec: Invalid value: \"x\": spec.cronSpec in body should match '^[0-9*]+ [0-9*]+$', spec.note: Invalid value: \"integer\": spec.note in body must be of type string: \"integer\", spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10]"
    );
    let missing = client.post(TABS, &tab("b", json!({}))).await;
    assert_eq!(
        missing.json()["message"],
        "CronTab.example.com \"b\" is invalid: spec.cronSpec: Required value"
    );
    let strict = client
        .post(&format!("{TABS}?fieldValidation=Strict"), &tab("b", json!({"cronSpec": "* *", "foo": 1})))
        .await;
    assert_eq!(
        (strict.code, strict.json()["message"].as_str().unwrap()),
        (
            400,
            "CronTab in version \"v1\" cannot be handled as a CronTab: strict decoding error: unknown field \"spec.foo\""
        )
    );

    // Patched in every way but one.
    let a = format!("{TABS}/a");
    let strategic = patch(&client, "application/strategic-merge-patch+json", &a, "{}").await;
    assert_eq!(strategic.code, 415);
    assert_eq!(
        strategic.json()["message"],
        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    );
    let merged = client.merge(&a, &json!({"spec": {"replicas": 2, "image": null}})).await.json();
    assert_eq!((&merged["spec"]["replicas"], &merged["spec"]["image"]), (&json!(2), &json!("cron")));
    assert_eq!(merged["metadata"]["generation"], 2);
    let json_patch = r#"[{"op": "add", "path": "/spec/note", "value": null}]"#;
    let noted = patch(&client, "application/json-patch+json", &a, json_patch).await.json();
    assert_eq!(noted["spec"].get("note"), Some(&Value::Null));
    assert_eq!(watch.told().await, "MODIFIED a");

    // Status and scale are halves of their own.
    let status = client
        .merge(
            &format!("{a}/status"),
            &json!({"spec": {"replicas": 9}, "status": {"replicas": 2, "labelSelector": "a=b"}}),
        )
        .await;
    assert_eq!(status.code, 200, "{}", status.text());
    assert_eq!(status.json()["spec"]["replicas"], 2);
    let scale = client.get(&format!("{a}/scale")).await.json();
    assert_eq!(
        (&scale["spec"]["replicas"], &scale["status"]),
        (&json!(2), &json!({"replicas": 2, "selector": "a=b"}))
    );
    let scaled = client.merge(&format!("{a}/scale"), &json!({"spec": {"replicas": 4}})).await;
    assert_eq!(scaled.json()["spec"]["replicas"], 4);
    assert_eq!(client.get(&a).await.json()["spec"]["replicas"], 4);
    let unconditional = client.put(&a, &tab("a", json!({"cronSpec": "* *"}))).await;
    assert_eq!(unconditional.code, 422, "{}", unconditional.text());

    // Applied by two managers.
    let apply = |manager: &str, step: &str| {
        let (client, path) = (client.clone(), format!("{TABS}/c?fieldManager={manager}"));
        let body = json!({"apiVersion": "example.com/v1", "kind": "CronTab", "metadata": {"name": "c"},
                          "spec": {"cronSpec": "* *", "steps": [{"name": step, "run": manager}]}});
        async move { patch(&client, "application/apply-patch+yaml", &path, &body.to_string()).await }
    };
    assert_eq!(apply("one", "x").await.code, 201);
    let both = apply("two", "y").await;
    assert_eq!(both.code, 200, "{}", both.text());
    assert_eq!(both.json()["spec"]["steps"].as_array().unwrap().len(), 2);
    let conflict = apply("two", "x").await;
    assert_eq!(conflict.code, 409);
    assert!(conflict.text().contains(".spec.steps[name=\\\"x\\\"].run"), "{}", conflict.text());
    let twice =
        client.merge(&format!("{TABS}/c"), &json!({"spec": {"steps": [{"name": "x"}, {"name": "x"}]}})).await;
    assert_eq!(
        twice.json()["message"],
        "CronTab.example.com \"c\" is invalid: spec.steps[1]: Duplicate value: {\"name\":\"x\"}"
    );

    // Shown, selected.
    let accept = [("accept", "application/json;as=Table;g=meta.k8s.io;v=v1")];
    let table = client.ask(Method::GET, TABS, &accept, Default::default()).await.json();
    let headings: Vec<&str> =
        table["columnDefinitions"].as_array().unwrap().iter().filter_map(|c| c["name"].as_str()).collect();
    assert_eq!(headings, ["Name", "Spec", "Replicas", "Age"]);
    assert_eq!(table["rows"][0]["cells"].as_array().unwrap()[..3], [json!("a"), json!("* *"), json!(4)]);
    let selected = client.get(&format!("{TABS}?fieldSelector=spec.cronSpec%3D1%201")).await.json();
    assert_eq!(selected["items"], json!([]));
    let selected = client.get(&format!("{TABS}?fieldSelector=spec.cronSpec%3D*%20*")).await.json();
    assert_eq!(selected["items"].as_array().unwrap().len(), 2);
    assert_eq!(selected["items"][0]["kind"], "CronTab");
    let unknown = client.get(&format!("{TABS}?fieldSelector=spec.image%3Dx")).await;
    assert_eq!(
        (unknown.code, unknown.json()["message"].as_str().unwrap()),
        (400, "field label not supported: spec.image")
    );

    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_goes_with_its_objects_and_may_be_made_anew() {
    let cluster = Cluster::with_controllers().await;
    let client = cluster.admin();
    establish(&client, &definition()).await;
    for name in ["a", "b", "held"] {
        let mut object = tab(name, json!({"cronSpec": "* *"}));
        if name == "held" {
            object["metadata"]["finalizers"] = json!(["example.com/held"]);
        }
        assert_eq!(client.post(TABS, &object).await.code, 201);
    }
    let name = "crontabs.example.com";
    let deleted = client.delete(&format!("{DEFINITIONS}/{name}")).await.json();
    assert_eq!(deleted["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    assert_eq!(condition(&deleted, "Terminating").as_deref(), Some("True"));
    let late = client.post(TABS, &tab("late", json!({"cronSpec": "* *"}))).await;
    assert_eq!((late.code, late.json()["reason"].as_str()), (403, Some("Forbidden")), "{}", late.text());
    until_gone(&client, &format!("{TABS}/a")).await;
    assert_eq!(client.get(&format!("{TABS}/held")).await.code, 200);
    let freed = client.merge(&format!("{TABS}/held"), &json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(freed.code, 200, "{}", freed.text());
    until_gone(&client, &format!("{DEFINITIONS}/{name}")).await;
    assert_eq!(client.get(TABS).await.code, 404);
    assert_eq!(client.get("/apis/example.com").await.code, 404);

    establish(&client, &definition()).await;
    assert_eq!(client.get(TABS).await.json()["items"], json!([]));
    cluster.stop().await;
}

async fn until_gone(client: &Client, path: &str) {
    for _ in 0..2_000 {
        if client.get(path).await.code == 404 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{path} stays: {}", client.get(path).await.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_belong_to_one_definition_and_a_bad_one_is_told_why() {
    let cluster = Cluster::with_controllers().await;
    let client = cluster.admin();
    establish(&client, &definition()).await;
    let mut other = definition();
    other["metadata"]["name"] = json!("others.example.com");
    other["spec"]["names"] = json!({"plural": "others", "kind": "CronTab", "shortNames": ["ct"]});
    assert_eq!(client.post(DEFINITIONS, &other).await.code, 201);
    let refused = until(&client, "others.example.com", |found| {
        condition(found, "NamesAccepted") == Some("False".to_owned())
    })
    .await;
    let conditions = refused["status"]["conditions"].as_array().unwrap();
    assert_eq!(conditions[0]["reason"], "ListKindConflict");
    assert_eq!(conditions[0]["message"], "\"CronTabList\" is already in use");
    assert_eq!(condition(&refused, "Established").as_deref(), Some("False"));
    // What becomes free is given to who waits for it.
    client.delete(&format!("{DEFINITIONS}/crontabs.example.com")).await;
    established(&client, "others.example.com").await;

    let mut bad = definition();
    bad["metadata"]["name"] = json!("x.example.com");
    bad["spec"]["versions"][0]["storage"] = json!(false);
    bad["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["image"] =
        json!({"default": 1, "anyOf": [{"type": "string"}]});
    let refused = client.post(DEFINITIONS, &bad).await.json();
    let fields: Vec<&str> = refused["details"]["causes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|cause| cause["field"].as_str())
        .collect();
    assert_eq!(
        fields,
        [
            "metadata.name",
            "spec.versions",
            "spec.validation.openAPIV3Schema.properties[spec].properties[image].anyOf[0].type",
            "spec.validation.openAPIV3Schema.properties[spec].properties[image].type",
            "status.storedVersions",
        ],
        "{refused}"
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_converted_by_name_and_storage_moves_on() {
    let cluster = Cluster::with_controllers().await;
    let client = cluster.admin();
    let mut two = definition();
    let mut second = two["spec"]["versions"][0].clone();
    second["name"] = json!("v2");
    second["storage"] = json!(false);
    second["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["fresh"] =
        json!({"type": "string", "default": "new"});
    two["spec"]["versions"][0]["deprecated"] = json!(true);
    two["spec"]["versions"].as_array_mut().unwrap().push(second);
    establish(&client, &two).await;
    assert_eq!(client.get("/apis/example.com").await.json()["preferredVersion"]["version"], "v2");

    let tabs = |version: &str| format!("/apis/example.com/{version}/namespaces/default/crontabs");
    let made = client.post(&tabs("v1"), &tab("a", json!({"cronSpec": "* *", "fresh": "x"}))).await;
    assert_eq!(made.headers["warning"], "299 - \"unknown field \\\"spec.fresh\\\"\"");
    let warnings: Vec<_> = made.headers.get_all("warning").iter().filter_map(|w| w.to_str().ok()).collect();
    assert!(
        warnings.contains(&"299 - \"example.com/v1 CronTab is deprecated; use example.com/v2 CronTab\""),
        "{warnings:?}"
    );
    let read = client.get(&format!("{}/a", tabs("v2"))).await.json();
    assert_eq!((read["apiVersion"].as_str(), read["spec"].get("fresh")), (Some("example.com/v2"), None));
    let mut b = tab("b", json!({"cronSpec": "* *", "fresh": "x"}));
    b["apiVersion"] = json!("example.com/v2");
    assert_eq!(client.post(&tabs("v2"), &b).await.code, 201);
    assert_eq!(client.get(&format!("{}/b", tabs("v1"))).await.json()["spec"].get("fresh"), None);

    // The storage version moves; what rests in the old one is rewritten by a write that changes nothing.
    let path = format!("{DEFINITIONS}/crontabs.example.com");
    let mut found = client.get(&path).await.json();
    found["spec"]["versions"][0]["storage"] = json!(false);
    found["spec"]["versions"][1]["storage"] = json!(true);
    let moved = client.put(&path, &found).await;
    assert_eq!(moved.json()["status"]["storedVersions"], json!(["v1", "v2"]), "{}", moved.text());
    let a = client.get(&format!("{}/a", tabs("v2"))).await.json();
    let rewritten = client.put(&format!("{}/a", tabs("v2")), &a).await.json();
    assert_ne!(rewritten["metadata"]["resourceVersion"], a["metadata"]["resourceVersion"]);
    let again = client.put(&format!("{}/a", tabs("v2")), &rewritten).await.json();
    assert_eq!(again["metadata"]["resourceVersion"], rewritten["metadata"]["resourceVersion"]);
    cluster.stop().await;
}

impl Kubectl {
    /// What kubectl printed; it has to succeed.
    fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words, "");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "kubectl {words:?}\n{out}\n{err}");
        out.trim_end().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_knows_a_custom_resource() {
    let cluster = Cluster::with_controllers().await;
    let dir = tempfile::tempdir().unwrap();
    let Some(kubectl) = Kubectl::new(&cluster, dir.path()) else { return };
    let file = dir.path().join("definition.json");
    std::fs::write(&file, definition().to_string()).unwrap();
    let file = file.to_str().unwrap();
    kubectl.ok(&["apply", "-f", file]);
    kubectl.ok(&["wait", "--for=condition=Established", "crd/crontabs.example.com", "--timeout=60s"]);
    let object = dir.path().join("a.json");
    std::fs::write(&object, tab("a", json!({"cronSpec": "* *", "replicas": 2})).to_string()).unwrap();
    let object = object.to_str().unwrap();
    kubectl.ok(&["apply", "-f", object]);
    kubectl.ok(&["apply", "-f", object]);
    assert!(kubectl.ok(&["get", "ct"]).contains("a      * *    2"));
    assert!(kubectl.ok(&["explain", "crontabs.spec"]).contains("Minute and hour."));
    kubectl.ok(&["scale", "ct/a", "--replicas=3"]);
    assert_eq!(kubectl.ok(&["get", "ct/a", "-o", "jsonpath={.spec.replicas}"]), "3");
    kubectl.ok(&["patch", "ct/a", "--type=merge", "-p", r#"{"spec":{"image":"x"}}"#]);
    kubectl.ok(&["label", "ct/a", "x=y"]);
    kubectl.ok(&["apply", "--server-side", "--force-conflicts", "-f", object]);
    assert!(kubectl.ok(&["get", "all"]).contains("crontab.example.com/a"));
    kubectl.ok(&["delete", "ct", "--all"]);
    kubectl.ok(&["delete", "-f", file]);
    cluster.stop().await;
}
