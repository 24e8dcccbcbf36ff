//! The quotas and counters of a view.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use rutter_apimachinery::admission::quota::{Books, Quota};
use rutter_apimachinery::status::Status;
use rutter_projection::{ListQuery, Snapshot};

use super::broken;

/// How many quotas are kept as they were read, by their bytes: all births of a namespace read the same ones.
const KEPT: usize = 1_024;

static READ: LazyLock<Mutex<HashMap<Bytes, Arc<Quota>>>> = LazyLock::new(Mutex::default);

/// A snapshot, where quotas and counters are looked up.
#[derive(Clone, Copy)]
pub struct Shelf<'a>(pub &'a Snapshot);

impl Books for Shelf<'_> {
    type Failure = Status;

    fn quotas(&self, namespace: &str) -> Result<Vec<Arc<Quota>>, Status> {
        let query = ListQuery::of("", "resourcequotas").namespace(namespace);
        self.0.list_objects(&query).map(|object| read(object.map_err(|error| broken(&error))?)).collect()
    }

    fn counter(&self, name: &str) -> Result<i64, Status> {
        self.0.counter(name).map_err(|error| broken(&error))
    }
}

fn read(object: Bytes) -> Result<Arc<Quota>, Status> {
    let mut kept = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(quota) = kept.get(&object) {
        return Ok(quota.clone());
    }
    let value = serde_json::from_slice(&object).map_err(|error| broken(&error))?;
    let quota = Arc::new(Quota::read(&value));
    if kept.len() >= KEPT {
        kept.clear();
    }
    kept.insert(object, quota.clone());
    Ok(quota)
}
