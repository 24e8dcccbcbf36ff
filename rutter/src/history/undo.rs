//! `rutter undo`: puts an object, or all of a namespace, back to how it was, as new events.
//!
//! What was asked for is put back: metadata that people write, spec, data. What the cluster says of itself (status, uid,
//! revision) stays as it is. Every write expects what is shown here, so whatever changes in between refuses it, and a namespace
//! is put back in one transaction: all of it or nothing. Nothing of the past is lost by it: an undo can be undone.

mod step;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use http::Method;
use rutter_client::{Client, ResourceType, Target};
use rutter_schemas::Revision;
use serde::Serialize;
use serde_json::{Value, json};

use super::{API, at};
use crate::cli::UndoArgs;
use crate::print;
use step::Step;

/// What an undo comes to for one object.
#[derive(Serialize)]
struct Row {
    object: String,
    /// `put back`, `made again` or `deleted`.
    done: &'static str,
    /// The fields that differ.
    fields: Vec<String>,
}

pub(crate) async fn undo(client: &Client, args: UndoArgs) -> Result<()> {
    let target = Target::find(client, &args.object, args.namespace.as_deref()).await?;
    let name = target.name.clone().context("say which object, such as deploy/web, or which namespace")?;
    let then = at::revision(client, &args.to).await?;
    match target.resource.resource.as_str() {
        "namespaces" if target.resource.group.is_empty() => {
            let steps = of_namespace(client, &target, &name, then).await?;
            together(client, &args, &steps, then).await
        }
        _ => {
            let step = of_object(client, &target, then).await?;
            alone(client, &args, &target, step.as_ref(), then).await
        }
    }
}

/// One object by an ordinary request, which passes all that a request passes.
async fn alone(
    client: &Client,
    args: &UndoArgs,
    target: &Target,
    step: Option<&Step>,
    then: Revision,
) -> Result<()> {
    let Some(step) = step else { return unchanged(then) };
    let all = Target { name: None, ..target.clone() };
    let query = if args.dry_run { "?dryRun=All" } else { "" };
    let (method, path, body) = match step {
        Step::Create(object) => (Method::POST, all.path(), object.clone()),
        Step::Update(_, object) => (Method::PUT, target.path(), object.clone()),
        Step::Delete(_) => (Method::DELETE, target.path(), step.write()["options"].clone()),
    };
    let _: Value = client.json(method, &format!("{path}{query}"), Some(&body)).await?;
    told(args, std::slice::from_ref(step))
}

/// Many objects in one transaction.
async fn together(client: &Client, args: &UndoArgs, steps: &[Step], then: Revision) -> Result<()> {
    if steps.is_empty() {
        return unchanged(then);
    }
    if let Some(service) = steps.iter().find(|step| step.makes_a_service()) {
        anyhow::bail!(
            "{} is gone, and its address can't be had back together with other objects: undo it by itself first",
            service.object()
        );
    }
    let writes: Vec<Value> = steps.iter().map(Step::write).collect();
    let body = json!({ "writes": writes, "why": format!("put back to how it was at r{then}") });
    let query = if args.dry_run { "?dryRun=All" } else { "" };
    let _: Value = client.json(Method::POST, &format!("{API}/transactions{query}"), Some(&body)).await?;
    told(args, steps)
}

fn unchanged(then: Revision) -> Result<()> {
    eprintln!("  it is as it was at r{then}");
    Ok(())
}

fn told(args: &UndoArgs, steps: &[Step]) -> Result<()> {
    let rows: Vec<Row> = steps
        .iter()
        .map(|step| Row { object: step.object(), done: step.done(), fields: step.fields() })
        .collect();
    print::rows(args.output.output, &rows, &["OBJECT", "DONE", "FIELDS"], |row| {
        vec![row.object.clone(), row.done.to_owned(), row.fields.join(", ")]
    })?;
    if args.dry_run {
        eprintln!("  nothing was written (--dry-run)");
    }
    Ok(())
}

async fn of_object(client: &Client, target: &Target, then: Revision) -> Result<Option<Step>> {
    let was = found(client, &format!("{}{}", target.path(), exactly(then))).await?;
    let is = found(client, &target.path()).await?;
    anyhow::ensure!(was.is_some() || is.is_some(), "there is no such object, and at r{then} there was none");
    if let Some(owner) = is.as_ref().or(was.as_ref()).and_then(step::controller) {
        anyhow::bail!("it belongs to {owner}, which would change it back: undo that one");
    }
    step::between(was, is)
}

/// Everything in a namespace that belongs to nobody else in it: what belongs to another follows that one.
async fn of_namespace(client: &Client, target: &Target, name: &str, then: Revision) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let was = found(client, &format!("{}{}", target.path(), exactly(then))).await?;
    let is = found(client, &target.path()).await?;
    anyhow::ensure!(was.is_some(), "at r{then} there was no namespace {name}: to end it, delete it");
    steps.extend(step::between(was, is)?);
    for resource in ResourceType::lasting(client).await? {
        let all = Target { resource, namespace: name.to_owned(), name: None };
        let was = listed(client, &format!("{}{}", all.path(), exactly(then)), &all.resource).await?;
        let is = listed(client, &all.path(), &all.resource).await?;
        steps.extend(step::between_all(was, is)?);
    }
    Ok(steps)
}

fn exactly(revision: Revision) -> String {
    format!("?resourceVersion={revision}&resourceVersionMatch=Exact")
}

/// The object, if there is (or was) one.
async fn found(client: &Client, path: &str) -> Result<Option<Value>> {
    match client.get::<Value>(path).await {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.to_string().contains("not found") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Objects of one type by name. Lists leave their items' types out.
async fn listed(client: &Client, path: &str, resource: &ResourceType) -> Result<BTreeMap<String, Value>> {
    let list: Value = client.get(path).await?;
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let typed = items.into_iter().map(|mut item| {
        item["apiVersion"] = json!(resource.api_version());
        item["kind"] = json!(resource.kind);
        (item["metadata"]["name"].as_str().unwrap_or_default().to_owned(), item)
    });
    Ok(typed.collect())
}
