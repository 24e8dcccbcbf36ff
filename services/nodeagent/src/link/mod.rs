//! The agent's side of the node protocol, as channels. [`nats`] carries them; a test can stand at the other end.

pub(crate) mod nats;

use rutter_schemas::protocol::node::{FeedMessage, FeedSync, NodeCommand, NodeReply, NodeStats};
use tokio::sync::{mpsc, oneshot};

/// What comes to the agent.
#[derive(Debug)]
pub enum Incoming {
    /// A live message of a feed.
    Live(FeedMessage),
    /// A part of the answer to a [`FeedSync`].
    Answer(FeedMessage),
    /// The connection is new: something may have been missed.
    Connected,
}

/// A command and where its answer goes. No answer: dropped.
#[derive(Debug)]
pub struct Asked {
    pub command: NodeCommand,
    pub answer: oneshot::Sender<NodeReply>,
}

/// The agent's ends of the channels.
#[derive(Debug)]
pub struct Link {
    pub incoming: mpsc::Receiver<Incoming>,
    pub commands: mpsc::Sender<Asked>,
    pub syncs: mpsc::Sender<FeedSync>,
    pub stats: mpsc::Sender<NodeStats>,
}

/// The other ends.
#[derive(Debug)]
pub struct FarEnd {
    pub incoming: mpsc::Sender<Incoming>,
    pub commands: mpsc::Receiver<Asked>,
    pub syncs: mpsc::Receiver<FeedSync>,
    pub stats: mpsc::Receiver<NodeStats>,
}

/// Commands that may wait for the gateway; more make the agent wait, which is what they should.
const COMMANDS_WAITING: usize = 256;

/// A link and its other end.
pub fn pair() -> (Link, FarEnd) {
    let (incoming_in, incoming) = mpsc::channel(COMMANDS_WAITING);
    let (commands, commands_out) = mpsc::channel(COMMANDS_WAITING);
    let (syncs, syncs_out) = mpsc::channel(4);
    let (stats, stats_out) = mpsc::channel(4);
    let link = Link { incoming, commands, syncs, stats };
    let far = FarEnd { incoming: incoming_in, commands: commands_out, syncs: syncs_out, stats: stats_out };
    (link, far)
}
