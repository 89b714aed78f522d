//! Taking records: which are next, what each is, and when it happened.

use std::ops::RangeInclusive;
use std::time::Instant;

use goldrecord_registry::framing;
use goldrecord_service::config::{Format, Gaps};

use super::{Turn, Worker};
use crate::bronze::{Cause, Origin, Raw};
use crate::chunk::{Chunk, Record};
use crate::decode::column::Column;
use crate::decode::{Code, Fault};
use crate::keeper::now;
use crate::protocol::{Offered, Range};
use crate::schemas::{Known, TimeColumn};

/// A batch goes to the encoder when it has this many rows or bytes.
const BATCH_ROWS: usize = 16 << 10;
const BATCH_BYTES: usize = 16 << 20;

impl Worker<'_> {
    pub(super) fn take(&mut self, chunk: Chunk) -> Turn {
        if self.settings.format == Format::JsonUnframed && self.unframed.is_none() {
            self.need_unframed()?;
        }
        let (began, waited) = (Instant::now(), self.waited);
        let now = now();
        let ahead = i64::try_from(self.settings.ahead.as_micros()).unwrap_or(i64::MAX);
        let accepted = self.settings.earliest_event..=now.saturating_add(ahead);
        // Records come in runs of one schema.
        let mut last: Option<(u32, usize)> = None;
        for index in 0..chunk.len() {
            let record = chunk.get(index);
            let Some(partition) = self.topic.partition(record.partition) else {
                continue;
            };
            let Offered::Next { gap } = partition.offer(record.offset) else {
                continue;
            };
            let epoch = partition
                .epoch()
                .expect("a partition being read is of an epoch");
            let origin = Origin {
                partition: record.partition,
                epoch,
                offset: record.offset,
                timestamp_ms: record.timestamp_ms,
            };
            if !gap.is_empty() {
                self.note_gap(origin, gap);
            }
            let (id, outcome) = match self.split(&record) {
                Err(fault) => (None, Err(fault)),
                Ok((id, payload)) => {
                    let place = match last {
                        Some((same, place)) if same == id => place,
                        _ => {
                            let place = self.schema(id)?;
                            last = Some((id, place));
                            place
                        }
                    };
                    let outcome = match self.schemas.get(place) {
                        Known::Bad(fault, _) => Err(fault.clone()),
                        Known::Ready(plan) => plan
                            .decode(payload, &mut self.events.columns)
                            .and_then(|()| {
                                event_time(self.time, &self.events.columns, &record, &accepted)
                            }),
                    };
                    (Some(id), outcome)
                }
            };
            let good = outcome.is_ok();
            match outcome {
                Ok(time) => {
                    self.events
                        .close(origin, id.expect("a decoded record has a schema"), time);
                }
                Err(fault) => {
                    self.events.take_back();
                    self.digest.bad(|| {
                        let (code, text) = (fault.code.name(), &fault.text);
                        let (partition, offset) = (record.partition, record.offset);
                        format!("partition {partition} offset {offset}: {code}: {text}")
                    });
                    let raw = Raw {
                        key: record.key,
                        value: record.value,
                        headers: record.headers,
                    };
                    self.others.bad(origin, id, &fault, raw);
                }
            }
            let partition = self
                .topic
                .partition(record.partition)
                .expect("it was there when the record was offered");
            partition.count(good);
            self.filling.records += 1;
            self.filling.bytes +=
                (record.value.map_or(0, <[u8]>::len) + record.key.map_or(0, <[u8]>::len)) as u64;
            if self.events.len() >= BATCH_ROWS {
                self.send_events()?;
            }
        }
        drop(chunk);
        if self.filling.records > 0 {
            self.filling.since.get_or_insert_with(Instant::now);
        }
        if self.events.bytes() >= BATCH_BYTES {
            self.send_events()?;
        }
        if self.others.bytes() >= BATCH_BYTES {
            self.send_others()?;
        }
        self.held.set(self.events.bytes() + self.others.bytes());
        let took = began.elapsed().saturating_sub(self.waited - waited);
        self.shared.metrics.decoded(&self.name, took);
        Ok(())
    }

    fn note_gap(&mut self, origin: Origin, gap: Range) {
        match self.settings.gaps {
            Gaps::Alarm => {
                if self.digest.gap() {
                    tracing::error!(
                        topic = self.name,
                        partition = origin.partition,
                        ?gap,
                        "offsets hold no record"
                    );
                }
                self.others
                    .gap(origin.partition, origin.epoch, gap, Cause::Skipped);
            }
            Gaps::Expected => self.listed.entry(origin.partition).or_default().push(gap),
        }
    }

    /// A record's schema and payload.
    #[inline]
    fn split<'r>(&self, record: &Record<'r>) -> Result<(u32, &'r [u8]), Fault> {
        let value = match record.value {
            None => return Err(Fault::new(Code::NullValue, "the record has no value")),
            Some([]) => return Err(Fault::new(Code::EmptyValue, "the value has no bytes")),
            Some(value) => value,
        };
        match (self.settings.format, self.unframed) {
            (Format::Avro | Format::Json, _) => framing::split(value)
                .map_err(|error| Fault::new(Code::NotFramed, error.to_string())),
            (Format::JsonUnframed, Some(id)) => Ok((id, value)),
            (Format::JsonUnframed, None) => unreachable!("waited for before a record is looked at"),
        }
    }
}

/// The event's time in µs since 1970, if it is acceptable.
#[inline]
fn event_time(
    time: TimeColumn,
    columns: &[Column],
    record: &Record<'_>,
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
        TimeColumn::Kafka => record
            .timestamp_ms
            .map(|millis| millis.saturating_mul(1000)),
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
