//! Nodes and the gateway: what a node may say, and what it is told.

use rutter_gateway::authn::token::ISSUER;
use rutter_schemas::protocol::node::{Feed, FeedChange, FeedMessage, FeedSync, NodeCommand, NodeReply};
use rutter_schemas::{Key, Revision};
use serde_json::{Value, json};

use crate::agent::{Node, described, soon};
use crate::cluster::Cluster;

/// A pod that is bound from its birth and names a Secret.
pub(crate) fn pod(name: &str, node: &str) -> Value {
    json!({
        "kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "nodeName": node,
            "containers": [{"name": "web", "image": "web", "envFrom": [{"secretRef": {"name": "password"}}]}],
        },
    })
}

pub(crate) fn key(resource: &str, name: &str) -> Key {
    Key::new("", resource, "default", name)
}

pub(crate) fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(crate) fn running(pod: &Value, cause: Option<Revision>) -> NodeCommand {
    NodeCommand::PodStatus {
        namespace: "default".to_owned(),
        name: text(pod, "/metadata/name"),
        uid: text(pod, "/metadata/uid"),
        status: json!({"phase": "Running", "podIP": "10.244.0.2"}),
        fact: "ContainerStarted".to_owned(),
        why: "container web started".to_owned(),
        cause,
    }
}

fn ended(pod: &Value) -> NodeCommand {
    NodeCommand::PodDelete {
        namespace: "default".to_owned(),
        name: text(pod, "/metadata/name"),
        uid: text(pod, "/metadata/uid"),
        status: Some(json!({"phase": "Succeeded"})),
        why: "all containers ended".to_owned(),
    }
}

fn token(pod: &Value) -> NodeCommand {
    NodeCommand::Token {
        namespace: "default".to_owned(),
        service_account: "default".to_owned(),
        audiences: Vec::new(),
        expiration_seconds: 3600,
        pod_name: text(pod, "/metadata/name"),
        pod_uid: text(pod, "/metadata/uid"),
    }
}

/// The objects that messages bring.
fn put(messages: &[FeedMessage]) -> Vec<Key> {
    let changes = messages.iter().flat_map(|message| &message.changes);
    let put = |change: &FeedChange| match change {
        FeedChange::Put { key, .. } => Some(key.clone()),
        FeedChange::Gone { .. } => None,
    };
    changes.filter_map(put).collect()
}

/// Makes an object of the namespace `default`.
pub(crate) async fn create(cluster: &Cluster, resource: &str, object: &Value) -> Value {
    let answer = cluster.admin().post(&format!("/api/v1/namespaces/default/{resource}"), object).await;
    assert_eq!(answer.code, 201, "{}", answer.text());
    answer.json()
}

/// An object as it rests in the log.
pub(crate) async fn resting(cluster: &Cluster, key: &Key) -> Option<Value> {
    let snapshot = cluster.gateway.store.current().await.expect("a view");
    let object = snapshot.get_object(key).expect("readable");
    object.map(|object| serde_json::from_slice(&object).expect("objects are JSON"))
}

