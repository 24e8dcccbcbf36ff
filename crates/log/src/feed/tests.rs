use super::*;
use proptest::prelude::*;
use rutter_schemas::Revision;
use rutter_schemas::protocol::node::{Feed, FeedChange, FeedMessage};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

fn key(text: &str) -> Key {
    let (resource, name) = text.split_once('/').expect("resource/name");
    let namespace = if resource == "nodes" { "" } else { "default" };
    let group = if resource == "endpointslices" { "discovery.k8s.io" } else { "" };
    Key::new(group, resource, namespace, name)
}

fn keys(text: &str) -> BTreeSet<Key> {
    text.split_whitespace().map(key).collect()
}

/// `pod web on n1 names configmaps/a secrets/b`, `put secrets/b`, `gone pods/web`.
fn happened(text: &str) -> Happened {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        ["put", name] => Happened::Put { key: key(name) },
        ["gone", name] => Happened::Gone { key: key(name) },
        ["pod", name, "on", node, "names", ref names @ ..] => Happened::Pod {
            key: key(&format!("pods/{name}")),
            facts: PodFacts {
                node: Some(node.to_owned()).filter(|node| node != "-"),
                references: keys(&names.join(" ")),
            },
        },
        _ => panic!("not understood: {text}"),
    }
}

/// A frame's steps, as text.
fn apply(feeds: &mut Feeds, end: u64, changes: &[&str]) -> Vec<String> {
    let updates = feeds.apply(Revision(end), changes.iter().map(|text| happened(text)));
    updates.iter().map(show).collect()
}

fn show(update: &Update) -> String {
    let target = match &update.target {
        Target::Node(node) => node,
        Target::Shared => "shared",
    };
    let changes: Vec<_> = update
        .changes
        .iter()
        .map(|(key, belongs)| format!("{}{}/{}", if *belongs { "+" } else { "-" }, key.resource, key.name))
        .collect();
    format!("{target} r{}→r{}: {}", update.prior, update.revision, changes.join(" "))
}

#[test]
fn a_bound_pod_brings_what_it_names_and_takes_it_away_again() {
    let mut feeds = Feeds::load(Revision(1), []);
    assert_eq!(apply(&mut feeds, 2, &["pod web on - names configmaps/a"]), [""; 0]);
    assert_eq!(
        apply(&mut feeds, 3, &["pod web on n1 names configmaps/a secrets/s"]),
        ["n1 r1→r3: +configmaps/a +pods/web +secrets/s"]
    );
    assert_eq!(apply(&mut feeds, 4, &["pod db on n1 names secrets/s"]), ["n1 r3→r4: +pods/db"]);
    assert_eq!(apply(&mut feeds, 5, &["put secrets/s", "put secrets/other"]), ["n1 r4→r5: +secrets/s"]);
    assert_eq!(apply(&mut feeds, 6, &["gone pods/web"]), ["n1 r5→r6: -configmaps/a -pods/web"]);
    assert_eq!(apply(&mut feeds, 7, &["gone secrets/s"]), ["n1 r6→r7: -secrets/s"]);
    assert_eq!(apply(&mut feeds, 8, &["gone pods/db"]), ["n1 r7→r8: -pods/db -secrets/s"]);
}

#[test]
fn a_node_sees_itself_and_everybody_sees_services() {
    let mut feeds = Feeds::load(Revision(1), []);
    assert_eq!(apply(&mut feeds, 2, &["put nodes/n1"]), ["n1 r1→r2: +nodes/n1"]);
    assert_eq!(
        apply(&mut feeds, 3, &["put services/a", "gone endpointslices/a-1"]),
        ["shared r1→r3: +services/a -endpointslices/a-1"]
    );
}

#[test]
fn a_node_may_read_what_its_feed_holds_and_nothing_else() {
    let mut feeds = Feeds::load(Revision(1), []);
    apply(&mut feeds, 2, &["pod web on n1 names secrets/s", "pod db on n2 names secrets/t"]);
    let may: Vec<bool> =
        ["nodes/n1", "nodes/n2", "pods/web", "pods/db", "secrets/s", "secrets/t", "services/a"]
            .map(|name| feeds.may_read("n1", &key(name)))
            .to_vec();
    assert_eq!(may, [true, false, true, false, true, false, true]);
}

#[test]
fn a_reader_gets_the_changes_since_its_cursor_or_a_snapshot() {
    let mut feeds = Feeds::load(Revision(10), []);
    let n1 = || Target::Node("n1".into());
    apply(&mut feeds, 11, &["pod web on n1 names secrets/s"]);
    apply(&mut feeds, 12, &["put services/a"]);
    apply(&mut feeds, 13, &["pod db on n1 names"]);
    let Sync::Since(update) = feeds.sync(n1(), Some(Revision(11))) else { panic!("it is remembered") };
    assert_eq!(show(&update), "n1 r11→r13: +pods/db");
    let Sync::Snapshot { keys: held, revision, .. } = feeds.sync(n1(), Some(Revision(9))) else {
        panic!("before its time")
    };
    assert_eq!((held, revision), (keys("nodes/n1 pods/db pods/web secrets/s"), Revision(13)));
    assert!(matches!(feeds.sync(n1(), None), Sync::Snapshot { .. }));
    assert_eq!(feeds.sync(n1(), Some(Revision(14))), Sync::Behind { revision: Revision(13) });
}

