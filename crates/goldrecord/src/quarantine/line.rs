//! A bad record for programs.

use goldrecord_ingestor::mend::Bad;
use serde::Serialize;

use super::bytes::{base64, headers};

/// A bad record with everything that it takes to send it again; the shape of `export`'s lines and of `show --json`.
/// Bytes are base64.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    topic: &'a str,
    partition: i32,
    epoch: i32,
    offset: i64,
    /// In ms since 1970.
    timestamp: Option<i64>,
    schema_id: Option<i32>,
    reason: &'a str,
    why: &'a str,
    key: Option<String>,
    value: Option<String>,
    /// In their order; a name may be there twice.
    headers: Vec<(String, Option<String>)>,
}

impl<'a> Line<'a> {
    /// Of a record whose bytes were read.
    pub fn of(topic: &'a str, bad: &Bad<'a>) -> Self {
        let own = bad.headers.and_then(headers).unwrap_or_default();
        Self {
            topic,
            partition: bad.partition,
            epoch: bad.epoch,
            offset: bad.offset,
            timestamp: bad.timestamp.map(|micros| micros.div_euclid(1000)),
            schema_id: bad.schema_id,
            reason: bad.error,
            why: bad.error_text,
            key: bad.key.map(base64),
            value: bad.value.map(base64),
            headers: own
                .into_iter()
                .map(|(name, value)| (name, value.as_deref().map(base64)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_told_with_all_its_bytes() {
        let bad = Bad {
            partition: 3,
            epoch: 0,
            offset: 1200,
            timestamp: Some(1_500_000),
            ingested_at: None,
            schema_id: Some(7),
            error: "truncated",
            error_text: "it ends in a number",
            key: None,
            value: Some(&[0xff, 0xfe]),
            headers: Some(r#"[["a","00ff"],["a",null]]"#),
        };
        let text = serde_json::to_string(&Line::of("t", &bad)).expect("plain data");
        assert_eq!(
            text,
            r#"{"topic":"t","partition":3,"epoch":0,"offset":1200,"timestamp":1500,"schema_id":7,"reason":"truncated","why":"it ends in a number","key":null,"value":"//4=","headers":[["a","AP8="],["a",null]]}"#
        );
    }
}
