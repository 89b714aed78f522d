//! How a record is judged, when it comes and when it is decoded again: its schema's id and its event's time.

use std::ops::RangeInclusive;

use arrow::datatypes::{DataType, Fields};
use goldrecord_registry::framing;
use goldrecord_service::config::Format;

use crate::decode::column::Column;
use crate::decode::{Code, Fault, Misfit};
use crate::settings::TopicSettings;

/// Where an event's time stands among the columns, and how it is told.
#[derive(Clone, Copy, Debug)]
pub enum TimeColumn {
    /// µs in this column of timestamps.
    Micros(usize),
    /// ms in this column of longs.
    Millis(usize),
    /// ms in this column of doubles.
    MillisAsDouble(usize),
    /// The record's own timestamp.
    Kafka,
    /// No such field.
    Missing,
}

impl TimeColumn {
    /// Which of the event's columns it is, if it is one.
    pub(crate) fn index(self) -> Option<usize> {
        match self {
            Self::Micros(index) | Self::Millis(index) | Self::MillisAsDouble(index) => Some(index),
            Self::Kafka | Self::Missing => None,
        }
    }

    /// Finds the field among the event's. A field of another type is refused.
    pub fn find(fields: &Fields, name: Option<&str>) -> Result<Self, Misfit> {
        let Some(name) = name else {
            return Ok(Self::Kafka);
        };
        let Some((index, field)) = fields.find(name) else {
            return Ok(Self::Missing);
        };
        match field.data_type() {
            DataType::Timestamp(..) => Ok(Self::Micros(index)),
            DataType::Int64 => Ok(Self::Millis(index)),
            DataType::Float64 => Ok(Self::MillisAsDouble(index)),
            other => Err(Misfit(format!(
                "the event's time `{name}` is of type {other}; it must be a timestamp or a number of milliseconds \
                 (ingestor.topic.NAME.event_time names another field, or `kafka`)"
            ))),
        }
    }
}

/// A record's schema and payload. `unframed` is the schema of records without framing, which must be known
/// where the format is of that kind.
#[inline]
pub fn split(
    value: Option<&[u8]>,
    format: Format,
    unframed: Option<u32>,
) -> Result<(u32, &[u8]), Fault> {
    let value = match value {
        None => return Err(Fault::new(Code::NullValue, "the record has no value")),
        Some([]) => return Err(Fault::new(Code::EmptyValue, "the value has no bytes")),
        Some(value) => value,
    };
    match (format, unframed) {
        (Format::Avro | Format::Json, _) => {
            framing::split(value).map_err(|error| Fault::new(Code::NotFramed, error.to_string()))
        }
        (Format::JsonUnframed, Some(id)) => Ok((id, value)),
        (Format::JsonUnframed, None) => unreachable!("waited for before a record is looked at"),
    }
}

/// The events' times that a topic accepts at the moment `now`, in µs since 1970.
pub fn accepted(settings: &TopicSettings, now: i64) -> RangeInclusive<i64> {
    let ahead = i64::try_from(settings.ahead.as_micros()).unwrap_or(i64::MAX);
    settings.earliest_event..=now.saturating_add(ahead)
}

/// The event's time in µs since 1970, if it is acceptable. The event is the columns' last row.
#[inline]
pub fn event_time(
    time: TimeColumn,
    columns: &[Column],
    timestamp_ms: Option<i64>,
    accepted: &RangeInclusive<i64>,
) -> Result<i64, Fault> {
    let row = |index: usize| columns[index].len() - 1;
    let found = match time {
        TimeColumn::Micros(index) => columns[index].long(row(index)),
        TimeColumn::Millis(index) => columns[index]
            .long(row(index))
            .map(|millis| millis.saturating_mul(1000)),
        TimeColumn::MillisAsDouble(index) => match columns[index].double(row(index)) {
            Some(millis) if millis.is_finite() => Some((millis * 1000.0) as i64),
            Some(none) => {
                return Err(Fault::new(
                    Code::EventTimeOutOfRange,
                    format!("the event's time is {none}"),
                ));
            }
            None => None,
        },
        TimeColumn::Kafka => timestamp_ms.map(|millis| millis.saturating_mul(1000)),
        TimeColumn::Missing => None,
    };
    match found {
        Some(time) if accepted.contains(&time) => Ok(time),
        Some(time) => Err(Fault::new(
            Code::EventTimeOutOfRange,
            match chrono::DateTime::from_timestamp_micros(time) {
                Some(moment) => format!("the event's time is {}", moment.to_rfc3339()),
                None => format!("the event's time is {time} µs since 1970"),
            },
        )),
        None => Err(Fault::new(Code::NoEventTime, "the event has no time")),
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;
    use goldrecord_registry::{Schema, SchemaType};

    use super::*;
    use crate::decode::{Plan, merge};

    /// The time of an event with the field `ts` of this type and value, where all that is told in µs is accepted.
    fn judged(data_type: &str, value: &[u8]) -> Result<i64, Code> {
        let text = format!(
            r#"{{"type":"record","name":"R","fields":[{{"name":"ts","type":["null",{data_type}]}}]}}"#
        );
        let schema = Schema {
            id: 1,
            schema_type: SchemaType::Avro,
            text,
        };
        let mut plan = Plan::read(&schema).expect("a schema");
        let merged = merge(&Fields::empty(), &plan.fields()).expect("fits");
        let fields = merged.expect("a field is new");
        plan.bind(&fields).expect("fits");
        let shapes = fields
            .iter()
            .map(|field| crate::decode::Shape::of(field.data_type()));
        let mut columns: Vec<Column> = shapes
            .map(|shape| Column::new(&shape.expect("a type that we write")))
            .collect();
        plan.decode(value, &mut columns).expect("good");
        let time = TimeColumn::find(&fields, Some("ts")).expect("a time");
        event_time(time, &columns, None, &(i64::MIN..=i64::MAX)).map_err(|fault| fault.code)
    }

    #[test]
    fn a_time_is_told_in_the_unit_of_its_type() {
        let double = |value: f64| [[2].as_slice(), &value.to_le_bytes()].concat();
        assert_eq!(judged(r#""long""#, &[2, 14]), Ok(7_000));
        assert_eq!(judged(r#""double""#, &double(7.5)), Ok(7_500));
        let micros = r#"{"type":"long","logicalType":"timestamp-micros"}"#;
        assert_eq!(judged(micros, &[2, 14]), Ok(7));
        assert_eq!(judged(micros, &[0]), Err(Code::NoEventTime));
        // No range holds these, however wide.
        for none in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let code = judged(r#""double""#, &double(none));
            assert_eq!(code, Err(Code::EventTimeOutOfRange));
        }
    }

    #[test]
    fn text_is_no_time() {
        let text = arrow::datatypes::Field::new("ts", DataType::Utf8, true);
        let Misfit(why) = TimeColumn::find(&vec![text].into(), Some("ts")).expect_err("refused");
        assert!(why.contains("`ts` is of type Utf8"), "{why}");
    }
}
