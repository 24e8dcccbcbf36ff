//! Waiting for what has to come, never for a time.

use anyhow::{Result, bail};

pub use crate::eventually;

/// Looks until it holds.
///
/// # Errors
/// When it does not for as long as a cluster may need to come back.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) -> Result<()> {
    let holds = async || if holds().await { Ok(()) } else { bail!("it does not hold") };
    eventually(what, holds).await
}
