//! Verifying: reads the whole log, checks its chain, and rebuilds a projection to compare with the one that is kept.
//!
//! What comes out equal, byte for byte, shows that nothing is served which the log doesn't say.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use rutter_log::{FollowError, Followed, Follower};
use rutter_projection::{Loader, OpenError, Options, Projection, Table};
use rutter_runtime::stream::{Delivery, Follow, LogStream, StreamError};
use rutter_schemas::{Hash, Revision};

/// How long frames may fail to come before the next one is asked for by its number.
const STALLED: Duration = Duration::from_secs(5);

/// What was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub frames: u64,
    pub events: u64,
    /// Where the log ended, and its hash there.
    pub revision: Revision,
    pub hash: Hash,
    /// The last frame that the kept projection has.
    pub kept_at: u64,
    /// Rows of the rebuilt projection, each compared with the kept one's.
    pub rows: u64,
    /// Where the kept projection differs from the log, once for each table: nowhere, if all is well.
    pub differs: Vec<Difference>,
}

/// The first row of a table in which two projections differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub table: Table,
    /// Counted from 0.
    pub row: u64,
    /// The row's key in the kept projection; none when it ends before the row.
    pub key: Option<Vec<u8>>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (table, row) = (self.table.name(), self.row);
        match &self.key {
            Some(key) => write!(f, "table {table}, row {row}, key {}", key.escape_ascii()),
            None => write!(f, "table {table} ends before row {row}"),
        }
    }
}

