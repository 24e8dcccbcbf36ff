//! What the node asks of the gateways.

use std::time::Duration;

use rutter_nodeagent_core::machine::ToldOutcome;
use rutter_schemas::protocol::node::{NodeCommand, NodeReply};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::link::Asked;

/// Sends commands; cheap to clone.
#[derive(Clone)]
pub(crate) struct Commands {
    to: mpsc::Sender<Asked>,
}

/// A command without a good end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("no gateway answered")]
    Silence,
    #[error("{message}")]
    Refused { code: u64, message: String },
}

impl CommandError {
    /// Whether the same command may succeed later.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self,
            CommandError::Silence | CommandError::Refused { code: 409 | 429 | 500 | 503 | 504, .. }
        )
    }
}

/// A gateway that doesn't answer at all is waited for no longer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

impl Commands {
    pub(crate) fn new(to: mpsc::Sender<Asked>) -> Commands {
        Commands { to }
    }

    pub(crate) async fn send(&self, command: NodeCommand) -> Result<NodeReply, CommandError> {
        let (answer, wait) = oneshot::channel();
        self.to.send(Asked { command, answer }).await.map_err(|_| CommandError::Silence)?;
        let reply = tokio::time::timeout(ANSWER_TIMEOUT, wait).await;
        match reply.map_err(|_| CommandError::Silence)?.map_err(|_| CommandError::Silence)? {
            NodeReply::Refused { status } => Err(refusal(&status)),
            reply => Ok(reply),
        }
    }

    /// A write about a pod, in the machine's words.
    pub(crate) async fn write(&self, command: NodeCommand) -> ToldOutcome {
        match self.send(command).await {
            Ok(_) => ToldOutcome::Done,
            Err(why) if why.is_passing() => ToldOutcome::Later,
            Err(why) => {
                tracing::info!(%why, "a write was refused");
                ToldOutcome::Refused
            }
        }
    }
}

fn refusal(status: &Value) -> CommandError {
    let message = status["message"].as_str().unwrap_or("refused without a reason").to_owned();
    CommandError::Refused { code: status["code"].as_u64().unwrap_or(500), message }
}
