//! `types.txt`: every type of the API, its fields, and what defaulting, patches and apply need of them.
//!
//! ```text
//! io.k8s.api.core.v1.EndpointPort ~atomic @/v1/Thing       a type, its map type, its group-version-kinds
//!  name s                                                  a field and its type
//!  ports [>.EndpointPort l=map(port,protocol) p=merge k=port
//!  port i ! =0                                             required; its default, up to the end of the line
//! ```
//!
//! Types: `s` string, `i` int32, `l` int64, `d` double, `b` bool, `B` bytes, `q` Quantity, `x` IntOrString, `t` Time,
//! `u` MicroTime, `[T` array, `{T` map, `>name` another type (`>.Name` of the same package), `o` any object, and one letter
//! for each type that is JSON as it stands ([`OPAQUE`]).

use std::fmt::Write;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

/// Types that have no published properties, or none that JSON shows, and their letters.
const OPAQUE: [(&str, char); 12] = [
    ("io.k8s.apimachinery.pkg.api.resource.Quantity", 'q'),
    ("io.k8s.apimachinery.pkg.util.intstr.IntOrString", 'x'),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.Time", 't'),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime", 'u'),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1", 'f'),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.Patch", 'p'),
    ("io.k8s.apimachinery.pkg.runtime.RawExtension", 'r'),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON", 'j'),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray", 'A'),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool", 'O'),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray", 'S'),
    ("", 'o'),
];

pub(crate) fn table(schemas: &Value) -> Result<String> {
    let mut text = String::from(
        "# Every type of the Kubernetes API 1.36. Made by schemas/generator; its types.rs tells the format.\n",
    );
    for (name, schema) in schemas.as_object().context("the schemas are not an object")? {
        if opaque(name).is_none() {
            describe(&mut text, name, schema).with_context(|| format!("type {name}"))?;
        }
    }
    Ok(text)
}

fn opaque(name: &str) -> Option<char> {
    OPAQUE.iter().find(|(known, _)| *known == name).map(|(_, letter)| *letter)
}

fn describe(text: &mut String, name: &str, schema: &Value) -> Result<()> {
    text.push_str(name);
    if let Some(map_type) = schema["x-kubernetes-map-type"].as_str() {
        write!(text, " ~{map_type}")?;
    }
    for gvk in schema["x-kubernetes-group-version-kind"].as_array().into_iter().flatten() {
        write!(text, " @{}", crate::gvk(gvk)?)?;
    }
    if let Some(unions) = schema.get("x-kubernetes-unions") {
        write!(text, " |{unions}")?;
    }
    text.push('\n');
    let required: Vec<&str> = strings(&schema["required"]);
    let none = Map::new();
    for (field, schema) in schema["properties"].as_object().unwrap_or(&none) {
        let line = describe_field(name, field, schema, required.contains(&field.as_str()));
        text.push_str(&line.with_context(|| format!("field {field}"))?);
    }
    Ok(())
}

fn describe_field(owner: &str, name: &str, schema: &Value, required: bool) -> Result<String> {
    let package = owner.rsplit_once('.').map_or("", |(package, _)| package);
    let mut line = format!(" {name} {}", type_of(package, schema)?);
    if required {
        line.push_str(" !");
    }
    if let Some(map_type) = schema["x-kubernetes-map-type"].as_str() {
        write!(line, " ~{map_type}")?;
    }
    match (schema["x-kubernetes-list-type"].as_str(), strings(&schema["x-kubernetes-list-map-keys"])) {
        (Some(kind), keys) if keys.is_empty() => write!(line, " l={kind}")?,
        (Some(kind), keys) => write!(line, " l={kind}({})", keys.join(","))?,
        (None, keys) if keys.is_empty() => {}
        (None, keys) => bail!("map keys {keys:?} without a list type"),
    }
    if let Some(strategy) = schema["x-kubernetes-patch-strategy"].as_str() {
        write!(line, " p={strategy}")?;
    }
    if let Some(key) = schema["x-kubernetes-patch-merge-key"].as_str() {
        write!(line, " k={key}")?;
    }
    if let Some(default) = schema.get("default") {
        write!(line, " ={default}")?;
    }
    line.push('\n');
    Ok(line)
}

fn type_of(package: &str, schema: &Value) -> Result<String> {
    if let Some(target) = schema["$ref"].as_str() {
        return Ok(reference(package, target));
    }
    let letter = match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("string"), None) => "s",
        (Some("string"), Some("byte")) => "B",
        (Some("integer"), Some("int32")) => "i",
        (Some("integer"), Some("int64")) => "l",
        (Some("number"), Some("double")) => "d",
        (Some("boolean"), None) => "b",
        (Some("array"), None) => return Ok(format!("[{}", type_of(package, &schema["items"])?)),
        (Some("object"), None) => match schema.get("additionalProperties") {
            Some(values) => return Ok(format!("{{{}", type_of(package, values)?)),
            None => "o",
        },
        (kind, format) => bail!("type {kind:?} with format {format:?} has no letter"),
    };
    Ok(letter.to_owned())
}

fn reference(package: &str, target: &str) -> String {
    if let Some(letter) = opaque(target) {
        return letter.to_string();
    }
    match target.strip_prefix(package).and_then(|rest| rest.strip_prefix('.')) {
        Some(name) if !name.contains('.') => format!(">.{name}"),
        _ => format!(">{target}"),
    }
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