/// Why the log or the projection could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("the log is broken")]
    Broken(#[from] FollowError),
    #[error("the stream begins at frame {first}: what is before it has to come from the archive")]
    Cut { first: u64 },
    #[error("frame {sequence} is damaged or gone: the stream, which goes on to {last}, doesn't give it out")]
    Missing { sequence: u64, last: u64 },
    #[error("the scratch projection can't be used")]
    Open(#[from] OpenError),
    #[error("the log can't be applied")]
    Apply(#[from] rutter_projection::Error),
    #[error("the kept projection is damaged")]
    Kept(#[source] rutter_projection::Error),
    #[error("cannot use the scratch directory")]
    Scratch(#[from] std::io::Error),
}

/// Reads the chain of frames and rebuilds a projection from it.
pub struct Verifier {
    follower: Follower,
    loader: Loader,
    /// The last frame that is applied; of later ones only the chain is checked.
    applied_to: u64,
    events: u64,
}

impl Verifier {
    /// Rebuilds in `dir`, which is empty, a projection as `options` keep it.
    ///
    /// # Errors
    /// When the directory can't be used.
    pub fn start(dir: &Path, options: Options) -> Result<Verifier, VerifyError> {
        let loader = Projection::open(dir, options)?.load()?;
        Ok(Verifier { follower: Follower::default(), loader, applied_to: u64::MAX, events: 0 })
    }

    /// Applies no frame after `sequence`.
    #[must_use]
    pub fn applying_to(self, sequence: u64) -> Verifier {
        Verifier { applied_to: sequence, ..self }
    }

    /// Checks and applies what stands at `sequence`.
    ///
    /// # Errors
    /// [`VerifyError::Broken`] for a frame that does not follow from the one before.
    pub fn take(&mut self, sequence: u64, bytes: &[u8]) -> Result<(), VerifyError> {
        if let Followed::Next(frame) = self.follower.follow(sequence, bytes)? {
            self.events += u64::from(frame.header.events);
            if sequence <= self.applied_to {
                self.loader.apply(sequence, &frame, self.follower.cursor().hash)?;
            }
        }
        Ok(())
    }

    /// Compares what was rebuilt with `kept`, which stands at the last frame that was applied.
    ///
    /// # Errors
    /// When either can't be read.
    pub fn compare(self, kept: &Projection) -> Result<Report, VerifyError> {
        let cursor = self.follower.cursor();
        let rebuilt = self.loader.finish()?;
        let ours = rebuilt.digest()?;
        let tables = ours.differences(&kept.digest().map_err(VerifyError::Kept)?);
        let differs = tables.into_iter().map(|table| first_difference(&rebuilt, kept, table));
        Ok(Report {
            frames: cursor.sequence,
            events: self.events,
            revision: cursor.revision,
            hash: cursor.hash,
            kept_at: kept.cursor().sequence,
            rows: ours.tables.iter().map(|table| table.rows).sum(),
            differs: differs.collect::<Result<_, _>>()?,
        })
    }

    /// The next frame to check.
    fn next(&self) -> u64 {
        self.follower.cursor().sequence + 1
    }
}

/// Verifies the log up to its end, and `kept` against it; `scratch` is made and left to the caller to remove.
/// `progress` is told the frames done and to do.
///
/// # Errors
/// [`VerifyError`].
pub async fn verify(
    stream: &LogStream,
    kept: &Projection,
    options: Options,
    scratch: &Path,
    progress: impl FnMut(u64, u64),
) -> Result<Report, VerifyError> {
    // The kept one may go on meanwhile: what is compared is a copy of it.
    let copy = scratch.join("kept");
    let cursor = kept.checkpoint(&copy).map_err(VerifyError::Kept)?;
    let last = end(stream).await?;
    if cursor.sequence > last {
        return Err(FollowError::LostTail { cursor: cursor.sequence, last }.into());
    }
    let mut verifier = Verifier::start(&scratch.join("rebuilt"), options)?.applying_to(cursor.sequence);
    replay(stream, &mut verifier, last, progress).await?;
    verifier.compare(&Projection::open(&copy, options)?)
}

/// Verifies the log alone: its chain, and that a projection can be made of it.
///
/// # Errors
/// [`VerifyError`].
pub async fn verify_log(
    stream: &LogStream,
    scratch: &Path,
    progress: impl FnMut(u64, u64),
) -> Result<Report, VerifyError> {
    let last = end(stream).await?;
    let mut verifier = Verifier::start(&scratch.join("rebuilt"), Options::default())?;
    replay(stream, &mut verifier, last, progress).await?;
    let (cursor, events) = (verifier.follower.cursor(), verifier.events);
    let rows = verifier.loader.finish()?.digest()?.tables.iter().map(|table| table.rows).sum();
    let (frames, revision, hash) = (cursor.sequence, cursor.revision, cursor.hash);
    Ok(Report { frames, events, revision, hash, kept_at: 0, rows, differs: Vec::new() })
}

/// The last frame of a log that is there from its first.
async fn end(stream: &LogStream) -> Result<u64, VerifyError> {
    let info = stream.info().await?;
    if info.first > 1 && info.last > 0 { Err(VerifyError::Cut { first: info.first }) } else { Ok(info.last) }
}

async fn replay(
    stream: &LogStream,
    verifier: &mut Verifier,
    last: u64,
    mut progress: impl FnMut(u64, u64),
) -> Result<(), VerifyError> {
    let mut frames = stream.follow(1);
    while verifier.next() <= last {
        let (sequence, bytes) = frame(stream, &mut frames, verifier.next(), last).await?;
        verifier.take(sequence, &bytes)?;
        progress(sequence, last);
    }
    Ok(())
}

/// The next frame that comes; a damaged message may hold up a subscription for ever, so it is asked for at last.
async fn frame(
    stream: &LogStream,
    frames: &mut Follow,
    next: u64,
    last: u64,
) -> Result<(u64, Bytes), VerifyError> {
    loop {
        match tokio::time::timeout(STALLED, frames.next()).await {
            Ok(Delivery::Frame(sequence, _)) if sequence > next => {
                return Err(VerifyError::Missing { sequence: next, last });
            }
            Ok(Delivery::Frame(sequence, bytes)) => return Ok((sequence, bytes)),
            Ok(Delivery::Subscribed) => {}
            Err(_) => return asked_for(stream, frames, next, last).await,
        }
    }
}

async fn asked_for(
    stream: &LogStream,
    frames: &mut Follow,
    next: u64,
    last: u64,
) -> Result<(u64, Bytes), VerifyError> {
    match stream.read(next).await {
        Ok(Some(bytes)) => {
            frames.restart(next + 1);
            Ok((next, bytes))
        }
        Ok(None) | Err(StreamError::Refused { .. }) => Err(VerifyError::Missing { sequence: next, last }),
        Err(error) => Err(error.into()),
    }
}

fn first_difference(
    rebuilt: &Projection,
    kept: &Projection,
    table: Table,
) -> Result<Difference, VerifyError> {
    let mut prints = Vec::new();
    rebuilt.dump(|of, key, value| {
        if of == table {
            prints.push(print(key, value));
        }
    })?;
    let (mut row, mut found) = (0, None);
    let each = |of, key: &[u8], value: &[u8]| {
        if of == table && found.is_none() {
            match prints.get(row) == Some(&print(key, value)) {
                true => row += 1,
                false => found = Some(key.to_vec()),
            }
        }
    };
    kept.dump(each).map_err(VerifyError::Kept)?;
    Ok(Difference { table, row: row as u64, key: found })
}

fn print(key: &[u8], value: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (key, value).hash(&mut hasher);
    hasher.finish()
}
