//! What every namespace has: the ServiceAccount `default` and the ConfigMap `kube-root-ca.crt` (upstream:
//! `serviceaccounts_controller.go`, `rootcacertpublisher`).
//!
//! The root certificate comes from outside the log: whoever runs this controller tells it to the view.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rutter_controller::{Controller, Fact, Outside, Plan, Reads};
use rutter_schemas::{Key, Op, Revision};
use serde_json::json;

/// The name of the ConfigMap with the cluster's root certificate.
pub const ROOT_CA: &str = "kube-root-ca.crt";

const ABOUT: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal \
endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across \
distributions of Kubernetes clusters.";

/// The controller of what namespaces have by default.
#[derive(Debug)]
pub struct Defaults;

#[derive(Debug, Default, PartialEq)]
pub struct View {
    /// By name; whether it still lives.
    namespaces: BTreeMap<String, bool>,
    /// The namespaces that have a ServiceAccount `default`.
    accounts: BTreeMap<String, Revision>,
    /// The certificate that each namespace's ConfigMap holds.
    certificates: BTreeMap<String, (Revision, String)>,
    root: Outside<String>,
    reads: Reads,
}

impl View {
    /// The root certificate in PEM. Wake all namespaces after it changed.
    pub fn tell_root(&mut self, pem: String) {
        self.root = Outside(pem);
    }

    /// The keys to wake.
    pub fn namespaces(&self) -> Vec<Key> {
        self.namespaces.keys().map(|name| Key::new("", "namespaces", "", name)).collect()
    }
}

impl Controller for Defaults {
    type View = View;
    type Key = Key;
    const NAME: &'static str = "namespace-defaults-controller";

    fn follows(group: &str, resource: &str) -> bool {
        group.is_empty() && matches!(resource, "namespaces" | "serviceaccounts" | "configmaps")
    }

    fn apply(view: &mut View, fact: &Fact) {
        let (namespace, gone) = (&fact.key.namespace, fact.op == Op::Delete);
        match (fact.key.resource.as_str(), fact.key.name.as_str()) {
            ("namespaces", name) if gone => {
                view.namespaces.remove(name);
            }
            ("namespaces", name) => {
                view.namespaces.insert(name.to_owned(), fact.meta.deletion.is_none());
            }
            ("serviceaccounts", "default") if gone => {
                view.accounts.remove(namespace);
            }
            ("serviceaccounts", "default") => {
                view.accounts.insert(namespace.clone(), fact.revision);
            }
            ("configmaps", ROOT_CA) if gone => {
                view.certificates.remove(namespace);
            }
            ("configmaps", ROOT_CA) => {
                let pem = fact.object()["data"]["ca.crt"].as_str().unwrap_or_default().to_owned();
                view.certificates.insert(namespace.clone(), (fact.revision, pem));
            }
            // Most ConfigMaps are other people's: their states are not even parsed.
            _ => {}
        }
    }

    fn wakes(_view: &View, fact: &Fact) -> Vec<Key> {
        let named = |name: &str| vec![Key::new("", "namespaces", "", name)];
        match (fact.key.resource.as_str(), fact.key.name.as_str()) {
            ("namespaces", name) => named(name),
            ("serviceaccounts", "default") | ("configmaps", ROOT_CA) => named(&fact.key.namespace),
            _ => Vec::new(),
        }
    }

    fn reconcile(view: &View, key: &Key, _now: Timestamp) -> Vec<Plan> {
        vec![reconcile(view, &key.name)]
    }

    fn reads(view: &View) -> &Reads {
        &view.reads
    }
}

fn reconcile(view: &View, namespace: &str) -> Plan {
    view.reads.count(3);
    if view.namespaces.get(namespace) != Some(&true) {
        return Plan::idle("it is gone, or going");
    }
    let mut plan = Plan::because(format!("what every namespace has is missing in {namespace}"));
    if !view.accounts.contains_key(namespace) {
        plan.create(json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "default", "namespace": namespace },
        }));
    }
    publish_root(view, namespace, &mut plan);
    if plan.is_idle() { Plan::idle("it has what every namespace has") } else { plan }
}

fn publish_root(view: &View, namespace: &str, plan: &mut Plan) {
    let Outside(root) = &view.root;
    if root.is_empty() {
        return;
    }
    match view.certificates.get(namespace) {
        None => plan.create(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": ROOT_CA, "namespace": namespace, "annotations": { "kubernetes.io/description": ABOUT },
            },
            "data": { "ca.crt": root },
        })),
        Some((_, known)) if known == root => {}
        Some((revision, _)) => {
            let key = Key::new("", "configmaps", namespace, ROOT_CA);
            plan.merge(key, *revision, json!({ "data": { "ca.crt": root } }));
        }
    }
}

#[cfg(test)]
mod tests {
    use rutter_controller::given::{Given, given};

    use super::Defaults;

    fn world(text: &str) -> Given<Defaults> {
        given(text).told(|view: &mut super::View| view.tell_root("PEM".into()))
    }

    #[test]
    fn a_new_namespace_gets_its_account_and_the_root_certificate() {
        world("Namespace a").reconcile("Namespace a").then(
            "because what every namespace has is missing in a
             + ServiceAccount default
             + ConfigMap kube-root-ca.crt",
        );
    }

    #[test]
    fn a_certificate_that_somebody_changed_is_put_right() {
        let given =
            world("Namespace a; ServiceAccount a/default; ConfigMap a/kube-root-ca.crt data.ca%2ecrt=other");
        given.reconcile("Namespace a").then(
            "because what every namespace has is missing in a
             ~ ConfigMap kube-root-ca.crt: data.ca.crt PEM",
        );
    }

    #[test]
    fn an_account_that_was_deleted_comes_back_while_the_namespace_lives() {
        let given = world("Namespace a; ServiceAccount a/default");
        assert_eq!(given.wakes("gone ServiceAccount a/default"), ["namespaces/a"]);
        world("Namespace a deleted").reconcile("Namespace a").then("because it is gone, or going");
    }
}
