//! `resources.txt`: what discovery says of every resource of a server with everything on, in discovery's order.
//!
//! ```text
//! G apps                                                    a group; the core group is `G -`
//! V v1                                                      a version of it, the preferred one first
//! R deployments Deployment deployment n deploy all create,delete,… 8aSe+NMegvE=
//! S scale autoscaling/v1/Scale get,patch,update             a subresource of the resource above
//! ```
//!
//! A resource: plural, kind, singular, `n`amespaced or `c`luster, short names, categories, verbs, storage version hash; `-` is
//! none. A kind of another group-version than the resource's is written whole.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, Result};
use serde_json::Value;

pub(crate) fn table(discovery: &Value) -> Result<String> {
    let mut text = String::from(
        "# Every resource of Kubernetes 1.36. Made by schemas/generator; its resources.rs tells the format.\n",
    );
    text.push_str("G -\nV v1\n");
    describe(&mut text, &discovery["api__v1"])?;
    for group in discovery["apis"]["groups"].as_array().context("no groups")? {
        let name = word(&group["name"])?;
        writeln!(text, "G {name}")?;
        for version in group["versions"].as_array().context("no versions")? {
            let version = word(&version["version"])?;
            writeln!(text, "V {version}")?;
            let document = &discovery[format!("apis__{name}__{version}")];
            describe(&mut text, document).with_context(|| format!("{name}/{version}"))?;
        }
    }
    Ok(text)
}

fn describe(text: &mut String, document: &Value) -> Result<()> {
    let listed = document["resources"].as_array().context("no resources")?;
    let mut subresources: BTreeMap<&str, Vec<(&str, &Value)>> = BTreeMap::new();
    for resource in listed {
        if let Some((parent, name)) = word(&resource["name"])?.split_once('/') {
            subresources.entry(parent).or_default().push((name, resource));
        }
    }
    for resource in listed {
        let plural = word(&resource["name"])?;
        if plural.contains('/') {
            continue;
        }
        describe_resource(text, resource).with_context(|| plural.to_owned())?;
        for (name, subresource) in subresources.remove(plural).unwrap_or_default() {
            writeln!(text, "S {name} {} {}", kind(subresource)?, words(&subresource["verbs"]))?;
        }
    }
    Ok(())
}

fn describe_resource(text: &mut String, resource: &Value) -> Result<()> {
    writeln!(
        text,
        "R {} {} {} {} {} {} {} {}",
        word(&resource["name"])?,
        kind(resource)?,
        word(&resource["singularName"])?,
        if resource["namespaced"] == true { "n" } else { "c" },
        words(&resource["shortNames"]),
        words(&resource["categories"]),
        words(&resource["verbs"]),
        resource["storageVersionHash"].as_str().unwrap_or("-"),
    )?;
    Ok(())
}

fn kind(resource: &Value) -> Result<String> {
    let kind = word(&resource["kind"])?;
    Ok(match (resource["group"].as_str(), resource["version"].as_str()) {
        (None, None) => kind.to_owned(),
        (group, version) => format!("{}/{}/{kind}", group.unwrap_or(""), version.unwrap_or("")),
    })
}

fn word(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("{value} is not a string"))
}

fn words(value: &Value) -> String {
    let words: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(",") }
}
