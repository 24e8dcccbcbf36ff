//! What only a log can answer: history, why, get --at, watch --from; and undo, which needs those answers.

mod at;
mod undo;
mod why;

use anyhow::{Context, Result};
use futures::TryStreamExt;
use rutter_schemas::Revision;
use rutter_schemas::protocol::ledger::{Fact, HistoryAnswer};
use serde::Deserialize;
use serde_json::Value;

use crate::cli::{GetArgs, HistoryArgs, Output, WatchArgs};
use crate::print;
use rutter_client::{Client, Target};

pub(crate) use undo::undo;
pub(crate) use why::why;

const API: &str = "/apis/rutter.dev/v1";
/// Facts asked for at once.
const PAGE: u32 = 500;

/// Every change of an object, oldest first; also of one that is gone.
pub(crate) async fn history(client: &Client, args: HistoryArgs) -> Result<()> {
    let target = Target::find(client, &args.object.object, args.object.namespace.as_deref()).await?;
    target.name.as_ref().context("say which object, such as deploy/web")?;
    let mut facts = Vec::new();
    let mut after = Revision(args.after);
    loop {
        let path = format!("{API}/history?{}&after={after}&limit={PAGE}", target.query());
        let (page, more) = facts_of(client.get(&path).await?)?;
        after = page.last().map_or(after, |fact| fact.revision);
        facts.extend(page);
        if !more {
            break;
        }
    }
    if facts.is_empty() {
        anyhow::bail!("{} has no history", args.object.object.join("/"));
    }
    table(args.output.output, &facts)
}

/// One object or a collection; `--at` shows what was then.
pub(crate) async fn get(client: &Client, args: GetArgs) -> Result<()> {
    let target = Target::find(client, &args.object, args.namespace.as_deref()).await?;
    let mut path = target.path();
    if let Some(when) = &args.at {
        let revision = at::revision(client, when).await?;
        path += &format!("?resourceVersion={revision}&resourceVersionMatch=Exact");
    }
    let found: Value = client.get(&path).await?;
    match args.output.output {
        Output::Json | Output::Yaml => print::document(args.output.output, &found),
        Output::Table | Output::Wide => at::summary(&found, args.output.output),
    }
}

/// Events of everything, from a revision on.
pub(crate) async fn watch(client: &Client, args: WatchArgs) -> Result<()> {
    let from = match args.from {
        Some(from) => Revision(from),
        None => at::now(client).await?,
    };
    let follow = !args.no_follow;
    let mut lines = std::pin::pin!(client.lines(&format!("{API}/log?from={from}&follow={follow}")).await?);
    while let Some(line) = lines.try_next().await? {
        match args.output.output {
            Output::Json => print::line(&String::from_utf8_lossy(&line))?,
            Output::Yaml => print::document(Output::Yaml, &serde_json::from_slice::<Value>(&line)?)?,
            Output::Table | Output::Wide => {
                let fact: Fact =
                    serde_json::from_slice(&line).context("the log holds what this client can't read")?;
                print::line(&one_line(&fact))?;
            }
        }
    }
    Ok(())
}

fn facts_of(answer: HistoryAnswer) -> Result<(Vec<Fact>, bool)> {
    match answer {
        HistoryAnswer::Facts { facts, more } => Ok((facts, more)),
        HistoryAnswer::Unknown { reason } => anyhow::bail!(reason),
        HistoryAnswer::Object { .. } | HistoryAnswer::Objects { .. } | HistoryAnswer::Behind { .. } => {
            anyhow::bail!("the server answered another question")
        }
    }
}

fn table(output: Output, facts: &[Fact]) -> Result<()> {
    print::rows(output, facts, &["REVISION", "AT", "EVENT", "BY", "CAUSE", "WHY"], |fact| {
        let cause = fact.cause.map(|cause| format!("r{cause}")).unwrap_or_default();
        vec![
            format!("r{}", fact.revision),
            fact.at.clone(),
            fact.event_type.clone(),
            fact.actor.user.clone(),
            cause,
            fact.why.clone(),
        ]
    })
}

/// `r17  12:00:01.000000Z  PodCreated  pods/default/web-7xk2p  by replicaset-controller  because 1 of 3 is missing`
fn one_line(fact: &Fact) -> String {
    let mut line =
        format!("r{}  {}  {}  {}  by {}", fact.revision, fact.at, fact.event_type, fact.key, fact.actor.user);
    if !fact.why.is_empty() {
        line += &format!("  because {}", fact.why);
    }
    if let Some(cause) = fact.cause {
        line += &format!("  (r{cause})");
    }
    line
}

#[derive(Deserialize)]
struct At {
    revision: Revision,
}