#[test]
fn a_change_is_read_from_the_text_after_it() {
    let pod = br#"{"kind":"Pod","metadata":{"namespace":"default","name":"web"},"spec":{"nodeName":"n1","serviceAccountName":"sa"}}"#;
    assert_eq!(Happened::of(&key("pods/web"), Some(pod)), happened("pod web on n1 names serviceaccounts/sa"));
    assert_eq!(Happened::of(&key("secrets/s"), Some(b"{}")), happened("put secrets/s"));
    assert_eq!(Happened::of(&key("pods/web"), None), happened("gone pods/web"));
}

#[test]
fn what_a_pod_names_follows_upstreams_graph() {
    let pod = json!({"metadata": {"namespace": "default", "name": "web"}, "spec": {
        "serviceAccountName": "sa", "imagePullSecrets": [{"name": "pull"}],
        "volumes": [
            {"name": "a", "configMap": {"name": "cm"}}, {"name": "b", "secret": {"secretName": "sec"}},
            {"name": "c", "persistentVolumeClaim": {"claimName": "claim"}}, {"name": "d", "ephemeral": {}},
            {"name": "e", "projected": {"sources": [
                {"configMap": {"name": "kube-root-ca.crt"}}, {"secret": {"name": "psec"}}]}},
            {"name": "f", "emptyDir": {}}],
        "initContainers": [{"envFrom": [{"configMapRef": {"name": "icm"}}]}],
        "containers": [{"env": [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "esec", "key": "k"}}},
            {"name": "B", "value": "plain"}], "envFrom": [{"secretRef": {"name": "efsec"}}]}]}});
    assert_eq!(
        references(&pod),
        keys(
            "serviceaccounts/sa secrets/pull configmaps/cm secrets/sec persistentvolumeclaims/claim \
             persistentvolumeclaims/web-d configmaps/kube-root-ca.crt secrets/psec configmaps/icm secrets/esec \
             secrets/efsec"
        )
    );
}

fn message(prior: u64, revision: u64) -> FeedMessage {
    FeedMessage {
        feed: Feed::Own,
        revision: Revision(revision),
        prior: Revision(prior),
        snapshot: false,
        end: false,
        part: 0,
        changes: vec![],
        traceparent: None,
    }
}

fn heard(heard: &Heard) -> String {
    match heard {
        Heard::Apply(messages) => {
            let to: Vec<_> = messages.iter().map(|message| format!("r{}", message.revision)).collect();
            format!("apply {}", to.join(" "))
        }
        Heard::Nothing => "nothing".into(),
        Heard::Ask(sync) => format!("ask since {:?}", sync.cursor.map(|cursor| cursor.0)),
    }
}

#[test]
fn repeats_are_dropped_and_a_gap_asks_for_what_was_missed() {
    let mut reader = Reader::new(Feed::Own, Some(Revision(5)));
    assert_eq!(heard(&reader.live(message(3, 5))), "nothing");
    assert_eq!(heard(&reader.live(message(5, 8))), "apply r8");
    assert_eq!(heard(&reader.live(message(5, 8))), "nothing");
    assert_eq!(heard(&reader.live(message(9, 11))), "ask since Some(8)");
    assert_eq!(heard(&reader.live(message(11, 12))), "nothing");
    let first = FeedMessage { part: 0, ..message(8, 11) };
    let last = FeedMessage { part: 1, end: true, ..message(8, 11) };
    assert_eq!(heard(&reader.answer(first)), "nothing");
    assert_eq!(heard(&reader.answer(last)), "apply r11 r11 r12");
    assert_eq!(reader.cursor(), Some(Revision(12)));
}

#[test]
fn a_beat_tells_of_a_lost_last_step() {
    let mut reader = Reader::new(Feed::Own, Some(Revision(5)));
    assert_eq!(heard(&reader.live(message(5, 9))), "apply r9");
    assert_eq!(heard(&reader.live(message(12, 15))), "ask since Some(9)");
}

#[test]
fn an_answer_with_a_missing_part_is_asked_for_again() {
    let mut reader = Reader::new(Feed::Own, None);
    let _ = reader.ask();
    let snapshot = |part, end| FeedMessage { snapshot: true, part, end, ..message(0, 9) };
    assert_eq!(heard(&reader.answer(snapshot(0, false))), "nothing");
    assert_eq!(heard(&reader.answer(snapshot(2, true))), "ask since None");
    assert_eq!(heard(&reader.answer(snapshot(0, true))), "apply r9");
}

