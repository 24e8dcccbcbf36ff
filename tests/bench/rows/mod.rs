//! What is measured: one room for each group of rows.

mod api;
mod pods;
mod start;
mod watch;

use anyhow::Result;

use crate::cluster::Bench;
use crate::report::Report;

/// Measures what the report wants, group by group; each group has a cluster of its own.
pub(crate) async fn all(bench: &Bench, report: &mut Report) -> Result<()> {
    if report.wants("api") {
        api::measure(bench, report).await?;
    }
    if report.wants("watch") {
        watch::measure(bench, report).await?;
    }
    if report.wants("pods") {
        pods::measure(bench, report).await?;
    }
    if report.wants("start") {
        start::measure(bench, report).await?;
    }
    Ok(())
}
