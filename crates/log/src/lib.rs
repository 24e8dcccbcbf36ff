//! Following the log and writing to it, without IO: who drives these machines brings bytes, time and ids.
//!
//! | module | keeps true |
//! | --- | --- |
//! | [`follower`] | what is applied is contiguous, and descends from what was applied before |
//! | [`executor`] | one write is decided, proposed and retried until its outcome is known, or said to be unknown |
//! | [`watch`] | a watcher sees every change of what it selects once, in order, or is ended |
//! | [`feed`] | a node sees what it may and must know, and notices what it missed |
//! | [`archive`] | the first lines of archive and checkpoint files, fixed from the first day |

pub mod archive;
pub mod executor;
pub mod feed;
pub mod follower;
pub mod watch;

pub use executor::{Decision, End, Executor, Failure, Limits, Step};
pub use follower::{Cursor, FollowError, Followed, Follower};
