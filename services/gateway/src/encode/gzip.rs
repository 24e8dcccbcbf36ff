//! Compression, as upstream does it (endpoints/handlers/responsewriters/writers.go): answers of at least 128 KiB, at the
//! quickest level. What is shorter, streamed as events, or not an answer of the API stays as it is.

use std::io::Write;

use bytes::{Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use http::{HeaderValue, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;

use crate::body::{self, Body, BodyError};

const SMALLEST: u64 = 128 * 1024;
const CHUNK: usize = 64 * 1024;

/// Compresses a body that is worth it.
pub fn compress(mut response: Response<Body>) -> Response<Body> {
    if response.status() != StatusCode::OK || !is_large(&response) {
        return response;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.remove(CONTENT_LENGTH);
    response.map(compressed)
}

/// A stream of unknown length that says it is a list is large: short ones are sent in one piece.
fn is_large(response: &Response<Body>) -> bool {
    let exact = response.body().size_hint().exact();
    exact.map_or_else(|| response.extensions().get::<Large>().is_some(), |size| size >= SMALLEST)
        && response.headers().contains_key(CONTENT_TYPE)
}

/// Marks a streamed answer as one to compress.
#[derive(Debug, Clone, Copy)]
pub struct Large;

fn compressed(body: Body) -> Body {
    struct State {
        body: Body,
        encoder: Option<GzEncoder<Vec<u8>>>,
    }
    let state = State { body, encoder: Some(GzEncoder::new(Vec::with_capacity(CHUNK), Compression::fast())) };
    body::stream(futures::stream::try_unfold(state, |mut state| async move {
        loop {
            let Some(encoder) = state.encoder.as_mut() else { return Ok(None) };
            let frame = state.body.frame().await.transpose()?;
            let Some(frame) = frame else {
                let rest = state.encoder.take().expect("taken once").finish()?;
                return Ok::<_, BodyError>(Some((Bytes::from(rest), state)));
            };
            let Ok(data) = frame.into_data() else { continue };
            encoder.write_all(&data)?;
            if encoder.get_ref().len() >= CHUNK {
                let chunk = BytesMut::from(encoder.get_ref().as_slice()).freeze();
                encoder.get_mut().clear();
                return Ok(Some((chunk, state)));
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    async fn sent(size: usize) -> (bool, Vec<u8>) {
        let plain = crate::encode::respond::bytes(StatusCode::OK, "application/json", vec![b'x'; size]);
        let response = compress(plain);
        let encoded = response.headers().contains_key(CONTENT_ENCODING);
        (encoded, response.into_body().collect().await.expect("whole").to_bytes().to_vec())
    }

    #[tokio::test]
    async fn only_what_is_worth_it_is_compressed_and_it_comes_back_whole() {
        let (encoded, bytes) = sent(1000).await;
        assert!(!encoded && bytes.len() == 1000);
        let (encoded, bytes) = sent(1_000_000).await;
        assert!(encoded && bytes.len() < 100_000);
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).expect("gzip");
        assert_eq!(plain, vec![b'x'; 1_000_000]);
    }
}
