//! Hooks and probes, done: a command in the container, or a question over the network.

use std::time::Duration;

use rutter_nodeagent_core::machine::Check;

use crate::probe;
use crate::runtime::Runtime;

/// A hook that takes longer than any pod's life is none.
const HOOK_TIMEOUT: Duration = Duration::from_secs(3600);

/// Asks once, within `timeout`.
///
/// # Errors
/// Why the answer counts as a failure, in kubelet's words.
pub(super) async fn run_check(
    runtime: &Runtime,
    id: &str,
    check: &Check,
    timeout: Duration,
) -> Result<(), String> {
    let asked = async {
        match check {
            Check::Exec { command } => {
                let outcome = runtime.exec(id, command, timeout.as_secs()).await?;
                let output = String::from_utf8_lossy(&outcome.output);
                if outcome.code == 0 { Ok(()) } else { Err(output.trim_end().to_owned()) }
            }
            Check::Http { host, port, path, tls, headers } => {
                probe::http(host, *port, path, *tls, headers).await
            }
            Check::Tcp { host, port } => probe::tcp(host, *port).await,
            Check::Grpc { host, port, service } => probe::grpc(host, *port, service).await,
            Check::Sleep { secs } => {
                tokio::time::sleep(Duration::from_secs(*secs)).await;
                Ok(())
            }
            Check::Impossible { why } => Err(why.clone()),
        }
    };
    // containerd bounds a command itself; a little more keeps its own words.
    let bound = timeout + Duration::from_millis(if matches!(check, Check::Exec { .. }) { 500 } else { 0 });
    match tokio::time::timeout(bound, asked).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no answer within {} s", timeout.as_secs())),
    }
}

pub(super) async fn run_hook(runtime: &Runtime, id: &str, check: &Check) -> Result<(), String> {
    run_check(runtime, id, check, HOOK_TIMEOUT).await
}
