//! What an event is: topics, schemas, routing and partition columns. No I/O.
//!
//! The table in [`event`] is the only definition of an event. The Avro and JSON schemas, the Arrow
//! schema of the bronze tables, the [`Event`] struct and its encoders all come from it, so adding a
//! field is adding a line there.

mod encode;
mod event;
mod field;
mod schema;
mod topic;

pub use event::{Event, fields};
pub use field::{Field, Kind};
pub use schema::{arrow_schema, avro_schema, json_schema};
pub use topic::Topic;

/// The field that holds an event's time: milliseconds since 1970, UTC.
pub const EVENT_TIME: &str = "ts";

/// The column that a table of events is partitioned by: the UTC day of the event's time.
pub const PARTITION_COLUMN: &str = "event_date";
