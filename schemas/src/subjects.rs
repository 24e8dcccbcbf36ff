//! The subjects of NATS that services meet on.
//!
//! A name becomes one token of a subject by [`escape`], which is reversible, so that names with dots, spaces or
//! wildcards address nothing but themselves.

use crate::ObjectRef;

/// The stream that is the log, and its one subject.
pub const STREAM: &str = "RUTTER";
pub const LOG: &str = "rutter.log";

/// Request: a commit's text. Answer: an [`crate::Outcome`]. Every ledger listens, the active one answers.
pub const PROPOSE: &str = "rutter.ledger.propose";
/// Request: empty. Answer: [`crate::protocol::ledger::NowAnswer`], after the proof that the answerer is active.
pub const NOW: &str = "rutter.ledger.now";
/// The active ledger's sign of life: [`crate::protocol::ledger::Beat`].
pub const BEAT: &str = "rutter.ledger.beat";
/// Request: [`crate::protocol::ledger::HistoryQuery`]; any ledger answers (a queue group).
pub const HISTORY: &str = "rutter.ledger.history";
/// What every node may know: services, endpoints.
pub const SHARED_FEED: &str = "rutter.feed.shared";
/// Request: empty. Answer: the latest statistics of nodes and pods.
pub const TOP: &str = "rutter.autoscaler.top";

/// The live subject of an event, for who subscribes by wildcard: `rutter.event.<group>.<resource>.<namespace>.<name>`.
pub fn event(object: &ObjectRef) -> String {
    let parts = [&object.group, &object.resource, &object.namespace, &object.name];
    parts.iter().fold("rutter.event".to_owned(), |subject, part| subject + "." + &escape(part))
}

/// All live subjects.
pub const EVENTS: &str = "rutter.event.>";

/// Subjects of one node; its credentials reach nothing else but [`SHARED_FEED`].
pub mod node {
    use super::escape;

    /// The prefix of everything that is this node's.
    pub fn prefix(node: &str) -> String {
        format!("rutter.node.{}", escape(node))
    }

    /// Requests of the agent: [`crate::protocol::node::NodeCommand`].
    pub fn command(node: &str) -> String {
        format!("{}.command", prefix(node))
    }

    /// Requests of the agent for its feed.
    pub fn sync(node: &str) -> String {
        format!("{}.sync", prefix(node))
    }

    /// Changes of the feed, to the agent.
    pub fn feed(node: &str) -> String {
        format!("{}.feed", prefix(node))
    }

    /// Requests to the agent to open a stream (logs, exec, a connection into a pod).
    pub fn dial(node: &str) -> String {
        format!("{}.dial", prefix(node))
    }

    /// One direction of one open stream: `up` goes to the agent, `down` comes from it.
    pub fn data(node: &str, stream: &str, direction: &str) -> String {
        format!("{}.data.{}.{direction}", prefix(node), escape(stream))
    }

    /// Heartbeats with statistics, from the agent.
    pub fn stats(node: &str) -> String {
        format!("{}.stats", prefix(node))
    }

    /// Asks the agent whether it is there; it answers at once, with anything. Silence counts only after this failed too.
    pub fn ping(node: &str) -> String {
        format!("{}.ping", prefix(node))
    }

    /// The agent's inbox prefix.
    pub fn inbox(node: &str) -> String {
        format!("{}.inbox", prefix(node))
    }

    /// The same suffix of all nodes, for who serves them.
    pub fn all(suffix: &str) -> String {
        format!("rutter.node.*.{suffix}")
    }

    /// The name of the node whose subject this is.
    pub fn name_in(subject: &str) -> Option<String> {
        super::unescape(subject.strip_prefix("rutter.node.")?.split('.').next()?)
    }
}

/// A name as one token of a subject: letters, digits, `-` and `_` stand for themselves, any other byte is `=` and
/// two hexadecimal digits; the empty name is `=`.
pub fn escape(name: &str) -> String {
    if name.is_empty() {
        return "=".to_owned();
    }
    let mut token = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            token.push(char::from(byte));
        } else {
            token.push_str(&format!("={byte:02x}"));
        }
    }
    token
}

/// The name that [`escape`] made a token of; none when the token is not its work.
pub fn unescape(token: &str) -> Option<String> {
    if token == "=" {
        return Some(String::new());
    }
    let mut name = Vec::with_capacity(token.len());
    let mut bytes = token.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'=' {
            name.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?];
        name.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    let name = String::from_utf8(name).ok()?;
    (escape(&name) == token).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_names_stay_one_token() {
        assert_eq!(escape("system:a.b*>c d"), "system=3aa=2eb=2a=3ec=20d");
        assert_eq!(node::name_in(&node::command("n.1")), Some("n.1".to_owned()));
    }

    proptest! {
        #[test]
        fn escaping_is_reversible_and_leaves_no_separator(name in ".*") {
            let token = escape(&name);
            prop_assert!(!token.is_empty() && !token.contains(['.', '*', '>', ' ']));
            prop_assert_eq!(unescape(&token), Some(name));
        }

        #[test]
        fn only_our_own_tokens_are_read_back(token in ".*") {
            if let Some(name) = unescape(&token) {
                prop_assert_eq!(escape(&name), token);
            }
        }
    }
}
