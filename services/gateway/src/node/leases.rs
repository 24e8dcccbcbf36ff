//! Node leases: renewed in the log once per 20 s, all nodes in one commit.
