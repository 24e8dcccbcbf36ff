//! Feeds: the part of the log that a node may and must know, as numbered steps.
//!
//! What it keeps true:
//! - A node's own feed holds its Node, the pods bound to it and what those name, by the graph that also authorizes the
//!   node's reads. Nothing else ever enters it; what is needed no longer is said to be gone.
//! - A step is made of one frame, so every gateway numbers a feed alike and any of them may serve it.
//! - A reader that has missed a step notices it at the next one, or at the next beat, and asks for what it missed.

mod feeds;
mod reader;
mod references;

pub use feeds::{Feeds, Happened, PodFacts, Sync, Target, Update};
pub use reader::{Heard, Reader};
pub use references::references;

use rutter_schemas::Key;

/// The resources of the shared feed: (group, resource).
pub const SHARED: [(&str, &str); 4] = [
    ("", "services"),
    ("discovery.k8s.io", "endpointslices"),
    ("", "namespaces"),
    // Which node has which range of pod addresses: the nodes' ways to each other's pods.
    ("rutter.dev", "podcidrs"),
];

pub(crate) fn is_shared(key: &Key) -> bool {
    SHARED.contains(&(key.group.as_str(), key.resource.as_str()))
}

#[cfg(test)]
mod tests;
