//! Header blocks: name and value pairs, compressed by one zlib stream per direction for the whole connection.

use std::collections::BTreeMap;

use bytes::{Buf, Bytes};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use super::dictionary;
use super::frame::BadFrame;

/// Names are in lower case.
pub type Headers = BTreeMap<String, String>;

/// A block of headers grows to at most this.
const LARGEST: usize = 64 * 1024;
/// zlib's `Z_NEED_DICT`, asked for once, with the first block.
const DICTIONARY_SIZE_HINT: usize = 4096;

/// Compresses our headers.
pub(super) struct Compressor(Compress);

impl Compressor {
    pub(super) fn new() -> Compressor {
        let mut zlib = Compress::new(Compression::default(), true);
        zlib.set_dictionary(&dictionary::bytes()).expect("a fresh zlib stream takes a dictionary");
        Compressor(zlib)
    }

    pub(super) fn block(&mut self, headers: &Headers) -> Bytes {
        let plain = plain(headers);
        let mut out = Vec::with_capacity(plain.len() + DICTIONARY_SIZE_HINT);
        let mut rest = plain.as_slice();
        loop {
            let before = self.0.total_in();
            self.0.compress_vec(rest, &mut out, FlushCompress::Sync).expect("memory is writable");
            let taken = usize::try_from(self.0.total_in() - before).expect("a block fits");
            rest = &rest[taken..];
            if rest.is_empty() && out.len() < out.capacity() {
                return out.into();
            }
            out.reserve(DICTIONARY_SIZE_HINT);
        }
    }
}

/// Decompresses the peer's headers.
pub(super) struct Decompressor(Decompress);

impl Decompressor {
    pub(super) fn new() -> Decompressor {
        Decompressor(Decompress::new(true))
    }

    pub(super) fn block(&mut self, block: &[u8]) -> Result<Headers, BadFrame> {
        let mut plain = Vec::with_capacity(DICTIONARY_SIZE_HINT);
        let mut rest = block;
        loop {
            let before = self.0.total_in();
            let step = self.0.decompress_vec(rest, &mut plain, FlushDecompress::Sync);
            let taken = usize::try_from(self.0.total_in() - before).map_err(|_| BadFrame::Headers)?;
            rest = &rest[taken..];
            match step {
                Err(error) if error.needs_dictionary().is_some() => {
                    self.0.set_dictionary(&dictionary::bytes()).map_err(|_| BadFrame::Headers)?;
                    continue;
                }
                Err(_) => return Err(BadFrame::Headers),
                Ok(_) => {}
            }
            if plain.len() > LARGEST {
                return Err(BadFrame::Headers);
            }
            if rest.is_empty() && plain.len() < plain.capacity() {
                return parsed(plain.into());
            }
            if taken == 0 && plain.len() < plain.capacity() {
                return Err(BadFrame::Headers);
            }
            plain.reserve(DICTIONARY_SIZE_HINT);
        }
    }
}

fn plain(headers: &Headers) -> Vec<u8> {
    let mut out = Vec::new();
    let word = |length: usize| u32::try_from(length).expect("headers are short").to_be_bytes();
    out.extend_from_slice(&word(headers.len()));
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        out.extend_from_slice(&word(text.len()));
        out.extend_from_slice(text.as_bytes());
    }
    out
}

fn parsed(mut plain: Bytes) -> Result<Headers, BadFrame> {
    let pairs = number(&mut plain)?;
    let mut headers = Headers::new();
    for _ in 0..pairs {
        let name = text(&mut plain)?.to_ascii_lowercase();
        headers.insert(name, text(&mut plain)?);
    }
    Ok(headers)
}

fn number(plain: &mut Bytes) -> Result<usize, BadFrame> {
    let number = plain.try_get_u32().map_err(|_| BadFrame::Headers)?;
    usize::try_from(number).map_err(|_| BadFrame::Headers)
}

fn text(plain: &mut Bytes) -> Result<String, BadFrame> {
    let length = number(plain)?;
    if length > plain.len() {
        return Err(BadFrame::Headers);
    }
    Ok(String::from_utf8_lossy(&plain.split_to(length)).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> Headers {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn blocks_of_one_connection_come_back_in_order() {
        let (mut compressor, mut decompressor) = (Compressor::new(), Decompressor::new());
        let blocks = [
            headers(&[("streamtype", "error"), ("port", "80"), ("requestid", "0")]),
            headers(&[("streamtype", "data"), ("port", "80"), ("requestid", "0")]),
            headers(&[]),
            headers(&[("long", &"x".repeat(9000))]),
        ];
        for block in &blocks {
            let wire = compressor.block(block);
            assert_eq!(&decompressor.block(&wire).expect("readable"), block);
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_compressed_comes_back(pairs in proptest::collection::btree_map("[a-z-]{1,12}", ".{0,64}", 0..8)) {
            let (mut compressor, mut decompressor) = (Compressor::new(), Decompressor::new());
            for _ in 0..3 {
                proptest::prop_assert_eq!(&decompressor.block(&compressor.block(&pairs)).expect("its own"), &pairs);
            }
        }

        #[test]
        fn any_block_is_read_or_refused(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = Decompressor::new().block(&bytes);
            let _ = parsed(bytes.into());
        }
    }

    #[test]
    fn noise_is_refused() {
        assert_eq!(Decompressor::new().block(b"not zlib at all"), Err(BadFrame::Headers));
    }
}
