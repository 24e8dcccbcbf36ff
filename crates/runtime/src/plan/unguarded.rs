//! Plans that take nothing for granted in the log: for the tests that show what premises are for.
//!
//! A plan's premises are of three kinds, and without them a controller is as one that writes to a plain store. Its
//! guards are left out. Objects are written over whatever stands, as an update without a `resourceVersion` does. And
//! children are named by chance, as upstream names them: a name that follows from the view would be refused as taken
//! when two copies decide the same.

use std::collections::HashMap;

use rutter_apimachinery::name;
use rutter_schemas::{Event, Key, Op, Rejection, Revision, Uuid};
use serde_json::Value;

use super::{Guards, text};

/// How often one plan is proposed at most; each time one more of its objects is known.
const ATTEMPTS_MOST: u32 = 64;

/// The objects that are written over, and the revisions that they have by now.
#[derive(Debug, Default)]
pub(super) struct Overwrites {
    standing: HashMap<Key, Revision>,
    attempts: u32,
}

impl Overwrites {
    /// Whether trying again helps: an object has another revision than the plan knew, and it is a new one to us.
    pub(super) fn learn(&mut self, guards: Guards, rejection: &Rejection) -> bool {
        let (Guards::Dropped, Rejection::Stale { key, actual: Some(at) }) = (guards, rejection) else {
            return false;
        };
        self.attempts += 1;
        self.standing.insert(key.clone(), *at) != Some(*at) && self.attempts < ATTEMPTS_MOST
    }

    /// Lets events replace what stands by now.
    pub(super) fn apply(&self, events: &mut [Event]) {
        for event in events.iter_mut().filter(|event| event.op != Op::Create) {
            if let Some(at) = self.standing.get(&event.object.key()) {
                event.prior = *at;
            }
        }
    }
}

/// A name by chance for an object that asks for a generated one.
pub(super) fn rename(object: &mut Value) {
    let prefix = text(object, "/metadata/generateName").to_owned();
    if !prefix.is_empty() {
        object["metadata"]["name"] = Value::String(name::generated(&prefix, Uuid::new_v4().as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_stands_is_written_over_only_without_guards_and_once_for_each_revision() {
        let key = Key::new("", "pods", "default", "a");
        let stale = |at: u64| Rejection::Stale { key: key.clone(), actual: Some(Revision(at)) };
        let mut overwrites = Overwrites::default();
        assert!(!overwrites.learn(Guards::Kept, &stale(7)));
        assert!(overwrites.learn(Guards::Dropped, &stale(7)));
        assert!(!overwrites.learn(Guards::Dropped, &stale(7)), "it did not help");
        assert!(overwrites.learn(Guards::Dropped, &stale(8)));
        assert!(!overwrites.learn(Guards::Dropped, &Rejection::Stale { key: key.clone(), actual: None }));
    }

    #[test]
    fn only_who_asks_for_a_generated_name_gets_one_by_chance() {
        let mut named = json!({"metadata": {"name": "web-7d4b"}});
        rename(&mut named);
        assert_eq!(named["metadata"]["name"], "web-7d4b");
        let child = json!({"metadata": {"name": "web-abcde", "generateName": "web-"}});
        let (mut one, mut other) = (child.clone(), child);
        rename(&mut one);
        rename(&mut other);
        assert_ne!(one, other);
    }
}
