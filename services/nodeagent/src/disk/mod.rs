//! Where things lie on the node's disk, and what is kept there.

mod feed;
mod paths;
mod volumes;

pub(crate) use feed::{KeptFeed, load_feed, save_feed};
pub(crate) use paths::{Paths, log_name};
pub(crate) use volumes::{TokenNeed, kept_tokens, prepare, remove_pod, unmount_below};
