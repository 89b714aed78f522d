//! How a record is judged, when it comes and when it is decoded again: its schema's id and its event's time.

use std::ops::RangeInclusive;

use goldrecord_registry::framing;
use goldrecord_service::config::Format;

use crate::decode::column::Column;
use crate::decode::{Code, Fault};
use crate::schemas::TimeColumn;
use crate::settings::TopicSettings;

/// A record's schema and payload. `unframed` is the schema of records without framing, which must be known
/// where the format is of that kind.
#[inline]
pub(crate) fn split(
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
pub(crate) fn accepted(settings: &TopicSettings, now: i64) -> RangeInclusive<i64> {
    let ahead = i64::try_from(settings.ahead.as_micros()).unwrap_or(i64::MAX);
    settings.earliest_event..=now.saturating_add(ahead)
}

/// The event's time in µs since 1970, if it is acceptable. The event is the columns' last row.
#[inline]
pub(crate) fn event_time(
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
        // A cast of NaN is 0, which is before any accepted time; infinity saturates.
        TimeColumn::MillisAsDouble(index) => columns[index]
            .double(row(index))
            .map(|millis| (millis * 1000.0) as i64),
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
