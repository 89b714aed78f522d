//! The Confluent wire format: how a record names the schema it was written with.
//!
//! A framed record is the magic byte 0, the schema id as a big-endian `u32`, then the payload.

/// How many bytes stand before the payload.
pub const HEADER_LEN: usize = 5;

const MAGIC: u8 = 0;

/// Why a record's framing cannot be read. The record is at fault, not the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// The record is shorter than the header.
    #[error("{0} bytes are too few for a schema id: the framing takes {HEADER_LEN}")]
    TooShort(usize),
    /// The record does not begin with the magic byte.
    #[error(
        "the first byte is {0:#04x} where the framing has {MAGIC:#04x}: the record was written without a schema id"
    )]
    WrongMagic(u8),
}

/// Appends the header that names schema `id`.
pub fn write_header(id: u32, out: &mut Vec<u8>) {
    out.push(MAGIC);
    out.extend_from_slice(&id.to_be_bytes());
}

/// The schema id of a framed record, and its payload.
pub fn split(record: &[u8]) -> Result<(u32, &[u8]), FramingError> {
    match record.split_first_chunk::<HEADER_LEN>() {
        Some(([MAGIC, id @ ..], payload)) => Ok((u32::from_be_bytes(*id), payload)),
        Some(([other, ..], _)) => Err(FramingError::WrongMagic(*other)),
        None => Err(FramingError::TooShort(record.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_names_its_schema_and_leaves_the_payload() {
        let mut record = Vec::new();
        write_header(0x0102_0304, &mut record);
        assert_eq!(record, [0, 1, 2, 3, 4]);
        record.extend_from_slice(b"payload");
        assert_eq!(split(&record), Ok((0x0102_0304, b"payload".as_slice())));
    }

    #[test]
    fn an_empty_payload_is_still_framed() {
        assert_eq!(split(&[0, 0, 0, 0, 7]), Ok((7, [].as_slice())));
    }

    #[test]
    fn a_record_without_framing_is_told_apart() {
        assert_eq!(split(b"{\"a\":1}"), Err(FramingError::WrongMagic(b'{')));
        assert_eq!(split(&[0, 0, 0]), Err(FramingError::TooShort(3)));
        assert_eq!(split(&[]), Err(FramingError::TooShort(0)));
    }
}
