//! Telling the kernel: text through `nft -f -`, which applies all of it or nothing.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// nft refused, in its own words; or could not be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KernelError {
    #[error("nft can't be run: is the package nftables installed?")]
    Run(#[source] std::io::Error),
    #[error("nft refused: {said}")]
    Refused { said: String },
    #[error("{path} can't be set")]
    Sysctl { path: &'static str, source: std::io::Error },
}

/// Applies a text of nft, in one transaction.
pub(crate) async fn apply(text: &str) -> Result<(), KernelError> {
    let mut nft = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(KernelError::Run)?;
    let mut stdin = nft.stdin.take().expect("its stdin is piped");
    let fed = stdin.write_all(text.as_bytes()).await;
    drop(stdin);
    let output = nft.wait_with_output().await.map_err(KernelError::Run)?;
    if output.status.success() && fed.is_ok() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).lines().take(3).collect::<Vec<_>>().join("; ");
    Err(KernelError::Refused { said })
}

/// Removes a table; none of that name is as good.
pub(crate) async fn remove(table: &str) -> Result<(), KernelError> {
    apply(&format!("add table ip {table}\ndelete table ip {table}\n")).await
}

/// Lets the node forward, and lets node ports answer on loopback (the table drops what claims to be loopback and comes
/// from elsewhere).
pub(crate) fn allow_forwarding() -> Result<(), KernelError> {
    for path in ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/conf/all/route_localnet"] {
        let is_set = std::fs::read_to_string(path).is_ok_and(|value| value.trim() == "1");
        if !is_set {
            std::fs::write(path, "1").map_err(|source| KernelError::Sysctl { path, source })?;
        }
    }
    Ok(())
}
