//! Receives the statistics of nodes.
