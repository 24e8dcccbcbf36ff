//! `messages.txt`: every protobuf message, its field numbers, and how each field stands in JSON.
//!
//! ```text
//! = k8s.io.api.apps.v1 apps/v1            a package, and the group and version its kinds belong to
//! k8s.io.api.apps.v1.DeploymentSpec       a message
//!  1 replicas i p                         a field: number, JSON name, type, presence
//!  2 selector >k8s.io.apimachinery.pkg.apis.meta.v1.LabelSelector p
//! ```
//!
//! Types are the letters of [`crate::types`]; references are to messages. Presence is told in `facts/go-fields.txt`. Fields stand
//! in the order of their numbers, as on the wire.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Packages whose group no schema tells, or tells otherwise than upstream's scheme.
const GROUPS: [(&str, &str); 9] = [
    ("k8s.io.api.admission", "admission.k8s.io"),
    ("k8s.io.api.apidiscovery", "apidiscovery.k8s.io"),
    ("k8s.io.api.extensions", "extensions"),
    ("k8s.io.api.imagepolicy", "imagepolicy.k8s.io"),
    ("k8s.io.apimachinery.pkg.apis.meta", "meta.k8s.io"),
    ("k8s.io.apiserver.pkg.apis.audit", "audit.k8s.io"),
    ("k8s.io.metrics.pkg.apis.metrics", "metrics.k8s.io"),
    ("k8s.io.metrics.pkg.apis.custom_metrics", "custom.metrics.k8s.io"),
    ("k8s.io.metrics.pkg.apis.external_metrics", "external.metrics.k8s.io"),
];

/// What the Go types add: message, then number, then presence and the name in JSON.
type Unsaid<'a> = BTreeMap<&'a str, BTreeMap<u32, (char, Option<&'a str>)>>;

pub(crate) fn table(protobuf: &Value, schemas: &Value, go_fields: &str) -> Result<String> {
    let unsaid = unsaid(go_fields)?;
    let messages = protobuf.as_object().context("the messages are not an object")?;
    let mut text = String::from(
        "# Every protobuf message of Kubernetes 1.36. Made by schemas/generator; its messages.rs tells the format.\n",
    );
    let packages: BTreeSet<&str> =
        messages.keys().filter_map(|name| name.rsplit_once('.')).map(|(package, _)| package).collect();
    let groups = groups(schemas)?;
    for package in packages {
        if let Some(group_version) = group_version(package, &groups) {
            writeln!(text, "= {package} {group_version}")?;
        }
    }
    for (name, fields) in messages {
        describe(&mut text, name, fields, unsaid.get(name.as_str()))
            .with_context(|| format!("message {name}"))?;
    }
    Ok(text)
}

fn unsaid(go_fields: &str) -> Result<Unsaid<'_>> {
    let mut unsaid = Unsaid::new();
    for line in go_fields.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let message = words.next().context("an empty line")?;
        let fields = words.map(unsaid_of_field).collect::<Result<_>>();
        unsaid.insert(message, fields.with_context(|| format!("facts of {message}"))?);
    }
    Ok(unsaid)
}

fn unsaid_of_field(word: &str) -> Result<(u32, (char, Option<&str>))> {
    let (fact, name) = word.split_once('=').map_or((word, None), |(fact, name)| (fact, Some(name)));
    let presence = fact.chars().last().context("an empty fact")?;
    let number = fact[..fact.len() - 1].parse().with_context(|| format!("the number of {word}"))?;
    Ok((number, (presence, name)))
}

/// Package without version → group, as the schemas tell it.
fn groups(schemas: &Value) -> Result<BTreeMap<String, String>> {
    let mut groups = BTreeMap::new();
    for (name, schema) in schemas.as_object().context("the schemas are not an object")? {
        let Some([kind]) = schema["x-kubernetes-group-version-kind"].as_array().map(Vec::as_slice) else {
            continue;
        };
        let package = name.rsplitn(3, '.').nth(2).context("a kind without a package")?;
        let package = package.replacen("io.k8s", "k8s.io", 1).replace('-', "_");
        groups.insert(package, kind["group"].as_str().context("a kind without a group")?.to_owned());
    }
    groups.extend(GROUPS.map(|(package, group)| (package.to_owned(), group.to_owned())));
    Ok(groups)
}

fn group_version(package: &str, groups: &BTreeMap<String, String>) -> Option<String> {
    let (root, version) = package.rsplit_once('.')?;
    let group = groups.get(root)?;
    Some(if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") })
}

fn describe(
    text: &mut String,
    name: &str,
    fields: &Value,
    unsaid: Option<&BTreeMap<u32, (char, Option<&str>)>>,
) -> Result<()> {
    writeln!(text, "{name}")?;
    let package = name.rsplit_once('.').map_or("", |(package, _)| package);
    let mut by_number = BTreeMap::new();
    for (number, field) in fields.as_object().context("the fields are not an object")? {
        by_number.insert(number.parse::<u32>().context("a field number")?, field);
    }
    for (number, field) in by_number {
        let said = |at: usize| field[at].as_str().with_context(|| format!("field {number} is {field}"));
        let (presence, json_name) =
            unsaid.and_then(|fields| fields.get(&number)).copied().unwrap_or(('e', None));
        let kind = type_of(package, said(1)?)?;
        writeln!(text, " {number} {} {kind} {presence}", json_name.unwrap_or(said(0)?))?;
    }
    Ok(())
}

fn type_of(package: &str, published: &str) -> Result<String> {
    if let Some(element) = published.strip_prefix("repeated ") {
        return Ok(format!("[{}", type_of(package, element)?));
    }
    if let Some(rest) = published.strip_prefix("map<") {
        let Some(value) = rest.strip_prefix("string,").and_then(|rest| rest.strip_suffix('>')) else {
            bail!("{published} is not a map of strings");
        };
        return Ok(format!("{{{}", type_of(package, value)?));
    }
    let letter = match published {
        "string" => "s",
        "int32" => "i",
        "int64" => "l",
        "double" => "d",
        "bool" => "b",
        "bytes" => "B",
        message => return Ok(format!(">{}", relative(package, message))),
    };
    Ok(letter.to_owned())
}

fn relative(package: &str, message: &str) -> String {
    let message = message.trim_start_matches('.');
    match message.strip_prefix(package).and_then(|rest| rest.strip_prefix('.')) {
        Some(name) => format!(".{name}"),
        None if message.contains('.') => message.to_owned(),
        None => format!(".{message}"),
    }
}
