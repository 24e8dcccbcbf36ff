//! Under which names quotas count which kinds.

use super::is_metered;

/// The kinds that were counted by a name of their own before `count/…` was (`legacyObjectCountAliases`).
const OLD: [&str; 4] = ["configmaps", "resourcequotas", "replicationcontrollers", "secrets"];
/// The names of what pods use (`podResources`), but how many there are.
const OF_PODS: [&str; 10] = [
    "pods",
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];
const OF_SERVICES: [&str; 3] = ["services", "services.nodeports", "services.loadbalancers"];
const OF_CLAIMS: [&str; 2] = ["persistentvolumeclaims", "requests.storage"];

/// Between the name of a storage class and what is counted of it.
pub(super) const BY_STORAGE_CLASS: &str = ".storageclass.storage.k8s.io/";
/// Behind the name of a device class.
pub(super) const BY_DEVICE_CLASS: &str = ".deviceclass.resource.k8s.io/devices";

/// By what a name is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counted {
    /// By what objects ask for.
    Metered,
    /// By how many objects of a kind there are.
    Objects { group: String, plural: String },
}

/// Kinds that nobody counts (`pkg/quota/v1/install/registry.go`): of those that are stored, Events.
pub(super) fn is_ignored(group: &str, plural: &str) -> bool {
    plural == "events" && matches!(group, "" | "events.k8s.io")
}

/// The names under which the objects of a kind are counted by their number; none for kinds that nobody counts.
pub(super) fn of_kind(group: &str, plural: &str) -> Option<Vec<String>> {
    if is_ignored(group, plural) {
        return None;
    }
    let name = match (group, plural) {
        ("", plural) => format!("count/{plural}"),
        (group, plural) => format!("count/{plural}.{group}"),
    };
    let old = (group.is_empty() && OLD.contains(&plural)).then(|| plural.to_owned());
    Some([name].into_iter().chain(old).collect())
}

/// By what a name is counted, if anything is counted under it.
#[must_use]
pub fn counted_by(name: &str) -> Option<Counted> {
    let kind = match name.strip_prefix("count/") {
        Some(kind) => kind,
        None if OLD.contains(&name) => name,
        None => return is_of_amounts(name).then_some(Counted::Metered),
    };
    let (plural, group) = kind.split_once('.').unwrap_or((kind, ""));
    Some(match is_metered(group, plural) {
        true => Counted::Metered,
        false => Counted::Objects { group: group.to_owned(), plural: plural.to_owned() },
    })
    .filter(|_| of_kind(group, plural).is_some())
}

/// Whether anything is counted under a name.
#[must_use]
pub fn is_countable(name: &str) -> bool {
    counted_by(name).is_some()
}

fn is_of_amounts(name: &str) -> bool {
    OF_PODS.contains(&name)
        || OF_SERVICES.contains(&name)
        || OF_CLAIMS.contains(&name)
        || OF_CLAIMS
            .iter()
            .any(|of| name.strip_suffix(of).is_some_and(|class| class.ends_with(BY_STORAGE_CLASS)))
        || name.ends_with(BY_DEVICE_CLASS)
        || name.strip_prefix("requests.").unwrap_or(name).starts_with("hugepages-")
        || name.strip_prefix("requests.").is_some_and(is_extended)
}

/// Whether a resource is neither Kubernetes' own nor a request itself (`helper.IsExtendedResourceName`), or stands for a
/// class of devices.
pub(super) fn is_extended(name: &str) -> bool {
    let is_native = !name.contains('/') || name.contains("kubernetes.io/");
    (!is_native && !name.starts_with("requests.")) || name.starts_with("deviceclass.resource.kubernetes.io/")
}
