//! Images that come from this machine instead of a registry.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{lock, paths::Home};

/// Loads the images of a tar file into the node of this machine's cluster.
pub(crate) async fn load_image(file: &Path, data: &Path) -> Result<()> {
    let home = Home::existing(data).with_context(|| format!("there is no cluster in {}", data.display()))?;
    if lock::running(&home).is_none() {
        bail!("the cluster of {} does not run; start it with `rutter up`", home.root().display());
    }
    let file = file.canonicalize().with_context(|| format!("{} can't be read", file.display()))?;
    for name in crate::service::node::load_image(&home, &file).await? {
        eprintln!("  loaded {name}");
    }
    Ok(())
}
