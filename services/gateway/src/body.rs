//! Bodies: the bounded reading of requests and the three ways an answer is written.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use rutter_apimachinery::status::Status;
use rutter_schemas::limits;

/// Why a body ended early. hyper closes the connection, so that the client sees a truncated answer, never a short one.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// How long a client may take to send a whole body.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// All at once.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub fn empty() -> Body {
    full(Bytes::new())
}

/// Chunk by chunk, as the client takes them: an answer of any length in bounded memory.
pub fn stream(chunks: impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static) -> Body {
    StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data))).boxed_unsync()
}

/// Reads a whole request body.
///
/// # Errors
/// 413 above 3 MiB, 400 if the client broke off, 408-like 400 if it took longer than a minute.
pub async fn read(body: Incoming) -> Result<Bytes, Status> {
    match tokio::time::timeout(BODY_TIMEOUT, collect(body)).await {
        Ok(read) => read,
        Err(_) => Err(Status::bad_request("the request's body did not arrive in time")),
    }
}

async fn collect(mut body: Incoming) -> Result<Bytes, Status> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|error| Status::bad_request(format!("the request's body could not be read: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if all.len() + data.len() > limits::BODY {
            return Err(Status::too_large(&format!("limit is {}", limits::BODY)));
        }
        all.extend_from_slice(&data);
    }
    Ok(all.freeze())
}
