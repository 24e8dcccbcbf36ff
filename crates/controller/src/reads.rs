//! Counting the rows that a decision reads, so that tests can bound them: work must grow with the change, not with
//! the cluster.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter that a view embeds. It is no part of what the view says: all are equal.
#[derive(Debug, Default)]
pub struct Reads(AtomicU64);

impl Reads {
    pub fn count(&self, rows: usize) {
        self.0.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// The rows counted since the last call.
    pub fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Clone for Reads {
    fn clone(&self) -> Reads {
        Reads::default()
    }
}

impl PartialEq for Reads {
    fn eq(&self, _: &Reads) -> bool {
        true
    }
}

/// What a view knows from outside the log. It is no part of what the log says: all are equal, since a view rebuilt
/// from the log has to be told again.
#[derive(Clone, Debug, Default)]
pub struct Outside<T>(pub T);

impl<T> PartialEq for Outside<T> {
    fn eq(&self, _: &Outside<T>) -> bool {
        true
    }
}
