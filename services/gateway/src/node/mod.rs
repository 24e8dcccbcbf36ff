//! The gateway's side of the nodes: feeds, commands and dialled streams, over NATS. A node is who its subject says; the
//! broker's permissions have proved it.
//!
//! | module | story |
//! | --- | --- |
//! | [`commands`] | what agents ask to be written: their node, their pods' status, ends, tokens, events |
//! | [`feeds`] | what each node needs of the log, told as it changes |
//! | [`leases`] | heartbeats, one renewal commit for all nodes |
//! | [`dial`] | streams to a node |

pub mod commands;
pub mod dial;
pub mod feeds;
pub mod leases;
