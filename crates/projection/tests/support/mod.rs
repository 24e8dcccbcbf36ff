//! A log in memory: commits in, frames out, numbered and chained as a ledger would.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::BTreeMap;

use rutter_schemas::{
    Actor, CommitHeader, Count, Event, Expect, Frame, FrameHeader, Hash, Key, Meta, ObjectRef, Op, Owner,
    Recorded, Revision, Uuid, state,
};
use serde_json::json;

/// What a test says about an object.
#[derive(Clone, Debug, Default)]
pub struct Object {
    pub key: Key,
    pub labels: BTreeMap<String, String>,
    pub owner: Option<String>,
    pub node: String,
    pub phase: String,
    pub data: String,
}

pub fn pod(name: &str) -> Object {
    Object { key: Key::new("", "pods", "default", name), ..Object::default() }
}

impl Object {
    pub fn of(key: Key) -> Object {
        Object { key, ..Object::default() }
    }
    pub fn within(mut self, namespace: &str) -> Object {
        self.key.namespace = namespace.into();
        self
    }
    pub fn label(mut self, name: &str, value: &str) -> Object {
        self.labels.insert(name.into(), value.into());
        self
    }
    pub fn owned_by(mut self, uid: &str) -> Object {
        self.owner = Some(uid.into());
        self
    }
    pub fn on(mut self, node: &str) -> Object {
        self.node = node.into();
        self
    }
    pub fn phase(mut self, phase: &str) -> Object {
        self.phase = phase.into();
        self
    }
    pub fn data(mut self, data: &str) -> Object {
        self.data = data.into();
        self
    }

    fn meta(&self) -> Meta {
        let fields = [("spec.nodeName", &self.node), ("status.phase", &self.phase)];
        Meta {
            labels: self.labels.clone(),
            owners: self.owner.iter().map(|uid| Owner { uid: uid.clone(), ..Owner::default() }).collect(),
            fields: fields.into_iter().map(|(path, value)| (path.to_owned(), value.clone())).collect(),
            ..Meta::default()
        }
    }
}

/// One change of a commit.
#[derive(Clone, Debug)]
pub enum Act {
    /// Create, or update what is there.
    Put(Object),
    Delete(Key),
}

pub fn put(object: Object) -> Act {
    Act::Put(object)
}

pub fn delete(name: &str) -> Act {
    Act::Delete(pod(name).key)
}

/// A log and the frames it has.
pub struct Log {
    pub frames: Vec<(Frame, Hash)>,
    pub head: Revision,
    /// Seconds since 2026-01-01.
    pub clock_s: i64,
    incarnation: u32,
    skipped: Option<(Revision, Revision)>,
    /// Of the next commit.
    counters: Vec<Count>,
    live: BTreeMap<Key, (Revision, Object)>,
}

impl Log {
    pub fn new() -> Log {
        let (head, live) = (Revision::NONE, BTreeMap::new());
        Log {
            frames: Vec::new(),
            head,
            clock_s: 0,
            incarnation: 0,
            skipped: None,
            counters: Vec::new(),
            live,
        }
    }

    /// The next commit adds to a counter.
    pub fn counting(&mut self, name: &str, delta: i64) -> &mut Log {
        self.counters.push(Count { name: name.into(), delta, max: None });
        self
    }

    /// A frame of one commit.
    pub fn commit(&mut self, acts: &[Act]) -> &mut Log {
        self.frame(&[acts])
    }

    /// A frame of several commits; none make an epoch frame.
    pub fn frame(&mut self, commits: &[&[Act]]) -> &mut Log {
        let first = self.head.next();
        let commits: Vec<Recorded> = commits.iter().map(|acts| self.recorded(acts)).collect();
        let events = u32::try_from(self.head.0 + 1 - first.0).unwrap();
        let number = self.frames.len() as u64 + 1;
        let at = jiff::Timestamp::from_second(1_767_225_600 + self.clock_s).unwrap();
        let header = FrameHeader {
            id: Uuid::from_u128(u128::from(number)),
            number,
            epoch: 1,
            ledger: "L1".into(),
            incarnation: self.incarnation,
            first,
            events,
            commits: commits.len() as u32,
            prev: self.frames.last().map_or(Hash::NONE, |(_, hash)| *hash),
            at: at.to_string(),
            skipped: self.skipped.take(),
        };
        let hash = Hash::of(number.to_string().as_bytes());
        self.frames.push((Frame { header, commits }, hash));
        self
    }

    /// Revisions jump to the next incarnation's.
    pub fn make_anew(&mut self) -> &mut Log {
        self.incarnation += 1;
        let base = Revision::base_of(self.incarnation);
        self.skipped = Some((self.head.next(), base));
        self.head = base;
        self.frame(&[])
    }

    fn recorded(&mut self, acts: &[Act]) -> Recorded {
        let first = self.head.next();
        let events: Vec<Event> = acts.iter().map(|act| self.event(act)).collect();
        let header = CommitHeader {
            id: Uuid::from_u128(u128::from(first.0)),
            base: first,
            incarnation: self.incarnation,
            actor: Actor { user: "ada".into(), groups: vec![], via: "test".into() },
            cause: (first.0 > 1).then(|| Revision(first.0 - 1)),
            why: format!("step {first}"),
            traceparent: None,
            writer: "test/1".into(),
            expects: events.iter().map(|event| Expect::from(event.prior.0)).collect(),
            guards: vec![],
            counters: std::mem::take(&mut self.counters),
        };
        Recorded { header, first, events }
    }

    fn event(&mut self, act: &Act) -> Event {
        self.head = self.head.next();
        let (op, prior, object) = match act {
            Act::Put(object) => match self.live.insert(object.key.clone(), (self.head, object.clone())) {
                Some((prior, _)) => (Op::Update, prior, object.clone()),
                None => (Op::Create, Revision::NONE, object.clone()),
            },
            Act::Delete(key) => {
                let (prior, object) = self.live.remove(key).expect("a test deletes what is there");
                (Op::Delete, prior, object)
            }
        };
        let Key { group, resource, namespace, name } = object.key.clone();
        let text = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "labels": object.labels},
                          "data": object.data, "phase": object.phase});
        Event {
            event_type: format!("Pod{}", ["Created", "Updated", "Deleted"][op as usize]),
            op,
            object: ObjectRef {
                group,
                version: "v1".into(),
                kind: "Pod".into(),
                resource,
                namespace,
                uid: format!("uid-{name}"),
                name,
            },
            prior,
            meta: object.meta(),
            touches: vec![],
            state: state::encode(&text),
        }
    }

    pub fn exists(&self, key: &Key) -> bool {
        self.live.contains_key(key)
    }
}
