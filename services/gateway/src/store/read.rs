//! Reading: which snapshot answers which question (design §5).

use std::time::Duration;

use rutter_apimachinery::status::Status;
use rutter_projection::{Error, Snapshot};
use rutter_runtime::now::NowError;
use rutter_schemas::Revision;
use tokio::time::Instant;

use super::{Store, failed, unready};
use crate::request::options::At;

/// How long a read waits for a revision that lies in the future (upstream: `blockTimeout` of the watch cache).
const FUTURE: Duration = Duration::from_secs(3);
/// How long a read waits for the view to come up to what the ledger has acknowledged.
const CATCH_UP: Duration = Duration::from_secs(10);

impl Store {
    /// A snapshot that may answer a read which asks for `at`. For [`At::Exact`] it reaches as far as asked.
    ///
    /// # Errors
    /// 504 with the cause `ResourceVersionTooLarge` for a revision that does not come within three seconds; 503 while
    /// the log is away.
    pub async fn read(&self, at: At) -> Result<Snapshot, Status> {
        match at {
            At::Any => self.snapshot(),
            At::Latest => self.current().await,
            At::NotOlderThan(revision) | At::Exact(revision) => self.reaching(revision).await,
        }
    }

    /// A snapshot that has all that was acknowledged, by whatever gateway, when it was asked for.
    ///
    /// # Errors
    /// 503 while nobody can say what that is.
    pub async fn current(&self) -> Result<Snapshot, Status> {
        match self.writer.now.read(self.view(), Instant::now() + CATCH_UP).await {
            Ok(snapshot) => Ok(snapshot),
            Err(NowError::View(error)) => Err(unready(error)),
            Err(silence) => Err(Status::unavailable(silence.to_string())),
        }
    }

    async fn reaching(&self, revision: Revision) -> Result<Snapshot, Status> {
        if !self.wait_for(revision, FUTURE).await {
            let current = self.view().revision();
            return Err(Status::too_large_resource_version(revision.0, current.0, 1));
        }
        self.snapshot()
    }

    /// Whether the view came to stand at `revision` in time.
    pub async fn wait_for(&self, revision: Revision, patience: Duration) -> bool {
        self.view().wait_for(revision, Instant::now() + patience).await.is_ok()
    }
}

/// What a client is told about a revision that can't be read.
pub fn refused(error: Error) -> Status {
    match error {
        Error::BelowFloor { asked, floor } => {
            Status::expired(format!("too old resource version: {asked} ({floor})"))
        }
        Error::Future { asked, head } => Status::too_large_resource_version(asked.0, head.0, 1),
        Error::Skipped { .. } => Status::expired(error.to_string()),
        other => failed(&other),
    }
}
