//! The controllers together, their plans carried out by the API's real rules: defaulting, validation, status apart,
//! graceful deletion, finalizers. What one writes must be what it reads: a rule that changes a write on its way
//! would have a controller write it for ever.
#![allow(clippy::unwrap_used, reason = "what a test stands on may fail it")]

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rutter_apimachinery::registry::{Registry, Resource};
use rutter_apimachinery::status::Status;
use rutter_controller::draft::{Desk, drafts};
use rutter_controller::{Controller, Fact, Intent, Machine, Propagation, Settled, Ticket};
use rutter_replicator_core::{
    Defaults, Deployments, EndpointSlices, Garbage, NamespaceEnding, NodeLifecycle, PodGarbage, ReplicaSets,
};
use rutter_schemas::{Key, Op, Revision, Uuid};
use serde_json::{Value, json};

/// Seconds until all has to be quiet.
const PATIENCE: usize = 200;

/// The objects, the log of their changes, and the controllers that follow it.
struct Cluster {
    desk: Objects,
    now: Timestamp,
    facts: Vec<Fact>,
    crew: Vec<Box<dyn Member>>,
}

#[derive(Default)]
struct Objects {
    registry: Registry,
    objects: BTreeMap<Key, (Revision, Value)>,
    uids: u128,
}

impl Desk for Objects {
    type Refusal = Status;

