//! Rows that are no events, on their way into the table: bad records, gaps, and where epochs begin.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;

use super::{Kind, Origin, own_columns};
use crate::decode::Fault;
use crate::protocol::Range;

/// Why offsets hold no record, as `_error` of a gap says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Kafka deleted the records before they were read.
    OutOfRange,
    /// Transaction markers, aborted records, compaction.
    Skipped,
}

impl Cause {
    /// As the table holds it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OutOfRange => "out_of_range",
            Self::Skipped => "skipped",
        }
    }
}

/// Rows that are no events.
#[derive(Debug, Default)]
pub struct Others {
    rows: Vec<Other>,
    bytes: usize,
}

#[derive(Debug)]
struct Other {
    kind: Kind,
    partition: i32,
    epoch: i32,
    offset: i64,
    offset_end: Option<i64>,
    timestamp: Option<i64>,
    schema_id: Option<i32>,
    error: Option<&'static str>,
    error_text: Option<String>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Option<String>,
}

/// A record as it came.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
    /// The headers as JSON.
    pub headers: Option<&'a str>,
}

impl Others {
    /// A record that is no event, with all its bytes.
    pub fn bad(&mut self, origin: Origin, schema_id: Option<u32>, fault: &Fault, raw: Raw<'_>) {
        self.push(Other {
            kind: Kind::Bad,
            partition: origin.partition,
            epoch: origin.epoch,
            offset: origin.offset,
            offset_end: None,
            timestamp: origin.timestamp(),
            schema_id: schema_id.map(|id| id as i32),
            error: Some(fault.code.name()),
            error_text: Some(fault.text.to_string()),
            key: raw.key.map(<[u8]>::to_vec),
            value: raw.value.map(<[u8]>::to_vec),
            headers: raw.headers.map(str::to_owned),
        });
    }

    /// Offsets that hold no record.
    pub fn gap(&mut self, partition: i32, epoch: i32, range: Range, cause: Cause) {
        self.mark(Kind::Gap, partition, epoch, range, Some(cause), None);
    }

    /// All the ranges of a flush that hold no record, in one row.
    pub fn gaps(&mut self, partition: i32, epoch: i32, ranges: &[Range], cause: Cause) {
        let Some(first) = ranges.first() else { return };
        let total: u64 = ranges.iter().map(|range| range.len()).sum();
        let text: Vec<String> = ranges
            .iter()
            .map(|range| format!("{}-{}", range.start, range.end))
            .collect();
        let range = Range {
            start: first.start,
            end: first.start + total as i64,
        };
        self.mark(
            Kind::Gap,
            partition,
            epoch,
            range,
            Some(cause),
            Some(text.join(",")),
        );
    }

    /// A partition's epoch begins.
    pub fn start(&mut self, partition: i32, epoch: i32, at: i64) {
        self.mark(
            Kind::Start,
            partition,
            epoch,
            Range { start: at, end: at },
            None,
            None,
        );
    }

    fn mark(
        &mut self,
        kind: Kind,
        partition: i32,
        epoch: i32,
        range: Range,
        cause: Option<Cause>,
        text: Option<String>,
    ) {
        self.push(Other {
            kind,
            partition,
            epoch,
            offset: range.start,
            offset_end: (kind == Kind::Gap).then_some(range.end),
            timestamp: None,
            schema_id: None,
            error: cause.map(Cause::name),
            error_text: text,
            key: None,
            value: None,
            headers: None,
        });
    }

    fn push(&mut self, row: Other) {
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        self.bytes += 200 + length(&row.key) + length(&row.value);
        self.rows.push(row);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes held, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The rows as a batch of our own columns. Begins anew.
    pub fn finish(&mut self, now: i64) -> Result<RecordBatch, ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let text = |of: fn(&Other) -> Option<&str>| -> ArrayRef {
            Arc::new(rows.iter().map(of).collect::<StringArray>())
        };
        let bytes = |of: fn(&Other) -> Option<&[u8]>| -> ArrayRef {
            Arc::new(rows.iter().map(of).collect::<BinaryArray>())
        };
        let int = |of: fn(&Other) -> Option<i32>| -> ArrayRef {
            Arc::new(rows.iter().map(of).collect::<Int32Array>())
        };
        let long = |of: fn(&Other) -> Option<i64>| -> ArrayRef {
            Arc::new(rows.iter().map(of).collect::<Int64Array>())
        };
        let columns: Vec<ArrayRef> = vec![
            text(|row| Some(row.kind.name())),
            int(|row| Some(row.partition)),
            long(|row| Some(row.offset)),
            long(|row| row.offset_end),
            int(|row| Some(row.epoch)),
            Arc::new(
                rows.iter()
                    .map(|row| row.timestamp)
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
            int(|row| row.schema_id),
            Arc::new(TimestampMicrosecondArray::from(vec![now; rows.len()]).with_timezone("UTC")),
            text(|row| row.error),
            text(|row| row.error_text.as_deref()),
            bytes(|row| row.key.as_deref()),
            bytes(|row| row.value.as_deref()),
            text(|row| row.headers.as_deref()),
            new_null_array(&DataType::Date32, rows.len()),
        ];
        RecordBatch::try_new(Arc::new(Schema::new(own_columns())), columns)
    }
}
