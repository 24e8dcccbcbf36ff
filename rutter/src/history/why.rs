//! The chain of causes behind a change.

use anyhow::{Context, Result};
use rutter_schemas::protocol::ledger::Fact;

use super::{API, facts_of};
use crate::cli::{Output, WhyArgs};
use crate::print;
use rutter_client::{Client, Target};

/// What happened, and under it what caused it, back to the request that began it.
pub(crate) async fn why(client: &Client, args: WhyArgs) -> Result<()> {
    let query = match revision(&args.object) {
        Some(revision) => format!("revision={revision}"),
        None => {
            let target = Target::find(client, &args.object, args.namespace.as_deref()).await?;
            target.name.as_ref().context("say which object, such as pod/web-7xk2p, or which revision")?;
            target.query()
        }
    };
    let (facts, _) = facts_of(client.get(&format!("{API}/why?{query}")).await?)?;
    match args.output.output {
        Output::Json | Output::Yaml => print::document(args.output.output, &facts),
        Output::Table | Output::Wide => {
            facts.iter().enumerate().try_for_each(|(depth, fact)| print::line(&told(depth, fact)))
        }
    }
}

/// One word that is a number, or `r` and a number.
fn revision(words: &[String]) -> Option<u64> {
    let [word] = words else { return None };
    word.trim_start_matches('r').parse().ok()
}

fn told(depth: usize, fact: &Fact) -> String {
    let lead = if depth == 0 { String::new() } else { format!("{}because ", "  ".repeat(depth)) };
    let mut text = format!(
        "{lead}r{} {}  {} {}  by {}",
        fact.revision, fact.at, fact.event_type, fact.key, fact.actor.user
    );
    if fact.actor.via != fact.actor.user {
        text += &format!(" through the {}", fact.actor.via);
    }
    if !fact.why.is_empty() {
        text += &format!("  ({})", fact.why);
    }
    text
}
