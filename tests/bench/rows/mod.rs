//! What is measured: one room for each group of rows.

mod apart;
mod api;
mod beside;
mod commits;
mod definitions;
pub(crate) mod index;
mod lists;
mod patches;
mod pod;
mod pods;
mod replay;
mod start;
mod watch;

use anyhow::Result;

use crate::cluster::Bench;
use crate::report::{GROUPS, Report};

/// Measures what the report wants, group by group; each group has a cluster of its own. One that fails is said, and the
/// others are measured all the same.
pub(crate) async fn all(bench: &Bench, report: &mut Report) {
    for group in GROUPS.into_iter().filter(|group| report.wants(group)).collect::<Vec<_>>() {
        if let Err(why) = one(group, bench, report).await {
            report.skip(group, &format!("{why:#}"));
        }
    }
}

async fn one(group: &str, bench: &Bench, report: &mut Report) -> Result<()> {
    match group {
        "api" => api::measure(bench, report).await,
        "beside" => beside::measure(bench, report).await,
        "apart" => apart::measure(bench, report).await,
        "lists" => lists::measure(bench, report).await,
        "patches" => patches::measure(bench, report).await,
        "definitions" => definitions::measure(bench, report).await,
        "commits" => commits::measure(bench, report).await,
        "watch" => watch::measure(bench, report).await,
        "replay" => replay::measure(bench, report).await,
        "pods" => pods::measure(bench, report).await,
        "pod" => pod::measure(bench, report).await,
        "start" => start::measure(bench, report).await,
        "index" => index::measure(bench, report),
        other => unreachable!("{other} is no group"),
    }
}
