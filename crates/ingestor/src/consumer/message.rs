//! A message of Kafka into a chunk.

use std::ffi::CStr;
use std::fmt::Write as _;
use std::ptr;

use rdkafka::bindings::{rd_kafka_header_get_all, rd_kafka_message_headers};
use rdkafka::error::IsError as _;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::types::RDKafkaHeaders;

use crate::chunk::{Chunk, Record};

/// A chunk is full at so many bytes or records.
const CHUNK_BYTES: usize = 512 << 10;
pub(super) const CHUNK_RECORDS: usize = 4096;

/// Copies a message. True: the chunk is full.
#[inline]
pub(super) fn append(chunk: &mut Chunk, message: &BorrowedMessage<'_>) -> bool {
    let headers = headers_as_json(message);
    chunk.push(Record {
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key(),
        value: message.payload(),
        headers: headers.as_deref(),
    });
    chunk.account();
    chunk.payload() >= CHUNK_BYTES || chunk.len() >= CHUNK_RECORDS
}

/// Pairs of a name and its value in hexadecimal, which any bytes fit.
fn headers_as_json(message: &BorrowedMessage<'_>) -> Option<String> {
    let mut headers = ptr::null_mut();
    // SAFETY: the message is not yet destroyed, and neither are its headers, which it owns.
    #[allow(
        unsafe_code,
        reason = "rdkafka panics at a name that is not UTF-8, which any producer can send"
    )]
    unsafe {
        if rd_kafka_message_headers(message.ptr(), &raw mut headers).is_error() {
            return None;
        }
        Some(json_of(headers))
    }
}

/// # Safety
///
/// `headers` are whole, and nobody changes them meanwhile.
#[allow(unsafe_code, reason = "as above")]
unsafe fn json_of(headers: *const RDKafkaHeaders) -> String {
    let mut out = String::from("[");
    for index in 0.. {
        let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the caller's word; what comes back lives as long as the headers.
        let (name, value) = unsafe {
            let got = rd_kafka_header_get_all(
                headers,
                index,
                &raw mut name,
                &raw mut value,
                &raw mut length,
            );
            if got.is_error() {
                break;
            }
            let value =
                (!value.is_null()).then(|| std::slice::from_raw_parts(value.cast::<u8>(), length));
            (CStr::from_ptr(name).to_string_lossy(), value)
        };
        if out.len() > 1 {
            out.push(',');
        }
        let name = serde_json::Value::from(name);
        let _ = write!(out, "[{name},");
        match value {
            Some(value) => {
                out.push('"');
                for byte in value {
                    let _ = write!(out, "{byte:02x}");
                }
                out.push('"');
            }
            None => out.push_str("null"),
        }
        out.push(']');
    }
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use rdkafka::bindings::{rd_kafka_header_add, rd_kafka_headers_destroy, rd_kafka_headers_new};

    use super::*;

    #[test]
    #[allow(
        unsafe_code,
        reason = "rdkafka makes no header whose name is not UTF-8"
    )]
    fn headers_of_any_bytes_are_kept_as_text() {
        // SAFETY: name and value are as long as said, and copied.
        let json = unsafe {
            let headers = rd_kafka_headers_new(3);
            for (name, value) in [(b"name\xe9".as_slice(), Some(b"\x00\xff")), (b"", None)] {
                let bytes = value.map_or(ptr::null(), |value| value.as_ptr().cast());
                let length = value.map_or(0, |value| value.len() as isize);
                rd_kafka_header_add(
                    headers,
                    name.as_ptr().cast(),
                    name.len() as isize,
                    bytes,
                    length,
                );
            }
            let json = json_of(headers);
            rd_kafka_headers_destroy(headers);
            json
        };
        assert_eq!(json, "[[\"name\u{fffd}\",\"00ff\"],[\"\",null]]");
    }
}
