//! The wire format itself: varints, tags and lengths (protobuf.dev/programming-guides/encoding).

use super::error::Reason;

/// What follows a tag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Datum<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
}

/// Reads the fields of one message, front to back.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next field's number and content; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Datum<'a>)>, Reason> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| Reason::Overflow)?;
        let datum = match tag & 7 {
            0 => Datum::Varint(self.varint()?),
            1 => Datum::Fixed64(self.fixed64()?),
            2 => {
                let length = self.varint()?;
                Datum::Bytes(self.take(length)?)
            }
            other => return Err(Reason::WireType(other as u8)),
        };
        Ok(Some((number, datum)))
    }

    pub(super) fn varint(&mut self) -> Result<u64, Reason> {
        let mut value = 0;
        for (index, byte) in self.0.iter().enumerate() {
            if index == 10 || (index == 9 && *byte > 1) {
                return Err(Reason::Overflow);
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.0 = &self.0[index + 1..];
                return Ok(value);
            }
        }
        Err(Reason::Truncated)
    }

    pub(super) fn fixed64(&mut self) -> Result<u64, Reason> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Reason::Truncated)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*head))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Reason> {
        let length = usize::try_from(length).map_err(|_| Reason::Truncated)?;
        let (head, rest) = self.0.split_at_checked(length).ok_or(Reason::Truncated)?;
        self.0 = rest;
        Ok(head)
    }
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_number(out: &mut Vec<u8>, field: u32, value: u64) {
    put_varint(out, u64::from(field) << 3);
    put_varint(out, value);
}

pub(super) fn put_double(out: &mut Vec<u8>, field: u32, value: f64) {
    put_varint(out, u64::from(field) << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_varint(out, u64::from(field) << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Writes a field whose length is known only once `content` is written. Most are shorter than 128 bytes, so one byte is kept
/// for the length, and only a longer content is moved.
pub(super) fn put_nested<E>(
    out: &mut Vec<u8>,
    field: u32,
    content: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    put_varint(out, u64::from(field) << 3 | 2);
    let start = out.len() + 1;
    out.push(0);
    content(out)?;
    set_length(out, start);
    Ok(())
}

fn set_length(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start;
    if length < 0x80 {
        out[start - 1] = length as u8;
        return;
    }
    let mut varint = Vec::with_capacity(5);
    put_varint(&mut varint, length as u64);
    let grown = varint.len() - 1;
    let end = out.len();
    out.resize(end + grown, 0);
    out.copy_within(start..end, start + grown);
    out[start - 1..start + grown].copy_from_slice(&varint);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_varint_is_read_as_it_was_written(value: u64) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            let mut reader = Reader(&out);
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert!(reader.0.is_empty());
        }

        #[test]
        fn a_nested_field_is_read_as_it_was_written(field in 1_u32..1 << 29, length in 0_usize..40_000) {
            let content = vec![7; length];
            let mut out = Vec::new();
            put_nested(&mut out, field, |out| { out.extend_from_slice(&content); Ok::<_, Reason>(()) }).unwrap();
            prop_assert_eq!(Reader(&out).next(), Ok(Some((field, Datum::Bytes(&content)))));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let mut reader = Reader(&bytes);
            while let Ok(Some(_)) = reader.next() {}
        }
    }

    #[test]
    fn a_varint_of_more_than_64_bits_is_refused() {
        assert_eq!(Reader(&[0xff; 11]).varint(), Err(Reason::Overflow));
        assert_eq!(Reader(&[0x80; 3]).varint(), Err(Reason::Truncated));
    }
}
