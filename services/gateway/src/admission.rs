//! Admission: what the cluster, rather than the kind, says about a write. The place for quotas, limits, policies and
//! webhooks; what is here needs no configuration. It runs inside the executor's decision, so a retry admits anew.

pub mod namespace;
