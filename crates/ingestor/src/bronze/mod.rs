//! The bronze table of a topic: its columns, and rows on their way into it.

mod events;
mod others;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use goldrecord_lake::TableSpec;

use crate::decode::{Misfit, Shape};

pub use events::Events;
pub use others::{Cause, Others, Raw};

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
    // To many readers names are the same that differ in case alone.
    let is_ours = |name: &str| is_own(&name.to_lowercase());
    match fields.iter().find(|field| is_ours(&field.name)) {
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

impl Origin {
    /// The record's timestamp in µs since 1970, if it has one.
    pub fn timestamp(self) -> Option<i64> {
        self.timestamp_ms.map(|millis| millis.saturating_mul(1000))
    }
}
