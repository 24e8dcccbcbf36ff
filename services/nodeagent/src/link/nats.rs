//! The link over NATS: commands and syncs are requests, feeds are subscriptions.

use std::time::Duration;

use futures::StreamExt;
use rutter_schemas::protocol::node::{Feed, FeedMessage, FeedSync, NodeReply};
use rutter_schemas::subjects;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Asked, FarEnd, Incoming};

/// How long a gateway may take for a command; its own writes wait no longer.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the next part of a feed may take.
const PART_TIMEOUT: Duration = Duration::from_secs(5);
/// Commands under way at one time.
const COMMANDS_AT_ONCE: usize = 32;

/// Why a feed could not be listened to.
#[derive(Debug, thiserror::Error)]
#[error("the subscription to {subject} failed")]
pub struct SubscribeError {
    subject: String,
    source: async_nats::SubscribeError,
}

/// A connection with the times it was made, for all nodes that share it.
#[derive(Clone)]
pub(crate) struct Line {
    client: async_nats::Client,
    made: watch::Receiver<u64>,
}

impl Line {
    /// Watches the connection as long as somebody has the line.
    pub(crate) fn new(client: async_nats::Client) -> Line {
        let (count, made) = watch::channel(0);
        tokio::spawn(watch_connection(client.clone(), count));
        Line { client, made }
    }
}

/// Carries the link of a node that follows these feeds, until `shutdown`.
///
/// # Errors
/// When the feeds can't be subscribed to.
pub(crate) async fn carry(
    line: Line,
    node: &str,
    feeds: &[Feed],
    far: FarEnd,
    shutdown: CancellationToken,
) -> Result<(), SubscribeError> {
    let Line { client, made } = line;
    let mut live = Vec::new();
    for feed in feeds {
        let subject = match feed {
            Feed::Own => subjects::node::feed(node),
            Feed::Shared => subjects::SHARED_FEED.to_owned(),
        };
        live.push(subscribe(&client, subject).await?);
    }
    let pings = subscribe(&client, subjects::node::ping(node)).await?;
    let FarEnd { incoming, commands, syncs, mut stats } = far;
    let lives = forward_live(futures::stream::select_all(live), incoming.clone());
    let asks = forward_commands(client.clone(), subjects::node::command(node), commands);
    let questions = forward_syncs(client.clone(), subjects::node::sync(node), syncs, incoming.clone());
    let watches = forward_connections(made, incoming);
    let answers = answer_pings(client.clone(), pings);
    let samples = async {
        while let Some(sample) = stats.recv().await {
            let text = serde_json::to_vec(&sample).expect("plain data");
            let _ = client.publish(subjects::node::stats(node), text.into()).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = lives => {}
        () = asks => {}
        () = questions => {}
        () = watches => {}
        () = answers => {}
        () = samples => {}
    }
    Ok(())
}

async fn subscribe(
    client: &async_nats::Client,
    subject: String,
) -> Result<async_nats::Subscriber, SubscribeError> {
    let subscribed = client.subscribe(subject.clone()).await;
    subscribed.map_err(|source| SubscribeError { subject, source })
}

/// Says that the node is there to whoever asks directly.
async fn answer_pings(client: async_nats::Client, mut pings: async_nats::Subscriber) {
    while let Some(ping) = pings.next().await {
        if let Some(reply) = ping.reply {
            let _ = client.publish(reply, Vec::new().into()).await;
        }
    }
}

async fn forward_live(
    mut live: impl futures::Stream<Item = async_nats::Message> + Unpin,
    to: mpsc::Sender<Incoming>,
) {
    while let Some(message) = live.next().await {
        match serde_json::from_slice::<FeedMessage>(&message.payload) {
            Ok(message) => {
                if to.send(Incoming::Live(message)).await.is_err() {
                    return;
                }
            }
            Err(why) => tracing::warn!(%why, subject = %message.subject, "not a feed message"),
        }
    }
}

async fn forward_commands(client: async_nats::Client, subject: String, commands: mpsc::Receiver<Asked>) {
    let stream = tokio_stream::wrappers::ReceiverStream::new(commands);
    stream
        .for_each_concurrent(COMMANDS_AT_ONCE, |asked| {
            let (client, subject) = (client.clone(), subject.clone());
            async move {
                if let Some(reply) = ask(&client, subject, &asked).await {
                    let _ = asked.answer.send(reply);
                }
            }
        })
        .await;
}

async fn ask(client: &async_nats::Client, subject: String, asked: &Asked) -> Option<NodeReply> {
    let text = serde_json::to_vec(&asked.command).expect("plain data");
    let answer = tokio::time::timeout(COMMAND_TIMEOUT, client.request(subject, text.into())).await;
    let message = answer.ok()?.inspect_err(|why| tracing::debug!(%why, "no answer to a command")).ok()?;
    serde_json::from_slice(&message.payload).inspect_err(|why| tracing::warn!(%why, "not an answer")).ok()
}

async fn forward_syncs(
    client: async_nats::Client,
    subject: String,
    mut syncs: mpsc::Receiver<FeedSync>,
    to: mpsc::Sender<Incoming>,
) {
    while let Some(sync) = syncs.recv().await {
        while !answered(&client, &subject, &sync, &to).await {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// Asks once; whether the whole answer came.
async fn answered(
    client: &async_nats::Client,
    subject: &str,
    sync: &FeedSync,
    to: &mpsc::Sender<Incoming>,
) -> bool {
    let inbox = client.new_inbox();
    let Ok(mut parts) = client.subscribe(inbox.clone()).await else { return false };
    let text = serde_json::to_vec(sync).expect("plain data");
    if client.publish_with_reply(subject.to_owned(), inbox, text.into()).await.is_err() {
        return false;
    }
    let mut whole = Vec::new();
    loop {
        let Ok(Some(message)) = tokio::time::timeout(PART_TIMEOUT, parts.next()).await else { return false };
        let Ok(part) = serde_json::from_slice::<FeedMessage>(&message.payload) else { return false };
        if usize::try_from(part.part) != Ok(whole.len()) {
            return false;
        }
        let end = part.end;
        whole.push(part);
        if end {
            break;
        }
    }
    for part in whole {
        if to.send(Incoming::Answer(part)).await.is_err() {
            return true;
        }
    }
    true
}

/// A connection that was away may have missed live messages.
async fn forward_connections(mut made: watch::Receiver<u64>, to: mpsc::Sender<Incoming>) {
    let mut known = *made.borrow_and_update();
    loop {
        if known > 0 && to.send(Incoming::Connected).await.is_err() {
            return;
        }
        if made.changed().await.is_err() {
            return;
        }
        known = *made.borrow_and_update();
    }
}

/// Counts how often the connection was made.
async fn watch_connection(client: async_nats::Client, count: watch::Sender<u64>) {
    let mut was = async_nats::connection::State::Disconnected;
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    while !count.is_closed() {
        tick.tick().await;
        let is = client.connection_state();
        if is == async_nats::connection::State::Connected && was != is {
            count.send_modify(|count| *count += 1);
        }
        was = is;
    }
}
