//! The end of a namespace: all that is in it is deleted, then the namespace is let go (upstream:
//! `pkg/controller/namespace`).
//!
//! Keeps true: the finalizer comes off only when nothing is left. Nothing new can come in meanwhile: every creation
//! guards the namespace's life, which its termination touched. Pods go before everything else, so that nothing
//! they need is taken from them while they run (KEP-5080).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rutter_controller::read::{list, stamp, text};
use rutter_controller::{Controller, Fact, Intent, Plan, Reads};
use rutter_schemas::{Key, Op, Revision};
use serde_json::{Value, json};

const FINALIZER: &str = "kubernetes";

/// How many objects one commit deletes.
const BATCH: usize = 500;

/// The controller that ends namespaces.
#[derive(Debug)]
pub struct NamespaceEnding;

#[derive(Debug, Default, PartialEq)]
pub struct View {
    namespaces: BTreeMap<String, Namespace>,
    content: BTreeMap<String, BTreeMap<Key, Item>>,
    reads: Reads,
}

#[derive(Clone, Debug, PartialEq)]
struct Namespace {
    key: Key,
    revision: Revision,
    deleting: bool,
    finalizers: Vec<String>,
    phase: String,
    conditions: Vec<Value>,
}

#[derive(Clone, Debug, PartialEq)]
struct Item {
    revision: Revision,
    uid: String,
    deleting: bool,
    finalizers: Vec<String>,
}

impl Controller for NamespaceEnding {
    type View = View;
    type Key = Key;
    const NAME: &'static str = "namespace-controller";

    fn follows(_group: &str, _resource: &str) -> bool {
        true
    }

    fn apply(view: &mut View, fact: &Fact) {
        if fact.is("", "namespaces") {
            return view.apply_namespace(fact);
        }
        if fact.key.namespace.is_empty() {
            return;
        }
        let items = view.content.entry(fact.key.namespace.clone()).or_default();
        match fact.op {
            Op::Delete => {
                items.remove(&fact.key);
                if items.is_empty() {
                    view.content.remove(&fact.key.namespace);
                }
            }
            Op::Create | Op::Update => {
                items.insert(fact.key.clone(), item(fact));
            }
        }
    }

    fn wakes(view: &View, fact: &Fact) -> Vec<Key> {
        if fact.is("", "namespaces") {
            return vec![fact.key.clone()];
        }
        let home = view.namespaces.get(&fact.key.namespace).filter(|namespace| namespace.deleting);
        home.map(|namespace| namespace.key.clone()).into_iter().collect()
    }

    fn reconcile(view: &View, key: &Key, now: Timestamp) -> Vec<Plan> {
        vec![reconcile(view, key, now)]
    }

    fn reads(view: &View) -> &Reads {
        &view.reads
    }
}

fn reconcile(view: &View, key: &Key, now: Timestamp) -> Plan {
    let Some(namespace) = view.namespaces.get(&key.name) else { return Plan::idle("it is gone") };
    if !namespace.deleting {
        return Plan::idle("it lives");
    }
    let Some(items) = view.content.get(&key.name) else { return end(namespace) };
    let mut plan =
        Plan::because(format!("{} is terminating and still holds {} objects", key.name, items.len()));
    let going = next_to_go(view, items);
    for (key, item) in &going {
        plan.delete((*key).clone(), item.revision, &item.uid);
    }
    let left = items
        .iter()
        .filter(|(key, _)| !going.iter().any(|(other, item)| other == key && goes_at_once(key, item)));
    let left: Vec<(&Key, &Item)> = left.collect();
    if left.is_empty() {
        return plan;
    }
    report(&mut plan, namespace, &left, now);
    plan
}

/// What to delete now: the pods, or when there are none any more, the rest.
fn next_to_go<'a>(view: &View, items: &'a BTreeMap<Key, Item>) -> BTreeMap<&'a Key, &'a Item> {
    view.reads.count(items.len());
    let has_pods = items.keys().any(is_pod);
    let of_this_turn = items.iter().filter(|(key, item)| !item.deleting && is_pod(key) == has_pods);
    of_this_turn.take(BATCH).collect()
}

fn is_pod(key: &Key) -> bool {
    key.resource == "pods" && key.group.is_empty()
}

/// What no finalizer and no node holds back is gone with the commit that deletes it. Pods may take their time.
fn goes_at_once(key: &Key, item: &Item) -> bool {
    item.finalizers.is_empty() && !is_pod(key)
}

fn end(namespace: &Namespace) -> Plan {
    let mut plan = Plan::because(format!("nothing is left in {}", namespace.key.name));
    let rest: Vec<&String> = namespace.finalizers.iter().filter(|name| *name != FINALIZER).collect();
    if rest.len() == namespace.finalizers.len() {
        return Plan::idle("it waits for other finalizers");
    }
    plan.intents.push(Intent::Merge {
        key: namespace.key.clone(),
        expect: namespace.revision,
        patch: json!({ "spec": { "finalizers": rest } }),
        subresource: Some("finalize"),
    });
    plan
}

