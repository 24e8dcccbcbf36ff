//! The 2.0 form of what is told in 3.0.

use serde_json::{Map, Value, json};

/// Paths as 2.0 tells them: bodies are parameters, types of parameters stand bare, content types stand beside.
pub(super) fn paths(paths: Map<String, Value>) -> Value {
    let old = |(path, item): (String, Value)| (path, old_references(path_item(item)));
    Value::Object(paths.into_iter().map(old).collect())
}

/// Types as 2.0 tells them: no defaults, and one type only.
pub(super) fn definitions(schemas: Map<String, Value>) -> Value {
    let old = |(name, schema): (String, Value)| (name, old_references(definition(schema)));
    Value::Object(schemas.into_iter().map(old).collect())
}

fn path_item(item: Value) -> Value {
    let Value::Object(item) = item else { return item };
    let old = |(name, part): (String, Value)| {
        let part = if name == "parameters" { parameters(part) } else { operation(part) };
        (name, part)
    };
    Value::Object(item.into_iter().map(old).collect())
}

fn operation(mut operation: Value) -> Value {
    let body = operation["requestBody"].take();
    let mut listed: Vec<Value> = match operation["parameters"].take() {
        Value::Array(listed) => listed.into_iter().map(parameter).collect(),
        _ => Vec::new(),
    };
    let mut consumes = vec!["*/*".to_owned()];
    if let Some(content) = body["content"].as_object() {
        consumes = content.keys().cloned().collect();
        let schema = content.values().next().map(|content| content["schema"].clone());
        let mut parameter = json!({ "in": "body", "name": "body", "schema": schema });
        if body["required"] == true {
            parameter["required"] = true.into();
        }
        listed.insert(0, parameter);
    }
    let produces = match operation.pointer("/responses/200/content").and_then(Value::as_object) {
        Some(content) => content.keys().cloned().collect(),
        None => Vec::new(),
    };
    let Value::Object(mut old) = operation else { return operation };
    old.retain(|name, value| name != "requestBody" && !value.is_null());
    if !listed.is_empty() {
        old.insert("parameters".to_owned(), listed.into());
    }
    old.insert("consumes".to_owned(), json!(consumes));
    old.insert("produces".to_owned(), json!(produces));
    old.insert("schemes".to_owned(), json!(["https"]));
    for (_, response) in old.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten() {
        answer(response);
    }
    Value::Object(old)
}

fn answer(response: &mut Value) {
    let Some(response) = response.as_object_mut() else { return };
    let Some(Value::Object(content)) = response.remove("content") else { return };
    if let Some(first) = content.values().next() {
        response.insert("schema".to_owned(), first["schema"].clone());
    }
}

fn parameters(list: Value) -> Value {
    match list {
        Value::Array(list) => list.into_iter().map(parameter).collect(),
        other => other,
    }
}

fn parameter(parameter: Value) -> Value {
    let Value::Object(mut old) = parameter else { return parameter };
    if let Some(Value::Object(schema)) = old.remove("schema") {
        old.extend(schema);
    }
    Value::Object(old)
}

fn definition(schema: Value) -> Value {
    let Value::Object(mut old) = schema else { return schema };
    old.remove("default");
    if old.remove("oneOf").is_some() {
        old.insert("type".to_owned(), "string".into());
    }
    if let Some(Value::Array(all)) = old.remove("allOf") {
        old.extend(all.into_iter().filter_map(|one| one.as_object().cloned()).flatten());
    }
    for part in ["items", "additionalProperties"] {
        if let Some(inner) = old.get_mut(part) {
            *inner = definition(inner.take());
        }
    }
    for (_, property) in old.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        *property = definition(property.take());
    }
    Value::Object(old)
}

/// References point to where 2.0 keeps its types.
pub(super) fn old_references(mut value: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(target) if name == "$ref" => {
                            *target = target.replacen("#/components/schemas/", "#/definitions/", 1);
                        }
                        other => walk(other),
                    }
                }
            }
            Value::Array(list) => list.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut value);
    value
}