/// What a node holds: names, each with the revision at which the gateway said it.
fn fold(held: &mut BTreeSet<Key>, messages: &[FeedMessage]) {
    for message in messages {
        if message.snapshot {
            held.clear();
        }
        for change in &message.changes {
            match change {
                FeedChange::Put { key, .. } => held.insert(key.clone()),
                FeedChange::Gone { key } => held.remove(key),
            };
        }
    }
}

/// A driver's part: the objects that exist are sent, the others are gone.
fn render(update: &Update, snapshot: bool, existing: &BTreeSet<Key>) -> FeedMessage {
    let changes = update.changes.iter().map(|(key, belongs)| {
        let object = || serde_json::value::to_raw_value(&json!({})).expect("plain");
        if *belongs && existing.contains(key) {
            FeedChange::Put { key: key.clone(), object: object() }
        } else {
            FeedChange::Gone { key: key.clone() }
        }
    });
    FeedMessage {
        snapshot,
        end: true,
        changes: changes.collect(),
        ..message(update.prior.0, update.revision.0)
    }
}

fn answer(feeds: &Feeds, cursor: Option<Revision>, existing: &BTreeSet<Key>) -> FeedMessage {
    match feeds.sync(Target::Node("n1".into()), cursor) {
        Sync::Since(update) => render(&update, false, existing),
        Sync::Snapshot { target, revision, keys } => {
            let changes: BTreeMap<Key, bool> = keys.into_iter().map(|key| (key, true)).collect();
            render(&Update { target, revision, prior: revision, changes }, true, existing)
        }
        Sync::Behind { .. } => panic!("one gateway is never behind itself"),
    }
}

proptest! {
    /// Whatever is lost, repeated or restarted, a node that heard a beat last holds what it should.
    #[test]
    fn a_node_converges_to_what_belongs_to_it(
        steps in proptest::collection::vec((0_u8..8, 0_usize..3, 0_usize..3, any::<bool>(), any::<bool>()), 1..60),
    ) {
        let (pods, secrets, nodes) = (["a", "b", "c"], ["s", "t", "u"], ["n1", "n2", "-"]);
        let mut feeds = Feeds::load(Revision(0), []);
        let mut existing = keys("nodes/n1");
        let mut bound: BTreeMap<Key, PodFacts> = BTreeMap::new();
        let mut reader = Reader::new(Feed::Own, None);
        let mut held = BTreeSet::new();
        for (index, (what, first, second, lost, restarted)) in steps.into_iter().enumerate() {
            let end = index as u64 + 1;
            let (pod, secret) = (key(&format!("pods/{}", pods[first])), key(&format!("secrets/{}", secrets[second])));
            let change = match what {
                0..3 => {
                    let node = Some(nodes[usize::from(what)].to_owned()).filter(|node| node != "-");
                    let facts = PodFacts { node, references: BTreeSet::from([secret]) };
                    existing.insert(pod.clone());
                    bound.insert(pod.clone(), facts.clone());
                    Happened::Pod { key: pod, facts }
                }
                3 => {
                    existing.remove(&pod);
                    bound.remove(&pod);
                    Happened::Gone { key: pod }
                }
                4 => {
                    existing.remove(&secret);
                    Happened::Gone { key: secret }
                }
                _ => {
                    existing.insert(secret.clone());
                    Happened::Put { key: secret }
                }
            };
            let updates = feeds.apply(Revision(end), [change]);
            for update in updates.iter().filter(|update| update.target == Target::Node("n1".into())) {
                if lost {
                    continue;
                }
                for _ in 0..2 {
                    match reader.live(render(update, false, &existing)) {
                        Heard::Apply(messages) => fold(&mut held, &messages),
                        Heard::Nothing => {}
                        Heard::Ask(sync) => {
                            if let Heard::Apply(messages) = reader.answer(answer(&feeds, sync.cursor, &existing)) {
                                fold(&mut held, &messages);
                            }
                        }
                    }
                }
            }
            if restarted && index % 5 == 0 {
                feeds = Feeds::load(Revision(end), bound.clone());
            }
        }
        let beat = render(&feeds.beat(Target::Node("n1".into())), false, &existing);
        if let Heard::Ask(sync) = reader.live(beat)
            && let Heard::Apply(messages) = reader.answer(answer(&feeds, sync.cursor, &existing))
        {
            fold(&mut held, &messages);
        }
        if reader.cursor().is_none() {
            let sync = reader.ask();
            if let Heard::Apply(messages) = reader.answer(answer(&feeds, sync.cursor, &existing)) {
                fold(&mut held, &messages);
            }
        }
        let mut expected = keys("nodes/n1");
        for (pod, facts) in bound.iter().filter(|(_, facts)| facts.node.as_deref() == Some("n1")) {
            expected.insert(pod.clone());
            expected.extend(facts.references.iter().cloned());
        }
        expected.retain(|key| existing.contains(key));
        prop_assert_eq!(held, expected);
    }
}
