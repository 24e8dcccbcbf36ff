//! What the nodes report, kept for a while.
