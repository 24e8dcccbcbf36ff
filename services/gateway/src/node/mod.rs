//! The gateway's side of the nodes: feeds, commands and dialled streams, over NATS. A node is who its subject says; the
//! broker's permissions have proved it.

pub mod dial;
