//! The gateway's side of the nodes, over NATS. A node is who its subject says; the broker's permissions have proved it.
//!
//! | module | story |
//! | --- | --- |
//! | [`commands`] | what agents ask to be written: their node, their pods' status, ends, tokens, events |
//! | [`feeds`] | what each node needs of the log, told as it changes |
//! | [`addresses`] | each node's range of pod addresses |
//! | [`dial`] | streams to a node |
//! | `endpoint` | the pods and addresses behind a Service |

pub mod addresses;
pub mod commands;
pub mod dial;
pub(crate) mod endpoint;
pub mod feeds;
mod merge;

use crate::authn::User;

/// Gateways share the nodes' requests.
const QUEUE: &str = "gateways";

/// A node, as authorization and events know it.
pub fn user(node: &str) -> User {
    User::authenticated(format!("system:node:{node}"), vec!["system:nodes".into()])
}
