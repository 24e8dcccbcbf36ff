//! The Container Runtime Interface v1 and containerd events, as generated clients.
