//! The quotas and counters of a view.

use rutter_apimachinery::admission::quota::{Books, Quota};
use rutter_apimachinery::status::Status;
use rutter_projection::{ListQuery, Snapshot};

use super::{all, broken};

/// A snapshot, where quotas and counters are looked up.
#[derive(Clone, Copy)]
pub struct Shelf<'a>(pub &'a Snapshot);

impl Books for Shelf<'_> {
    type Failure = Status;

    fn quotas(&self, namespace: &str) -> Result<Vec<Quota>, Status> {
        let found = all(self.0, &ListQuery::of("", "resourcequotas").namespace(namespace))?;
        Ok(found.iter().map(Quota::read).collect())
    }

    fn counter(&self, name: &str) -> Result<i64, Status> {
        self.0.counter(name).map_err(|error| broken(&error))
    }
}