    fn resource_of(&self, object: &Value) -> Result<Arc<Resource>, Status> {
        let (api_version, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        self.registry.by_kind(group, version, kind).ok_or_else(|| Status::bad_request("not served"))
    }

    fn standing(&mut self, key: &Key, expect: Revision) -> Result<Value, Status> {
        let (revision, object) = self.objects.get(key).expect("it is there");
        assert_eq!(*revision, expect, "{key}");
        let mut object = object.clone();
        object["metadata"]["resourceVersion"] = json!(revision.to_string());
        Ok(object)
    }

    /// A namespace that ends takes nothing new.
    fn admit(&mut self, _resource: &Resource, object: &mut Value) -> Result<(), Status> {
        let namespace =
            Key::new("", "namespaces", "", object["metadata"]["namespace"].as_str().unwrap_or_default());
        let ends = |(_, home): &(Revision, Value)| home["metadata"]["deletionTimestamp"].is_string();
        match self.objects.get(&namespace).is_some_and(ends) {
            true => Err(Status::bad_request("the namespace is being terminated")),
            false => Ok(()),
        }
    }

    fn uid(&mut self) -> Uuid {
        self.uids += 1;
        Uuid::from_u128(self.uids)
    }
}

/// Who plans, and the plans: in print, and their intents.
type Turn = (Ticket, &'static str, Vec<(String, Vec<Intent>)>);

/// A controller at work, whatever its view.
trait Member {
    fn follow(&mut self, facts: &[Fact], at: Revision);
    fn turn(&mut self, now: Timestamp) -> Option<Turn>;
    fn settle(&mut self, ticket: Ticket, settled: Settled, now: Timestamp);
}

impl<C: Controller> Member for Machine<C> {
    fn follow(&mut self, facts: &[Fact], at: Revision) {
        Machine::follow(self, facts, at);
    }

    fn turn(&mut self, now: Timestamp) -> Option<Turn> {
        let turn = self.next(now)?;
        let plans = turn.plans.into_iter().map(|plan| (plan.to_string(), plan.intents));
        Some((turn.ticket, C::NAME, plans.collect()))
    }

    fn settle(&mut self, ticket: Ticket, settled: Settled, now: Timestamp) {
        Machine::settle(self, ticket, settled, now);
    }
}

impl Cluster {
    fn new() -> Cluster {
        let mut defaults = Machine::<Defaults>::default();
        defaults.view_mut().tell_root("PEM".to_owned());
        let mut cluster = Cluster {
            desk: Objects { registry: Registry::builtin(), ..Objects::default() },
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            facts: Vec::new(),
            crew: vec![
                Box::new(Machine::<Deployments>::default()),
                Box::new(Machine::<ReplicaSets>::default()),
                Box::new(Machine::<EndpointSlices>::default()),
                Box::new(Machine::<Garbage>::default()),
                Box::new(Machine::<NamespaceEnding>::default()),
                Box::new(Machine::<NodeLifecycle>::default()),
                Box::new(Machine::<PodGarbage>::default()),
                Box::new(defaults),
            ],
        };
        for name in ["default", "shop"] {
            cluster.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
        }
        cluster.add_node("n1");
        cluster
    }

    fn add_node(&mut self, name: &str) {
        self.create(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}));
        let ready = json!({"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        self.patch("nodes", "", name, Some("status"), json!({"status": {"conditions": [ready]}}));
    }

    fn create(&mut self, object: Value) {
        self.must("a person", &[Intent::Create { object }]);
    }

    fn patch(
        &mut self,
        resource: &str,
        namespace: &str,
        name: &str,
        sub: Option<&'static str>,
        patch: Value,
    ) {
        let key = self.key(resource, namespace, name);
        let expect = self.desk.objects[&key].0;
        self.must("a person", &[Intent::Merge { key, expect, patch, subresource: sub }]);
    }

    fn delete(&mut self, resource: &str, namespace: &str, name: &str, propagation: Option<Propagation>) {
        let key = self.key(resource, namespace, name);
        let expect = self.desk.objects[&key].0;
        self.must("a person", &[Intent::Delete { key, expect, uid: None, grace_seconds: None, propagation }]);
    }

    fn key(&self, resource: &str, namespace: &str, name: &str) -> Key {
        let is_it = |key: &&Key| key.resource == resource && key.namespace == namespace && key.name == name;
        self.desk
            .objects
            .keys()
            .find(is_it)
            .unwrap_or_else(|| panic!("no {resource} {namespace}/{name}"))
            .clone()
    }

    fn must(&mut self, user: &str, intents: &[Intent]) {
        self.commit(user, intents).unwrap_or_else(|status| panic!("{user}: {}", status.message));
    }

    /// Carries intents out; how many events that makes.
    fn commit(&mut self, user: &str, intents: &[Intent]) -> Result<usize, Status> {
        let drafted = drafts(&mut self.desk, intents, user, self.now)?;
        let from = self.facts.len();
        for drafted in drafted {
            let (event, revision) = (drafted.draft.event, Revision(self.facts.len() as u64 + 1));
            let key = event.object.key();
            match event.op {
                Op::Delete => self.desk.objects.remove(&key),
                _ => self.desk.objects.insert(key, (revision, drafted.draft.object)),
            };
            self.facts.push(Fact::of_event(&event, revision));
        }
        let at = Revision(self.facts.len() as u64);
        for member in &mut self.crew {
            member.follow(&self.facts[from..], at);
        }
        Ok(self.facts.len() - from)
    }

    /// Lets controllers, node and scheduler work until nobody has anything to do.
    fn settle(&mut self) {
        for _ in 0..PATIENCE {
            self.now += SignedDuration::from_secs(1);
            let controlled = self.controllers_work();
            if !self.node_works() && !controlled {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// One turn of each controller, decided on what the one before has done.
    fn controllers_work(&mut self) -> bool {
        let mut worked = false;
        for place in 0..self.crew.len() {
            let Some((ticket, name, plans)) = self.crew[place].turn(self.now) else { continue };
            worked = true;
            for (plan, intents) in plans {
                let settled = match self.commit(name, &intents) {
                    Ok(0) => panic!("a plan of {name} changes nothing, and so will the next:\n{plan}"),
                    Ok(_) => Settled::Committed(Revision(self.facts.len() as u64)),
                    Err(_) => Settled::Failed,
                };
                self.crew[place].settle(ticket, settled, self.now);
            }
        }
        worked
    }

    /// Binds what waits, runs what is bound, ends what is to end.
    fn node_works(&mut self) -> bool {
        let pods = self.desk.objects.iter().filter(|(key, _)| key.resource == "pods");
        let pods: Vec<_> = pods.map(|(key, (revision, pod))| (key.clone(), *revision, pod.clone())).collect();
        let intents: Vec<Intent> =
            pods.into_iter().filter_map(|(key, expect, pod)| self.next_step(key, expect, &pod)).collect();
        for intent in &intents {
            self.must("the node", std::slice::from_ref(intent));
        }
        !intents.is_empty()
    }

    fn next_step(&self, key: Key, expect: Revision, pod: &Value) -> Option<Intent> {
        if pod["metadata"]["deletionTimestamp"].is_string() {
            return Some(Intent::Delete {
                key,
                expect,
                uid: None,
                grace_seconds: Some(0),
                propagation: None,
            });
        }
        if pod["spec"]["nodeName"].is_null() {
            let patch = json!({"spec": {"nodeName": "n1"}});
            return Some(Intent::Merge { key, expect, patch, subresource: Some("binding") });
        }
        (pod["status"]["phase"] == "Pending").then(|| {
            let ip = format!("10.1.{}.{}", expect.0 / 200, expect.0 % 200 + 1);
            let ready =
                json!({"type": "Ready", "status": "True", "lastTransitionTime": self.now.to_string()});
            let status =
                json!({"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [ready]});
            Intent::Merge { key, expect, patch: json!({ "status": status }), subresource: Some("status") }
        })
    }

    fn names(&self, resource: &str, namespace: &str) -> Vec<&str> {
        let here =
            self.desk.objects.keys().filter(|key| key.resource == resource && key.namespace == namespace);
        here.map(|key| key.name.as_str()).collect()
    }

    fn object(&self, resource: &str, namespace: &str, name: &str) -> &Value {
        &self.desk.objects[&self.key(resource, namespace, name)].1
    }
}

fn containers(image: &str) -> Value {
    json!([{"name": "c", "image": image, "ports": [{"name": "http", "containerPort": 8080}]}])
}

/// A Deployment of three and its Service, at rest.
fn shop() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.create(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "replicas": 3, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers("i:1")}},
        },
    }));
    cluster.create(json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
    }));
    cluster.settle();
    cluster
}

