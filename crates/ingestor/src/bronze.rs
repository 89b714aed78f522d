//! The bronze table of a topic: its columns, and rows on their way into it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, Date32Array, Int32Array, Int64Array, RecordBatch, StringArray,
    StringBuilder, TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use goldrecord_lake::TableSpec;

use crate::decode::column::Column;
use crate::decode::{Fault, Misfit, Shape};
use crate::protocol::Range;

/// Columns that begin so are ours; no field of an event may.
pub const PREFIX: char = '_';

/// The UTC day of the event's time: the partition column.
pub const EVENT_DATE: &str = "event_date";

/// What a row is, as `_kind` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An event.
    Good,
    /// A record that is none.
    Bad,
    /// Offsets without a record.
    Gap,
    /// Where a partition's epoch began.
    Start,
}

impl Kind {
    /// As the table holds it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Gap => "gap",
            Self::Start => "start",
        }
    }
}

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

/// The path of a topic's table in the lake.
pub fn path(topic: &str) -> String {
    format!("bronze/{topic}")
}

/// The columns that every bronze table begins with.
///
/// `_offset_end` is set for gaps alone: the offset after the last one missing. A gap that lists several
/// ranges (`_error_text`, as `5-8,11-12`, ends exclusive) has `_offset_end - _offset` = their total length, so that
/// the balance is one sum for all gaps.
fn own_columns() -> Vec<Field> {
    let timestamp = Shape::Timestamp.arrow();
    let column = |name: &str, data_type: DataType, comment: &str| {
        Field::new(name, data_type, true)
            .with_metadata([("comment".to_owned(), comment.to_owned())].into())
    };
    vec![
        column(
            "_kind",
            DataType::Utf8,
            "What the row is: good, bad, gap, start or expired.",
        ),
        column("_partition", DataType::Int32, "The Kafka partition."),
        column("_offset", DataType::Int64, "The Kafka offset."),
        column(
            "_offset_end",
            DataType::Int64,
            "Of a gap: the offset after its last.",
        ),
        column(
            "_epoch",
            DataType::Int32,
            "Counts how often the topic was made anew.",
        ),
        column(
            "_timestamp",
            timestamp.clone(),
            "The Kafka record's timestamp.",
        ),
        column(
            "_schema_id",
            DataType::Int32,
            "The schema's id in the registry.",
        ),
        column("_ingested_at", timestamp, "When the row was decoded."),
        column(
            "_error",
            DataType::Utf8,
            "Why the record is bad, or the offsets are missing.",
        ),
        column("_error_text", DataType::Utf8, "The same for people."),
        column("_raw_key", DataType::Binary, "Of a bad record: its key."),
        column(
            "_raw_value",
            DataType::Binary,
            "Of a bad record: its value.",
        ),
        column(
            "_raw_headers",
            DataType::Utf8,
            "Of a bad record: its headers, as JSON pairs of name and hexadecimal value.",
        ),
        column(
            EVENT_DATE,
            DataType::Date32,
            "The UTC day of the event's time; null unless the row is good.",
        ),
    ]
}

/// The table as it is made: without a field of an event yet.
pub fn spec(topic: &str) -> TableSpec {
    TableSpec {
        schema: Arc::new(Schema::new(own_columns())),
        partition_columns: vec![EVENT_DATE.to_owned()],
        properties: BTreeMap::new(),
        description: Some(format!("Kafka topic {topic}, every record once.")),
    }
}

/// The event's fields among a table's columns.
pub fn event_fields(schema: &Schema) -> Fields {
    schema
        .fields()
        .iter()
        .filter(|field| !is_own(field.name()))
        .cloned()
        .collect()
}

/// The table's schema with these fields of the event.
pub fn with_event_fields(schema: &Schema, fields: &Fields) -> SchemaRef {
    let own = schema
        .fields()
        .iter()
        .filter(|field| is_own(field.name()))
        .cloned();
    Arc::new(Schema::new_with_metadata(
        own.chain(fields.iter().cloned()).collect::<Fields>(),
        schema.metadata().clone(),
    ))
}

fn is_own(name: &str) -> bool {
    name.starts_with(PREFIX) || name == EVENT_DATE
}

/// Refuses fields that would take the name of a column of ours.
pub fn check_names(fields: &[crate::decode::Field]) -> Result<(), Misfit> {
    match fields.iter().find(|field| is_own(&field.name)) {
        Some(field) => Err(Misfit(format!(
            "the field `{}` has a name that the table needs itself (`{PREFIX}…` and `{EVENT_DATE}`); rename it",
            field.name
        ))),
        None => Ok(()),
    }
}

/// Where a row comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The partition.
    pub partition: i32,
    /// Its epoch.
    pub epoch: i32,
    /// The offset.
    pub offset: i64,
    /// The record's timestamp in ms since 1970, if it has one.
    pub timestamp_ms: Option<i64>,
}

/// Events of one schema of the table, being filled.
#[derive(Debug)]
pub struct Events {
    fields: Fields,
    /// One a field of the event.
    pub columns: Vec<Column>,
    partition: Vec<i32>,
    offset: Vec<i64>,
    epoch: Vec<i32>,
    timestamp: Vec<Option<i64>>,
    schema_id: Vec<i32>,
    event_date: Vec<i32>,
}

const MICROS_PER_DAY: i64 = 86_400_000_000;

