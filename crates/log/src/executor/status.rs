//! What the API says about a write that was not made, in upstream's words.

use rutter_apimachinery::status::{MODIFIED, Status, Subject};
use rutter_schemas::Rejection;

use super::Failure;

/// Said whenever a write was sent and no answer came.
pub const MAY_HAVE_BEEN_APPLIED: &str =
    "the request did not complete within its time; it may have been applied";

impl Failure {
    /// The Status of a request about `name`. A conflict is the client's to resolve (409); contention and silence may
    /// be tried again; a quota is forbidden (403), as upstream's admission says it.
    pub fn status(&self, resource: Subject<'_>, name: &str) -> Status {
        match self {
            Failure::Contended { last: full @ Rejection::Exhausted { .. }, .. } => {
                refused(full, resource, name)
            }
            Failure::Conflict { .. } | Failure::Contended { .. } => {
                Status::conflict(resource, name, MODIFIED)
            }
            Failure::TimedOut => Status::timeout("the request did not complete within its time", 1),
            Failure::Unknown => Status::timeout(MAY_HAVE_BEEN_APPLIED, 1),
            Failure::Refused(rejection) => refused(rejection, resource, name),
        }
    }
}

fn refused(rejection: &Rejection, resource: Subject<'_>, name: &str) -> Status {
    match rejection {
        Rejection::Exhausted { counter, left } => {
            Status::forbidden(resource, name, &format!("exceeded quota: {counter} has {left} left"))
        }
        Rejection::TooLarge { size, limit } => {
            Status::too_large(&format!("the write is {size}, the limit is {limit}"))
        }
        Rejection::StorageFull { .. } => Status::unavailable(rejection.to_string()),
        Rejection::Busy => Status::too_many_requests("too much is waiting for the ledger", 1),
        other => Status::internal(&other.to_string()),
    }
}
