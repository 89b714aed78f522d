//! A message of Kafka into a chunk.

use std::fmt::Write as _;

use rdkafka::message::{Headers as _, Message};

use crate::chunk::{Chunk, Record};

/// A chunk is full at so many bytes or records.
const CHUNK_BYTES: usize = 512 << 10;
pub(super) const CHUNK_RECORDS: usize = 4096;

/// Copies a message. True: the chunk is full.
#[inline]
pub(super) fn append(chunk: &mut Chunk, message: &impl Message) -> bool {
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
fn headers_as_json(message: &impl Message) -> Option<String> {
    let headers = message.headers()?;
    let mut out = String::from("[");
    for header in headers.iter() {
        if out.len() > 1 {
            out.push(',');
        }
        let name = serde_json::Value::from(header.key);
        let _ = write!(out, "[{name},");
        match header.value {
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
    Some(out)
}