impl Events {
    /// No rows yet. `None`: a column of the table is of a type that we do not write; its name.
    pub fn new(fields: Fields) -> Result<Self, Misfit> {
        let columns = fields
            .iter()
            .map(|field| {
                Shape::of(field.data_type())
                    .map(|shape| Column::new(&shape))
                    .ok_or_else(|| {
                        Misfit(format!(
                            "the table's column `{}` is of type {}, which no event has",
                            field.name(),
                            field.data_type()
                        ))
                    })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            fields,
            columns,
            partition: Vec::new(),
            offset: Vec::new(),
            epoch: Vec::new(),
            timestamp: Vec::new(),
            schema_id: Vec::new(),
            event_date: Vec::new(),
        })
    }

    /// The event's fields.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The number of events.
    pub fn len(&self) -> usize {
        self.offset.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.offset.is_empty()
    }

    /// Bytes held, roughly.
    pub fn bytes(&self) -> usize {
        self.len() * 44 + self.columns.iter().map(Column::bytes).sum::<usize>()
    }

    /// The event whose fields were just decoded is good.
    #[inline]
    pub fn close(&mut self, origin: Origin, schema_id: u32, event_time: i64) {
        self.partition.push(origin.partition);
        self.offset.push(origin.offset);
        self.epoch.push(origin.epoch);
        self.timestamp.push(
            origin
                .timestamp_ms
                .map(|millis| millis.saturating_mul(1000)),
        );
        self.schema_id.push(schema_id as i32);
        self.event_date
            .push(event_time.div_euclid(MICROS_PER_DAY) as i32);
    }

    /// The event whose fields were just decoded is not: takes it back.
    pub fn take_back(&mut self) {
        let rows = self.len();
        self.columns
            .iter_mut()
            .for_each(|column| column.truncate(rows));
    }

    /// Takes all events back.
    pub fn take_back_all(&mut self) {
        self.columns
            .iter_mut()
            .for_each(|column| column.truncate(0));
        self.partition.clear();
        self.offset.clear();
        self.epoch.clear();
        self.timestamp.clear();
        self.schema_id.clear();
        self.event_date.clear();
    }

    /// The rows as a batch of the table's columns. Begins anew.
    pub fn finish(&mut self, now: i64) -> Result<RecordBatch, ArrowError> {
        let rows = self.len();
        let nothing = |data_type: &DataType| new_null_array(data_type, rows);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
                Kind::Good.name(),
                rows,
            ))),
            Arc::new(Int32Array::from(std::mem::take(&mut self.partition))),
            Arc::new(Int64Array::from(std::mem::take(&mut self.offset))),
            nothing(&DataType::Int64),
            Arc::new(Int32Array::from(std::mem::take(&mut self.epoch))),
            Arc::new(
                TimestampMicrosecondArray::from(std::mem::take(&mut self.timestamp))
                    .with_timezone("UTC"),
            ),
            Arc::new(Int32Array::from(std::mem::take(&mut self.schema_id))),
            Arc::new(TimestampMicrosecondArray::from(vec![now; rows]).with_timezone("UTC")),
            nothing(&DataType::Utf8),
            nothing(&DataType::Utf8),
            nothing(&DataType::Binary),
            nothing(&DataType::Binary),
            nothing(&DataType::Utf8),
            Arc::new(Date32Array::from(std::mem::take(&mut self.event_date))),
        ];
        for (column, field) in self.columns.iter_mut().zip(&self.fields) {
            columns.push(column.finish(field.data_type())?);
        }
        let own = Schema::new(own_columns());
        RecordBatch::try_new(with_event_fields(&own, &self.fields), columns)
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
            timestamp: origin
                .timestamp_ms
                .map(|millis| millis.saturating_mul(1000)),
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
        let mut kind = StringBuilder::new();
        let mut error = StringBuilder::new();
        let mut error_text = StringBuilder::new();
        let mut key = BinaryBuilder::new();
        let mut value = BinaryBuilder::new();
        let mut headers = StringBuilder::new();
        for row in &rows {
            kind.append_value(row.kind.name());
            error.append_option(row.error);
            error_text.append_option(row.error_text.as_deref());
            key.append_option(row.key.as_deref());
            value.append_option(row.value.as_deref());
            headers.append_option(row.headers.as_deref());
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(kind.finish()),
            Arc::new(
                rows.iter()
                    .map(|row| Some(row.partition))
                    .collect::<Int32Array>(),
            ),
            Arc::new(
                rows.iter()
                    .map(|row| Some(row.offset))
                    .collect::<Int64Array>(),
            ),
            Arc::new(
                rows.iter()
                    .map(|row| row.offset_end)
                    .collect::<Int64Array>(),
            ),
            Arc::new(
                rows.iter()
                    .map(|row| Some(row.epoch))
                    .collect::<Int32Array>(),
            ),
            Arc::new(
                rows.iter()
                    .map(|row| row.timestamp)
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
            Arc::new(rows.iter().map(|row| row.schema_id).collect::<Int32Array>()),
            Arc::new(TimestampMicrosecondArray::from(vec![now; rows.len()]).with_timezone("UTC")),
            Arc::new(error.finish()),
            Arc::new(error_text.finish()),
            Arc::new(key.finish()),
            Arc::new(value.finish()),
            Arc::new(headers.finish()),
            new_null_array(&DataType::Date32, rows.len()),
        ];
        RecordBatch::try_new(Arc::new(Schema::new(own_columns())), columns)
    }
}
