//! Scopes: short names for the premises of a decision.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A premise that a plan may guard and an event may touch (falsify). Which events touch what is [`crate::touches`]'
/// to say; nobody else makes touches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(pub String);

impl Scope {
    /// The set of objects that an owner owns: births, deaths, deletion marks, changes of owner or labels.
    pub fn owner(uid: &str) -> Scope {
        Scope(format!("owner:{uid}"))
    }

    /// How many of an owner's pods are available: touched when one loses Ready.
    pub fn owner_available(uid: &str) -> Scope {
        Scope(format!("owner:{uid}:available"))
    }

    /// A PodDisruptionBudget's room: touched by disruptions it has to count.
    pub fn pdb(uid: &str) -> Scope {
        Scope(format!("pdb:{uid}"))
    }

    /// What a node has left: touched by bindings, cordons, taints, shrinking and NotReady.
    pub fn node_alloc(name: &str) -> Scope {
        Scope(format!("node:{name}:alloc"))
    }

    /// The names that the custom resources of a group have: touched when one gets or loses a name.
    pub fn custom_names(group: &str) -> Scope {
        Scope(format!("crd:{group}:names"))
    }

    /// Whether a namespace still takes new objects: touched by its termination.
    pub fn ns_life(name: &str) -> Scope {
        Scope(format!("ns:{name}:life"))
    }

    /// What a namespace's new objects are counted against, and up to where: touched by its ResourceQuotas.
    pub fn ns_quota(name: &str) -> Scope {
        Scope(format!("ns:{name}:quota"))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
