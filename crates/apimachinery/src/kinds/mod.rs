//! One room per API group, one file per kind.
