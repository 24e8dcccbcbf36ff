//! What each role may say and hear on NATS. The server enforces it; a test over a real server shows it.
//!
//! Only a ledger appends to the log, changes the stream or purges it. Those who follow the log may create
//! consumers of it and read single messages from its leader. A node reaches its own subjects and what every
//! node may know, and nothing of JetStream.

use std::fmt;

use rutter_schemas::subjects::{self, node};

use crate::standby;

/// Whose work a connection does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    Ledger,
    Gateway,
    Placement,
    Replicator,
    Autoscaler,
    /// The agent of the node with this name.
    Node(String),
    /// A process that plays many nodes, `<name>-<number>`: for trying out and measuring only.
    Simulation(String),
}

/// Subjects, with NATS wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    pub publish: Vec<String>,
    pub subscribe: Vec<String>,
    /// May publish once to the reply subject of each request it received.
    pub answers: bool,
}

impl Role {
    /// The services that run beside the log, one credentials file each.
    pub const SERVICES: [Role; 5] =
        [Role::Ledger, Role::Gateway, Role::Placement, Role::Replicator, Role::Autoscaler];

    /// Under which this role's answers arrive; nobody else may listen there.
    #[must_use]
    pub fn inbox_prefix(&self) -> String {
        match self {
            Role::Node(name) | Role::Simulation(name) => node::inbox(name),
            service => format!("_INBOX.{service}"),
        }
    }

    /// What this role may publish and subscribe to.
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        let inbox = format!("{}.>", self.inbox_prefix());
        let (publish, subscribe) = match self {
            Role::Ledger => (ledger_publishes(), owned(&["rutter.ledger.>"])),
            Role::Gateway => {
                (with(follows(), &["rutter.node.>", "rutter.feed.>", subjects::TOP]), gateway_hears())
            }
            Role::Placement => (follows(), owned(&[subjects::EVENTS])),
            Role::Replicator => (with(follows(), &[&node::all("ping")]), replicator_hears()),
            Role::Autoscaler => (follows(), autoscaler_hears()),
            Role::Node(name) => (vec![own(name)], vec![own(name), subjects::SHARED_FEED.to_owned()]),
            Role::Simulation(_) => {
                let all = node::all(">");
                (vec![all.clone()], vec![all, subjects::SHARED_FEED.to_owned()])
            }
        };
        let answers = !matches!(self, Role::Ledger | Role::Placement | Role::Replicator);
        let (mut publish, mut subscribe) = (publish, with(subscribe, &[&inbox]));
        if !matches!(self, Role::Node(_) | Role::Simulation(_)) {
            let standby = standby::subject(&self.to_string());
            publish.push(standby.clone());
            subscribe.push(standby);
        }
        Permissions { publish, subscribe, answers }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Ledger => f.write_str("ledger"),
            Role::Gateway => f.write_str("gateway"),
            Role::Placement => f.write_str("placement"),
            Role::Replicator => f.write_str("replicator"),
            Role::Autoscaler => f.write_str("autoscaler"),
            Role::Node(name) => write!(f, "node {name}"),
            Role::Simulation(name) => write!(f, "simulation {name}"),
        }
    }
}

fn ledger_publishes() -> Vec<String> {
    let stream = subjects::STREAM;
    let api = ["CREATE", "UPDATE", "PURGE"].map(|verb| format!("$JS.API.STREAM.{verb}.{stream}"));
    // Answers are owed for seconds, while the stream has no leader. The server's leave to answer a question is a
    // connection's own and goes with it, so a ledger that had to connect again would have none for those.
    let own = owned(&[subjects::LOG, "rutter.ledger.>", subjects::EVENTS, "_INBOX.>"]);
    [reads(), api.to_vec(), own].concat()
}

/// Asks the ledger to publish live events for a while.
pub const ASK_FOR_EVENTS: &str = "rutter.ledger.events";

/// Those who follow the log and propose to it.
fn follows() -> Vec<String> {
    with(reads(), &[subjects::PROPOSE, subjects::NOW, subjects::HISTORY, ASK_FOR_EVENTS])
}

/// The part of JetStream's API that reading the log needs.
fn reads() -> Vec<String> {
    let stream = subjects::STREAM;
    vec![
        format!("$JS.API.STREAM.INFO.{stream}"),
        format!("$JS.API.STREAM.MSG.GET.{stream}"),
        format!("$JS.API.CONSUMER.CREATE.{stream}"),
        format!("$JS.API.CONSUMER.CREATE.{stream}.>"),
        format!("$JS.API.CONSUMER.INFO.{stream}.*"),
        format!("$JS.API.CONSUMER.DELETE.{stream}.*"),
        // Flow control: a consumer's client answers the server there.
        format!("$JS.FC.{stream}.>"),
    ]
}

fn gateway_hears() -> Vec<String> {
    let nodes = ["command", "sync", "stats", "data.>"].map(node::all);
    with(nodes.to_vec(), &[subjects::EVENTS])
}

fn replicator_hears() -> Vec<String> {
    vec![node::all("stats"), subjects::EVENTS.to_owned()]
}

fn autoscaler_hears() -> Vec<String> {
    vec![node::all("stats"), subjects::TOP.to_owned(), subjects::EVENTS.to_owned()]
}

fn own(name: &str) -> String {
    format!("{}.>", node::prefix(name))
}

fn owned(subjects: &[&str]) -> Vec<String> {
    subjects.iter().map(|&subject| subject.to_owned()).collect()
}

fn with(mut subjects: Vec<String>, more: &[&str]) -> Vec<String> {
    subjects.extend(more.iter().map(|&subject| subject.to_owned()));
    subjects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_ledger_may_append_change_or_purge_the_stream() {
        let others = Role::SERVICES.into_iter().filter(|role| *role != Role::Ledger);
        for role in others.chain([Role::Node("a".to_owned())]) {
            let published = role.permissions().publish;
            for subject in [subjects::LOG, "$JS.API.STREAM.PURGE.RUTTER", "$JS.API.STREAM.UPDATE.RUTTER"] {
                assert!(!published.contains(&subject.to_owned()), "{role} publishes {subject}");
            }
        }
    }

    #[test]
    fn a_node_with_a_hostile_name_reaches_its_own_subjects_only() {
        let permissions = Role::Node("a.>*".to_owned()).permissions();
        assert_eq!(permissions.publish, ["rutter.node.a=2e=3e=2a.>"]);
    }
}
