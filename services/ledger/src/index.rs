//! The sequencer's index between runs: loaded with its cursor and completed from the log's tail.
//!
//! The file can be thrown away; the log makes it anew. But while it is there it is also a witness: when the
//! stream no longer holds the frame it stands on, the log lost something that was acknowledged, and no ledger
//! may go on as if nothing had happened.

use std::io;
use std::path::Path;

use rutter_ledger_core::{Sequencer, Settings};
use rutter_log::Cursor;
use rutter_runtime::files;
use rutter_runtime::stream::LogStream;
use rutter_schemas::{FrameText, Hash};

use crate::{LedgerConfig, LedgerError};

/// A sequencer to go on with.
pub(crate) struct Opened {
    pub(crate) sequencer: Sequencer,
    /// The incarnation that the saved one was in, also where that is of no more use.
    pub(crate) incarnation: u32,
}

/// The sequencer where it was saved, or before the first frame.
pub(crate) async fn open(
    config: &LedgerConfig,
    settings: Settings,
    stream: &LogStream,
) -> Result<Opened, LedgerError> {
    let Some(sequencer) = load(&config.index, settings.clone())? else {
        return Ok(Opened { sequencer: Sequencer::new(settings), incarnation: 0 });
    };
    let cursor = sequencer.cursor();
    let incarnation = cursor.incarnation;
    if holds(stream, &cursor).await? {
        return Ok(Opened { sequencer, incarnation });
    }
    if config.new_incarnation || made_anew(stream, &cursor).await? {
        tracing::warn!(sequence = cursor.sequence, "the log was made anew: replaying all of it");
        return Ok(Opened { sequencer: Sequencer::new(settings), incarnation });
    }
    Err(LedgerError::LostTail { sequence: cursor.sequence })
}

/// Whether the stream holds the frame that a cursor stands on.
pub(crate) async fn holds(stream: &LogStream, cursor: &Cursor) -> Result<bool, LedgerError> {
    if cursor.sequence == 0 {
        return Ok(true);
    }
    let bytes = stream.read(cursor.sequence).await?;
    Ok(bytes.is_some_and(|bytes| Hash::of(&bytes) == cursor.hash))
}

/// Saves the state in one step.
pub(crate) fn save(path: &Path, saved: &[u8]) -> Result<(), LedgerError> {
    let kept = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    kept.and_then(|()| files::write_atomically(path, saved, files::PRIVATE))
        .map_err(|source| LedgerError::Index { path: path.into(), source })
}

fn load(path: &Path, settings: Settings) -> Result<Option<Sequencer>, LedgerError> {
    let saved = match std::fs::read(path) {
        Ok(saved) => saved,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(LedgerError::Index { path: path.into(), source }),
    };
    match Sequencer::load(settings, &saved) {
        Ok(sequencer) => Ok(Some(sequencer)),
        Err(error) => {
            tracing::warn!(%error, "replaying the whole log");
            Ok(None)
        }
    }
}

/// Whether the log ends in a later incarnation: somebody accepted the loss.
async fn made_anew(stream: &LogStream, cursor: &Cursor) -> Result<bool, LedgerError> {
    let Some(bytes) = stream.read(stream.last().await?).await? else { return Ok(false) };
    Ok(FrameText::header_of(&bytes).is_ok_and(|header| header.incarnation > cursor.incarnation))
}
