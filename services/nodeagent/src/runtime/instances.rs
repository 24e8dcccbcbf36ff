//! The containers and sandboxes that run, by id: whose they are, and in which order their news are told.
//!
//! A container may end before the call that started it has returned. Its exit is held back until its start has been
//! told, so that a pod's machine never hears of an end without a beginning.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rutter_nodeagent_core::machine::Exit;

/// What one id stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) uid: String,
    /// Empty for a sandbox.
    pub(crate) container: String,
    pub(crate) attempt: u32,
    pub(crate) started_at: Timestamp,
    /// Tell the log's end when it failed without a message.
    pub(crate) message_from_log: bool,
}

#[derive(Debug, Default)]
struct Entry {
    instance: Option<Instance>,
    told: bool,
    out_of_memory: bool,
    early_exit: Option<Exit>,
}

/// All instances of a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Instances {
    by_id: Arc<Mutex<HashMap<String, Entry>>>,
}

impl Instances {
    /// A container is about to be started.
    pub(crate) fn announce(&self, id: &str, instance: Instance) {
        self.with(|by_id| by_id.entry(id.to_owned()).or_default().instance = Some(instance));
    }

    /// Its start has been told. Returns the exit that was held back, if it has ended already.
    pub(crate) fn told(&self, id: &str) -> Option<Exit> {
        self.with(|by_id| {
            let entry = by_id.entry(id.to_owned()).or_default();
            entry.told = true;
            entry.early_exit.take()
        })
    }

    /// Whose id this is.
    pub(crate) fn get(&self, id: &str) -> Option<Instance> {
        self.with(|by_id| by_id.get(id)?.instance.clone())
    }

    pub(crate) fn ran_out_of_memory(&self, id: &str) {
        self.with(|by_id| by_id.entry(id.to_owned()).or_default().out_of_memory = true);
    }

    pub(crate) fn is_out_of_memory(&self, id: &str) -> bool {
        self.with(|by_id| by_id.get(id).is_some_and(|entry| entry.out_of_memory))
    }

    /// It has ended. Returns the exit if it may be told now.
    pub(crate) fn exited(&self, exit: Exit) -> Option<Exit> {
        self.with(|by_id| {
            let entry = by_id.get_mut(&exit.id)?;
            if entry.told {
                return Some(exit);
            }
            entry.early_exit = Some(exit);
            None
        })
    }

    pub(crate) fn forget(&self, id: &str) {
        self.with(|by_id| by_id.remove(id));
    }

    pub(crate) fn forget_pod(&self, uid: &str) {
        self.with(|by_id| by_id.retain(|_, entry| entry.instance.as_ref().is_none_or(|one| one.uid != uid)));
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<String, Entry>) -> T) -> T {
        work(&mut self.by_id.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_never_told_before_its_beginning() {
        let instances = Instances::default();
        let now = Timestamp::UNIX_EPOCH;
        let exit = Exit {
            id: "c".into(),
            code: 0,
            signal: 0,
            reason: "Completed".into(),
            message: String::new(),
            started_at: now,
            finished_at: now,
        };
        let instance = Instance {
            uid: "u".into(),
            container: "web".into(),
            attempt: 0,
            started_at: now,
            message_from_log: false,
        };
        assert_eq!(instances.exited(exit.clone()), None);
        instances.announce("c", instance);
        assert_eq!(instances.exited(exit.clone()), None);
        assert_eq!(instances.told("c"), Some(exit.clone()));
        assert_eq!(instances.exited(exit.clone()), Some(exit));
    }
}
