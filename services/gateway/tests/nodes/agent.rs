//! The agent's end of the node protocol, without an agent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use rutter_log::feed::{Heard, Reader};
use rutter_runtime::roles::Role;
use rutter_schemas::protocol::node::{Feed, FeedChange, FeedMessage, FeedSync, NodeCommand, NodeReply};
use rutter_schemas::{Key, Revision, subjects};
use serde_json::{Value, json};

use crate::cluster::Cluster;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until something is so.
pub(crate) async fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !is_so() {
        assert!(tokio::time::Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A node that asks, and reads its own feed.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) client: async_nats::Client,
    held: Arc<Mutex<BTreeMap<Key, Value>>>,
}

impl Node {
    /// A node that is connected, registered, and follows its own feed.
    pub(crate) async fn start(cluster: &Cluster, name: &str) -> Node {
        let node = Node::connected(cluster, name).await;
        node.done(NodeCommand::Register { node: described(name) }).await;
        node.follow(Feed::Own).await;
        node
    }

    pub(crate) async fn connected(cluster: &Cluster, name: &str) -> Node {
        let client = cluster.connect(&Role::Node(name.to_owned())).await;
        Node { name: name.to_owned(), client, held: Arc::default() }
    }

    pub(crate) async fn ask(&self, command: NodeCommand) -> NodeReply {
        let text = serde_json::to_vec(&command).expect("plain data");
        let asked = self.client.request(subjects::node::command(&self.name), text.into());
        let answer = tokio::time::timeout(PATIENCE, asked).await.expect("in time").expect("an answer");
        serde_json::from_slice(&answer.payload).expect("a reply")
    }

    /// Asks for what has to be done; the object's revision.
    pub(crate) async fn done(&self, command: NodeCommand) -> Revision {
        match self.ask(command).await {
            NodeReply::Done { revision } => revision,
            other => panic!("not done: {other:?}"),
        }
    }

    /// Asks for what has to be refused; the code and the message of the Status.
    pub(crate) async fn refused(&self, command: NodeCommand) -> (u64, String) {
        match self.ask(command).await {
            NodeReply::Refused { status } => {
                (status["code"].as_u64().expect("a code"), status["message"].to_string())
            }
            other => panic!("not refused: {other:?}"),
        }
    }

    /// An object that the feed brought.
    pub(crate) fn holds(&self, key: &Key) -> Option<Value> {
        self.held.lock().expect("nobody panics with it").get(key).cloned()
    }

    pub(crate) async fn hears(&self, key: &Key) -> Value {
        soon(&format!("{} hears of {key}", self.name), || self.holds(key).is_some()).await;
        self.holds(key).expect("just seen")
    }

    /// The answer to a question for a feed, all parts of it.
    pub(crate) async fn sync(&self, sync: &FeedSync) -> Vec<FeedMessage> {
        let (inbox, text) = (self.client.new_inbox(), serde_json::to_vec(sync).expect("plain data"));
        let mut parts = self.client.subscribe(inbox.clone()).await.expect("an inbox");
        let subject = subjects::node::sync(&self.name);
        self.client.publish_with_reply(subject, inbox, text.into()).await.expect("asked");
        let mut heard: Vec<FeedMessage> = Vec::new();
        while heard.last().is_none_or(|part| !part.end) {
            let part = tokio::time::timeout(PATIENCE, parts.next()).await.expect("in time").expect("a part");
            heard.push(serde_json::from_slice(&part.payload).expect("a feed message"));
        }
        heard
    }

    /// Follows a feed from a snapshot on, as an agent does. Returns when it has the snapshot.
    pub(crate) async fn follow(&self, feed: Feed) {
        let subject = match feed {
            Feed::Own => subjects::node::feed(&self.name),
            Feed::Shared => subjects::SHARED_FEED.to_owned(),
        };
        let mut live = self.client.subscribe(subject).await.expect("a feed");
        self.client.flush().await.expect("subscribed");
        let mut reader = Reader::new(feed, None);
        let asked = reader.ask();
        self.answered(&mut reader, &asked).await;
        let node = Node { name: self.name.clone(), client: self.client.clone(), held: self.held.clone() };
        tokio::spawn(async move {
            while let Some(message) = live.next().await {
                let message = serde_json::from_slice(&message.payload).expect("a feed message");
                match reader.live(message) {
                    Heard::Apply(messages) => node.take(messages),
                    Heard::Nothing => {}
                    Heard::Ask(sync) => node.answered(&mut reader, &sync).await,
                }
            }
        });
    }

    async fn answered(&self, reader: &mut Reader, sync: &FeedSync) {
        for part in self.sync(sync).await {
            if let Heard::Apply(messages) = reader.answer(part) {
                self.take(messages);
            }
        }
    }

    fn take(&self, messages: Vec<FeedMessage>) {
        let mut held = self.held.lock().expect("nobody panics with it");
        for change in messages.into_iter().flat_map(|message| message.changes) {
            match change {
                FeedChange::Put { key, object } => {
                    held.insert(key, serde_json::from_str(object.get()).expect("an object"));
                }
                FeedChange::Gone { key } => {
                    held.remove(&key);
                }
            }
        }
    }
}

/// What an agent says of its node.
pub(crate) fn described(name: &str) -> Value {
    json!({
        "kind": "Node", "apiVersion": "v1",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
        "spec": {},
    })
}