fn node_key(name: &str) -> Key {
    Key::new("", "nodes", "", name)
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_register_at_once_get_a_range_each_and_keep_it() {
    let cluster = Cluster::start().await;
    let nodes = [Node::connected(&cluster, "a").await, Node::connected(&cluster, "b.example").await];
    let register = |node: &Node| NodeCommand::Register { node: described(&node.name) };
    tokio::join!(nodes[0].done(register(&nodes[0])), nodes[1].done(register(&nodes[1])));
    let range =
        async |name: &str| text(&resting(&cluster, &node_key(name)).await.expect("a node"), "/spec/podCIDR");
    let (first, second) = (range("a").await, range("b.example").await);
    assert!(first.starts_with("10.244.") && first.ends_with(".0/24"), "{first}");
    assert_ne!(first, second);

    nodes[0].done(register(&nodes[0])).await;
    assert_eq!(range("a").await, first);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_says_nothing_of_another_node_and_takes_no_range_it_was_not_given() {
    let cluster = Cluster::start().await;
    let node = Node::connected(&cluster, "a").await;
    let (code, _) = node.refused(NodeCommand::Register { node: described("b") }).await;
    assert_eq!(code, 403);

    let mut greedy = described("a");
    greedy["spec"]["podCIDR"] = json!("10.0.0.0/8");
    node.done(NodeCommand::Register { node: greedy }).await;
    let registered = resting(&cluster, &node_key("a")).await.expect("a node");
    assert!(text(&registered, "/spec/podCIDR").starts_with("10.244."), "{registered}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_pod_reaches_its_node_with_its_secret_in_clear_and_no_other_node() {
    let cluster = Cluster::start().await;
    let (own, other) = (Node::start(&cluster, "own").await, Node::start(&cluster, "other").await);
    let secret = json!({"metadata": {"name": "password"}, "data": {"word": "c2VzYW1l"}});
    create(&cluster, "secrets", &secret).await;
    let sealed = resting(&cluster, &key("secrets", "password")).await.expect("a secret");
    assert_ne!(text(&sealed, "/data/word"), "c2VzYW1l");

    let made = create(&cluster, "pods", &pod("web", "own")).await;
    let heard = own.hears(&key("pods", "web")).await;
    assert_eq!(text(&heard, "/metadata/uid"), text(&made, "/metadata/uid"));
    assert_eq!(text(&own.hears(&key("secrets", "password")).await, "/data/word"), "c2VzYW1l");

    create(&cluster, "pods", &pod("theirs", "other")).await;
    other.hears(&key("pods", "theirs")).await;
    assert_eq!(other.holds(&key("pods", "web")), None);
    assert_eq!(own.holds(&key("pods", "theirs")), None);

    assert_eq!(own.done(ended(&made)).await, Revision::NONE);
    soon("the pod leaves the feed", || own.holds(&key("pods", "web")).is_none()).await;
    soon("its secret leaves the feed", || own.holds(&key("secrets", "password")).is_none()).await;
    assert!(other.holds(&key("secrets", "password")).is_some());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_recorded_as_the_fact_that_the_node_names_and_what_it_answers() {
    let cluster = Cluster::start().await;
    let node = Node::start(&cluster, "a").await;
    let pod = create(&cluster, "pods", &pod("web", "a")).await;
    let heard = node.hears(&key("pods", "web")).await;
    let cause = Revision(text(&heard, "/metadata/resourceVersion").parse().expect("a revision"));

    let revision = node.done(running(&pod, Some(cause))).await;
    let after = resting(&cluster, &key("pods", "web")).await.expect("the pod");
    assert_eq!(text(&after, "/status/phase"), "Running");
    assert_eq!(text(&after, "/status/qosClass"), "BestEffort", "what it did not say stays");
    let event = cluster.gateway.store.current().await.expect("a view").event(revision).expect("readable");
    let event = event.expect("the write's event");
    assert_eq!(event.event_type, "ContainerStarted");
    assert_eq!(event.actor.user, "system:node:a");
    assert!(event.actor.groups.contains(&"system:nodes".to_owned()));
    assert_eq!((&*event.why, event.cause), ("container web started", Some(cause)));

    assert_eq!(node.done(running(&pod, Some(cause))).await, revision, "a repeat writes nothing");

    node.done(ended(&pod)).await;
    let last = cluster.gateway.store.current().await.expect("a view");
    let event = last.event(last.revision()).expect("readable").expect("the deletion");
    assert_eq!((&*event.event_type, event.cause), ("PodDeleted", Some(revision)), "what was done to it last");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_of_another_node_is_refused_and_one_of_another_uid_is_gone() {
    let cluster = Cluster::start().await;
    let (own, other) = (Node::start(&cluster, "own").await, Node::start(&cluster, "other").await);
    let pod = create(&cluster, "pods", &pod("web", "own")).await;
    for command in [running(&pod, None), ended(&pod), token(&pod)] {
        let (code, message) = other.refused(command.clone()).await;
        assert_eq!(code, 403, "{command:?}: {message}");
    }

    let mut earlier = pod.clone();
    earlier["metadata"]["uid"] = json!("00000000-0000-0000-0000-000000000000");
    assert_eq!(own.refused(running(&earlier, None)).await.0, 404);
    assert_eq!(own.done(ended(&earlier)).await, Revision::NONE);
    assert!(resting(&cluster, &key("pods", "web")).await.is_some());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pods_token_speaks_for_its_account_while_the_pod_is_there() {
    let cluster = Cluster::start().await;
    let node = Node::start(&cluster, "a").await;
    let pod = create(&cluster, "pods", &pod("web", "a")).await;
    let NodeReply::Token { token, .. } = node.ask(token(&pod)).await else { panic!("a token was asked for") };
    let gateway = &cluster.gateway;
    let user = gateway.tokens.user(&token, &gateway.store).expect("it holds");
    assert_eq!(user.name, "system:serviceaccount:default:default");
    assert_eq!(user.extra["authentication.kubernetes.io/node-name"], ["a"]);
    assert!(gateway.tokens.claims(&token, &[ISSUER.to_owned()]).is_some());

    node.done(ended(&pod)).await;
    gateway.store.current().await.expect("a view");
    assert!(gateway.tokens.user(&token, &gateway.store).is_none());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_with_a_cursor_gets_what_changed_since_and_a_new_one_gets_everything() {
    let cluster = Cluster::start().await;
    let node = Node::start(&cluster, "a").await;
    create(&cluster, "pods", &pod("first", "a")).await;
    node.hears(&key("pods", "first")).await;
    let whole = node.sync(&FeedSync { feed: Feed::Own, cursor: None }).await;
    assert!(whole[0].snapshot);
    let (account, authority) = (key("serviceaccounts", "default"), key("configmaps", "kube-root-ca.crt"));
    assert_eq!(put(&whole), [authority, node_key("a"), key("pods", "first"), account]);

    let cursor = Some(whole[0].revision);
    create(&cluster, "pods", &pod("second", "a")).await;
    node.hears(&key("pods", "second")).await;
    let since = node.sync(&FeedSync { feed: Feed::Own, cursor }).await;
    assert!(!since[0].snapshot);
    assert_eq!(put(&since), [key("pods", "second")]);

    let shared = node.sync(&FeedSync { feed: Feed::Shared, cursor: None }).await;
    assert!(put(&shared).contains(&key("services", "kubernetes")), "{shared:?}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_one_name_is_counted_and_not_repeated() {
    let cluster = Cluster::start().await;
    let node = Node::start(&cluster, "a").await;
    let event = |count: u32| NodeCommand::RecordEvent {
        event: json!({
            "kind": "Event", "apiVersion": "v1", "type": "Normal", "reason": "Pulled", "message": "pulled",
            "metadata": {"name": "web.1", "namespace": "default"},
            "involvedObject": {"kind": "Pod", "namespace": "default", "name": "web"},
            "source": {"component": "kubelet", "host": "a"}, "count": count,
        }),
    };
    node.done(event(1)).await;
    node.done(event(2)).await;
    let recorded = resting(&cluster, &key("events", "web.1")).await.expect("the event");
    assert_eq!(recorded["count"], 2);
    cluster.stop().await;
}
