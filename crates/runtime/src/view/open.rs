//! Opening a projection, and whether the stream still holds what it stands on.

use rutter_log::{Cursor, FollowError, Followed, Follower};
use rutter_projection::Projection;
use rutter_schemas::FrameText;

use super::{ViewError, ViewOptions};
use crate::stream::{LogStream, StreamError};

/// What the stream is to a cursor.
#[derive(Debug)]
pub(super) enum Standing {
    /// It holds the frame that the cursor stands on.
    Same,
    /// It was openly made anew, and the cursor's frame is not part of it: what was derived has to go.
    MadeAnew { why: FollowError },
    /// It is another log, or lost its end.
    Other { why: FollowError },
}

/// Opens the projection; one that can't be used but can be made anew is emptied, and that is said.
pub(super) fn open(options: &ViewOptions) -> Result<Projection, ViewError> {
    if Projection::is_of_another_layout(&options.dir) {
        tracing::warn!("the kept projection is of another layout: making it anew from the log");
    }
    let (projection, discarded) = Projection::open_or_discard(&options.dir, options.projection)?;
    if let Some(why) = discarded {
        let source = std::error::Error::source(&why).map(ToString::to_string).unwrap_or_default();
        tracing::warn!(%why, %source, "rebuilding the projection from the log");
    }
    Ok(projection)
}

/// Where a follower of this projection begins.
pub(super) fn follower(projection: &Projection) -> Follower {
    let cursor = projection.cursor();
    if cursor.sequence == 0 {
        return Follower::default();
    }
    let (sequence, revision, incarnation, hash) =
        (cursor.sequence, cursor.revision, cursor.incarnation, cursor.hash);
    Follower::at(Cursor { sequence, revision, incarnation, hash })
}

/// Compares the stream with where a follower stands.
pub(super) async fn standing(stream: &LogStream, follower: &mut Follower) -> Result<Standing, StreamError> {
    let info = stream.info().await?;
    let Err(why) = compare(stream, follower, info.first, info.last).await? else { return Ok(Standing::Same) };
    let ours = follower.cursor().incarnation;
    let anew = match stream.read(info.last).await? {
        Some(bytes) => FrameText::header_of(&bytes).is_ok_and(|header| header.incarnation > ours),
        None => false,
    };
    Ok(if anew { Standing::MadeAnew { why } } else { Standing::Other { why } })
}

async fn compare(
    stream: &LogStream,
    follower: &mut Follower,
    first: u64,
    last: u64,
) -> Result<Result<(), FollowError>, StreamError> {
    if let Err(why) = follower.subscribe(first.max(1), last) {
        return Ok(Err(why));
    }
    let cursor = follower.cursor();
    if cursor.sequence < first.max(1) {
        return Ok(Ok(()));
    }
    let Some(bytes) = stream.read(cursor.sequence).await? else {
        return Ok(Err(FollowError::LostTail { cursor: cursor.sequence, last }));
    };
    Ok(match follower.follow(cursor.sequence, &bytes) {
        Ok(Followed::Repeat | Followed::Next(_)) => Ok(()),
        Err(why) => Err(why),
    })
}