fn set_image(cluster: &mut Cluster, image: &str) {
    let patch = json!({"spec": {"template": {"spec": {"containers": containers(image)}}}});
    cluster.patch("deployments", "shop", "web", None, patch);
    cluster.settle();
}

#[test]
fn a_deployment_and_a_service_come_to_rest_whole() {
    let cluster = shop();
    assert_eq!(cluster.names("pods", "shop").len(), 3);
    let status = &cluster.object("deployments", "shop", "web")["status"];
    assert_eq!((&status["availableReplicas"], &status["updatedReplicas"]), (&json!(3), &json!(3)));
    let conditions = status["conditions"].as_array().unwrap();
    let reasons: Vec<&str> =
        conditions.iter().map(|condition| condition["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["MinimumReplicasAvailable", "NewReplicaSetAvailable"]);
    let [slice] = cluster.names("endpointslices", "shop")[..] else { panic!("one slice") };
    let slice = cluster.object("endpointslices", "shop", slice);
    assert_eq!(slice["endpoints"].as_array().unwrap().len(), 3);
    assert_eq!(slice["ports"][0]["port"], 8080);
    assert_eq!(cluster.names("serviceaccounts", "shop"), ["default"]);
    assert_eq!(cluster.names("configmaps", "shop"), ["kube-root-ca.crt"]);
}

#[test]
fn a_rollout_and_its_undoing_come_to_rest() {
    let mut cluster = shop();
    let revision = |cluster: &Cluster| {
        let annotations = &cluster.object("deployments", "shop", "web")["metadata"]["annotations"];
        annotations["deployment.kubernetes.io/revision"].as_str().unwrap().to_owned()
    };
    assert_eq!(revision(&cluster), "1");
    let first = cluster.names("replicasets", "shop").concat();
    set_image(&mut cluster, "i:2");
    assert_eq!((revision(&cluster).as_str(), cluster.names("replicasets", "shop").len()), ("2", 2));
    set_image(&mut cluster, "i:1");
    assert_eq!((revision(&cluster).as_str(), cluster.names("pods", "shop").len()), ("3", 3));
    assert_eq!(cluster.object("replicasets", "shop", &first)["status"]["readyReplicas"], 3);
    assert_eq!(cluster.names("replicasets", "shop").len(), 2);
}

#[test]
fn scaling_to_nothing_and_back_comes_to_rest() {
    let mut cluster = shop();
    for replicas in [0, 7] {
        cluster.patch("deployments", "shop", "web", None, json!({"spec": {"replicas": replicas}}));
        cluster.settle();
        assert_eq!(cluster.names("pods", "shop").len(), replicas);
    }
}

#[test]
fn a_deployment_goes_with_what_was_its_or_leaves_it() {
    for (how, sets, pods) in
        [(Propagation::Background, 0, 0), (Propagation::Foreground, 0, 0), (Propagation::Orphan, 1, 3)]
    {
        let mut cluster = shop();
        cluster.delete("deployments", "shop", "web", Some(how));
        cluster.settle();
        assert!(cluster.names("deployments", "shop").is_empty(), "{how:?}");
        let left = (cluster.names("replicasets", "shop").len(), cluster.names("pods", "shop").len());
        assert_eq!(left, (sets, pods), "{how:?}");
    }
}

#[test]
fn a_namespace_goes_with_all_that_is_in_it() {
    let mut cluster = shop();
    cluster.delete("namespaces", "", "shop", None);
    cluster.settle();
    assert_eq!(cluster.names("namespaces", ""), ["default"]);
    assert!(!cluster.desk.objects.keys().any(|key| key.namespace == "shop"));
}

#[test]
fn the_pods_of_a_node_that_is_gone_are_replaced() {
    let mut cluster = shop();
    let before: Vec<String> = cluster.names("pods", "shop").iter().map(ToString::to_string).collect();
    cluster.delete("nodes", "", "n1", None);
    for _ in 0..20 {
        cluster.now += SignedDuration::from_secs(1);
        cluster.controllers_work();
    }
    let after = cluster.names("pods", "shop");
    assert_eq!(after.len(), 3);
    assert!(after.iter().all(|name| !before.contains(&(*name).to_owned())));
}
