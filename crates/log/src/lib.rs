//! Following the log and writing to it, without IO: follower, feeds, watches, the retries of the executor.
