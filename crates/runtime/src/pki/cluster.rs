//! The cluster's CA and token-signing key, resting in the log as sealed Secrets.
