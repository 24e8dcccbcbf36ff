//! Joining a cluster as a node, with a one-time token.

use anyhow::Result;

use super::JoinArgs;

/// `rutter join`: trades the token for credentials, keeps them, and runs the agent.
pub(crate) async fn join(args: JoinArgs) -> Result<()> {
    let _ = args;
    anyhow::bail!("joining is not there yet: give the agent credentials with `rutter nodeagent --nats-creds`")
}
