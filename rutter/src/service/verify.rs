//! `rutter ledger verify`: is the log whole, and does everything made of it equal what it would be made of it now?

use std::path::Path;

use anyhow::Result;

use super::args::CommonArgs;

pub(crate) async fn verify(common: &CommonArgs, cluster: Option<&Path>) -> Result<()> {
    let _ = (common, cluster);
    anyhow::bail!("not there yet")
}