/// Tells in the namespace's conditions what it waits for.
fn report(plan: &mut Plan, namespace: &Namespace, left: &[(&Key, &Item)], now: Timestamp) {
    let wanted = [
        said(
            "NamespaceDeletionDiscoveryFailure",
            None,
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        said(
            "NamespaceDeletionGroupVersionParsingFailure",
            None,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        said(
            "NamespaceDeletionContentFailure",
            None,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        said("NamespaceContentRemaining", Some(("SomeResourcesRemain", remaining(left))), "", ""),
        said(
            "NamespaceFinalizersRemaining",
            finalizers(left).map(|message| ("SomeFinalizersRemain", message)),
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        ),
    ];
    let conditions: Vec<Value> =
        wanted.iter().map(|wanted| dated(wanted, &namespace.conditions, now)).collect();
    if conditions != namespace.conditions || namespace.phase != "Terminating" {
        let status = json!({ "phase": "Terminating", "conditions": conditions });
        plan.merge_status(namespace.key.clone(), namespace.revision, status);
    }
}

/// A condition that is true with a reason and a message, or false with the others.
fn said(kind: &str, so: Option<(&str, String)>, not_reason: &str, not_message: &str) -> Value {
    match so {
        Some((reason, message)) => {
            json!({ "type": kind, "status": "True", "reason": reason, "message": message })
        }
        None => json!({ "type": kind, "status": "False", "reason": not_reason, "message": not_message }),
    }
}

fn dated(wanted: &Value, known: &[Value], now: Timestamp) -> Value {
    let same = known.iter().find(|one| one["type"] == wanted["type"] && one["status"] == wanted["status"]);
    let since = same.map_or_else(|| json!(stamp(now)), |one| one["lastTransitionTime"].clone());
    let mut dated = wanted.clone();
    dated["lastTransitionTime"] = since;
    dated
}

fn remaining(left: &[(&Key, &Item)]) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    for (key, _) in left {
        *counts.entry(qualified(key)).or_default() += 1;
    }
    let parts: Vec<String> =
        counts.iter().map(|(name, count)| format!("{name} has {count} resource instances")).collect();
    format!("Some resources are remaining: {}", parts.join(", "))
}

fn finalizers(left: &[(&Key, &Item)]) -> Option<String> {
    let mut counts = BTreeMap::<&str, usize>::new();
    for finalizer in left.iter().flat_map(|(_, item)| item.finalizers.iter().collect::<BTreeSet<_>>()) {
        *counts.entry(finalizer).or_default() += 1;
    }
    let parts: Vec<String> =
        counts.iter().map(|(name, count)| format!("{name} in {count} resource instances")).collect();
    (!parts.is_empty())
        .then(|| format!("Some content in the namespace has finalizers remaining: {}", parts.join(", ")))
}

/// `pods.`, `deployments.apps`: as upstream writes a GroupResource here.
fn qualified(key: &Key) -> String {
    format!("{}.{}", key.resource, key.group)
}

fn item(fact: &Fact) -> Item {
    Item {
        revision: fact.revision,
        uid: fact.uid.clone(),
        deleting: fact.meta.deletion.is_some(),
        finalizers: fact.meta.finalizers.clone(),
    }
}

impl View {
    fn apply_namespace(&mut self, fact: &Fact) {
        let Some(object) = fact.after() else {
            self.namespaces.remove(&fact.key.name);
            return;
        };
        let finalizers = list(object, "/spec/finalizers").iter().filter_map(Value::as_str).map(str::to_owned);
        let namespace = Namespace {
            key: fact.key.clone(),
            revision: fact.revision,
            deleting: fact.meta.deletion.is_some(),
            finalizers: finalizers.collect(),
            phase: text(object, "/status/phase").to_owned(),
            conditions: list(object, "/status/conditions").to_vec(),
        };
        self.namespaces.insert(fact.key.name.clone(), namespace);
    }
}

#[cfg(test)]
mod tests {
    use rutter_controller::given::{Given, given};

    use super::NamespaceEnding;

    fn world(text: &str) -> Given<NamespaceEnding> {
        given(text)
    }

    #[test]
    fn a_living_namespace_is_left_alone() {
        world("Namespace a; Pod a/p").reconcile("Namespace a").then("because it lives");
    }

    #[test]
    fn pods_go_first_then_the_rest_then_the_namespace() {
        let given =
            world("Namespace a deleted status.phase=Terminating; Pod a/p on=n; ConfigMap a/c; ConfigMap b/c");
        let decided = given.reconcile("Namespace a");
        assert!(decided.printed().contains("- Pod p\n") && !decided.printed().contains("- ConfigMap"));
        let waiting = decided.carried_out().reconcile("Namespace a");
        assert!(waiting.plans[0].is_idle(), "{}", waiting.printed());
        let given = waiting.carried_out().and("gone Pod a/p").reconcile("Namespace a").carried_out_in_part();
        let given = given.reconcile("Namespace a").then(
            "because nothing is left in a
             ~ Namespace a/finalize: finalizers []",
        );
        assert_eq!(given.world.objects().count(), 1);
    }

    #[test]
    fn what_holds_the_namespace_back_is_told() {
        let given = world("Namespace a deleted; ConfigMap a/c finalizers=example.com/x");
        let decided = given.reconcile("Namespace a");
        let printed = decided.printed();
        assert!(printed.contains("NamespaceFinalizersRemaining=True(SomeFinalizersRemain)"), "{printed}");
        let given = decided.carried_out();
        let (_, namespace) = given.world.objects().find(|(key, _)| key.resource == "namespaces").unwrap();
        assert_eq!(
            namespace["status"]["conditions"][3]["message"],
            "Some resources are remaining: configmaps. has 1 resource instances"
        );
        assert_eq!(
            namespace["status"]["conditions"][4]["message"],
            "Some content in the namespace has finalizers remaining: example.com/x in 1 resource instances"
        );
    }

    #[test]
    fn content_wakes_only_a_namespace_that_ends() {
        assert!(world("Namespace a").wakes("ConfigMap a/c").is_empty());
        let given = world("Namespace a deleted; ConfigMap a/c");
        assert_eq!(given.wakes("gone ConfigMap a/c"), ["namespaces/a"]);
    }
}
