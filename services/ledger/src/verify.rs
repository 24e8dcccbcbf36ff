//! Verifying: reads the whole log, checks its chain, and rebuilds a projection to compare with the one that is kept.
//!
//! What comes out equal, byte for byte, shows that nothing is served which the log doesn't say.

use std::path::Path;

use rutter_log::{FollowError, Followed, Follower};
use rutter_projection::{Loader, OpenError, Options, Projection, Table};
use rutter_runtime::stream::{Delivery, LogStream, StreamError};
use rutter_schemas::{Hash, Revision};

/// What was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub frames: u64,
    pub events: u64,
    /// Where the log ended, and its hash there.
    pub revision: Revision,
    pub hash: Hash,
    /// Rows compared with the kept projection.
    pub rows: u64,
    /// The tables in which the kept projection differs from the log: none, if all is well.
    pub differs: Vec<Table>,
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
    #[error("the scratch projection can't be used")]
    Open(#[from] OpenError),
    #[error("the log can't be applied")]
    Apply(#[from] rutter_projection::Error),
    #[error("cannot use the scratch directory")]
    Scratch(#[from] std::io::Error),
}

/// Reads the chain of frames and rebuilds a projection from it.
pub struct Verifier {
    follower: Follower,
    loader: Loader,
    events: u64,
}

impl Verifier {
    /// Rebuilds in `dir`, which is empty, a projection as `options` keep it.
    ///
    /// # Errors
    /// When the directory can't be used.
    pub fn start(dir: &Path, options: Options) -> Result<Verifier, VerifyError> {
        let loader = Projection::open(dir, options)?.load()?;
        Ok(Verifier { follower: Follower::default(), loader, events: 0 })
    }

    /// Checks and applies what stands at `sequence`.
    ///
    /// # Errors
    /// [`VerifyError::Broken`] for a frame that does not follow from the one before.
    pub fn take(&mut self, sequence: u64, bytes: &[u8]) -> Result<(), VerifyError> {
        if let Followed::Next(frame) = self.follower.follow(sequence, bytes)? {
            self.events += u64::from(frame.header.events);
            self.loader.apply(sequence, &frame, self.follower.cursor().hash)?;
        }
        Ok(())
    }

    /// Compares what was rebuilt with `kept`, which stands at the same frame.
    ///
    /// # Errors
    /// When either can't be read.
    pub fn compare(self, kept: &Projection) -> Result<Report, VerifyError> {
        let cursor = self.follower.cursor();
        let rebuilt = self.loader.finish()?.digest()?;
        let differs = rebuilt.differences(&kept.digest()?);
        Ok(Report {
            frames: cursor.sequence,
            events: self.events,
            revision: cursor.revision,
            hash: cursor.hash,
            rows: rebuilt.tables.iter().map(|table| table.rows).sum(),
            differs,
        })
    }
}

/// Verifies the log up to where `kept` stands, and `kept` against it; `scratch` is made and left to the caller to
/// remove. `progress` is told the frames done and to do.
///
/// # Errors
/// [`VerifyError`].
pub async fn verify(
    stream: &LogStream,
    kept: &Projection,
    options: Options,
    scratch: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<Report, VerifyError> {
    let info = stream.info().await?;
    if info.first > 1 {
        return Err(VerifyError::Cut { first: info.first });
    }
    // The kept one goes on meanwhile: what is compared is a copy of it.
    let copy = scratch.join("kept");
    let cursor = kept.checkpoint(&copy)?;
    let mut verifier = Verifier::start(&scratch.join("rebuilt"), options)?;
    let mut frames = stream.follow(1);
    let mut done = 0;
    while done < cursor.sequence {
        let Delivery::Frame(sequence, bytes) = frames.next().await else { continue };
        verifier.take(sequence, &bytes)?;
        done = sequence;
        progress(done, cursor.sequence);
    }
    verifier.compare(&Projection::open(&copy, options)?)
}
