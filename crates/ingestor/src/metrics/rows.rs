//! What the rows of a flush are: counted from the batches that go to the encoder, not from what the protocol
//! believes, so that the balance compares two counts that know nothing of each other.

use std::collections::BTreeMap;

use arrow::array::{Array as _, AsArray as _, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};

use crate::bronze::{EVENT_DATE, Kind};

/// Seconds from an event's own time to its record's timestamp.
pub(super) const LATENESS: &[f64] = &[
    1.0,
    10.0,
    60.0,
    600.0,
    3_600.0,
    21_600.0,
    86_400.0,
    604_800.0,
    2_592_000.0,
];
const BOUNDS: usize = LATENESS.len();
/// An event may be this much after its record's timestamp, in µs: clocks differ.
const SKEW: i64 = 1_000_000;
/// One record in so many is timed until it is committed.
const STRIDE: usize = 64;

/// What the rows of a flush are.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    batches: u64,
    partitions: BTreeMap<i32, Own>,
    /// By kind and reason.
    kinds: BTreeMap<(&'static str, String), u64>,
    lateness: [u64; BOUNDS + 1],
    lateness_micros: i64,
    future: u64,
    newest_event: Option<i64>,
    /// Timestamps in µs since 1970, and for how many records each stands.
    timed: Vec<(i64, u64)>,
}

#[derive(Clone, Debug, Default)]
struct Own {
    good: u64,
    /// The same by day, in days since 1970-01-01.
    days: BTreeMap<i32, u64>,
    bad: u64,
    gap: u64,
    newest: Option<i64>,
}

impl Rows {
    /// Looks at a batch: good rows alone, or others alone. `time`: the column of the event's own time; none where
    /// that is the record's timestamp.
    pub(crate) fn add(&mut self, batch: &RecordBatch, time: Option<&str>) {
        self.batches += 1;
        let kinds = own(batch, "_kind").as_string::<i32>();
        if kinds.is_empty() {
            return;
        }
        if kinds.value(0) == Kind::Good.name() {
            self.add_good(batch, time);
        } else {
            self.add_others(batch);
        }
    }

    fn add_good(&mut self, batch: &RecordBatch, time: Option<&str>) {
        let rows = batch.num_rows();
        *self
            .kinds
            .entry((Kind::Good.name(), String::new()))
            .or_default() += rows as u64;
        let partitions = own(batch, "_partition").as_primitive::<Int32Type>();
        let stamps = own(batch, "_timestamp").as_primitive::<TimestampMicrosecondType>();
        let days = own(batch, EVENT_DATE).as_primitive::<Date32Type>().values();
        // Records come in runs of one partition, and these in runs of one day.
        let mut start = 0;
        for run in partitions.values().chunk_by(|one, next| one == next) {
            let own = self.partitions.entry(run[0]).or_default();
            own.good += run.len() as u64;
            for day in days[start..start + run.len()].chunk_by(|one, next| one == next) {
                *own.days.entry(day[0]).or_default() += day.len() as u64;
            }
            let newest = (start..start + run.len()).filter_map(|row| stamp(stamps, row));
            own.newest = own.newest.max(newest.max());
            start += run.len();
        }
        for row in (0..rows).step_by(STRIDE) {
            if let Some(stamp) = stamp(stamps, row) {
                self.timed.push((stamp, STRIDE.min(rows - row) as u64));
            }
        }
        let Some(column) = time.and_then(|name| batch.column_by_name(name)) else {
            return self.add_times(stamps, |row| stamp(stamps, row));
        };
        match column.data_type() {
            DataType::Timestamp(..) => {
                let events = column.as_primitive::<TimestampMicrosecondType>().values();
                self.add_times(stamps, |row| Some(events[row]));
            }
            DataType::Int64 => {
                let events = column.as_primitive::<Int64Type>().values();
                self.add_times(stamps, |row| Some(events[row].saturating_mul(1000)));
            }
            DataType::Float64 => {
                let events = column.as_primitive::<Float64Type>().values();
                self.add_times(stamps, |row| Some((events[row] * 1000.0) as i64));
            }
            other => unreachable!("an event's time is never of type {other}"),
        }
    }

    /// Sorts events by how late they came. `event`: a row's own time in µs since 1970.
    fn add_times(
        &mut self,
        stamps: &TimestampMicrosecondArray,
        event: impl Fn(usize) -> Option<i64>,
    ) {
        let bounds: [i64; BOUNDS] = std::array::from_fn(|place| LATENESS[place] as i64 * 1_000_000);
        let mut newest = i64::MIN;
        for row in 0..stamps.len() {
            let Some(event) = event(row) else { continue };
            newest = newest.max(event);
            let Some(stamp) = stamp(stamps, row) else {
                continue;
            };
            let late = stamp.saturating_sub(event);
            self.future += u64::from(late < -SKEW);
            let late = late.max(0);
            // Nearly always the first.
            let place = bounds
                .iter()
                .position(|bound| late <= *bound)
                .unwrap_or(BOUNDS);
            self.lateness[place] += 1;
            self.lateness_micros = self.lateness_micros.saturating_add(late);
        }
        if newest > i64::MIN {
            self.newest_event = self.newest_event.max(Some(newest));
        }
    }

    fn add_others(&mut self, batch: &RecordBatch) {
        let kinds = own(batch, "_kind").as_string::<i32>();
        let reasons = own(batch, "_error").as_string::<i32>();
        let partitions = own(batch, "_partition").as_primitive::<Int32Type>();
        let offsets = own(batch, "_offset").as_primitive::<Int64Type>();
        let ends = own(batch, "_offset_end").as_primitive::<Int64Type>();
        let stamps = own(batch, "_timestamp").as_primitive::<TimestampMicrosecondType>();
        for row in 0..batch.num_rows() {
            let own = self.partitions.entry(partitions.value(row)).or_default();
            let (kind, records) = if kinds.value(row) == Kind::Bad.name() {
                own.bad += 1;
                own.newest = own.newest.max(stamp(stamps, row));
                (Kind::Bad, 1)
            } else if kinds.value(row) == Kind::Gap.name() {
                let offsets = (ends.value(row) - offsets.value(row)) as u64;
                own.gap += offsets;
                (Kind::Gap, offsets)
            } else {
                // Where an epoch began: no offset is spent on it.
                continue;
            };
            *self
                .kinds
                .entry((kind.name(), reasons.value(row).to_owned()))
                .or_default() += records;
        }
    }

    pub(super) fn batches(&self) -> u64 {
        self.batches
    }

    /// Good, bad and gap offsets of a partition, and its newest timestamp in µs since 1970.
    pub(super) fn of(&self, partition: i32) -> (u64, u64, u64, Option<i64>) {
        self.partitions
            .get(&partition)
            .map_or((0, 0, 0, None), |own| {
                (own.good, own.bad, own.gap, own.newest)
            })
    }

    /// Good offsets of a partition by day, in days since 1970-01-01.
    pub(super) fn days(&self, partition: i32) -> impl Iterator<Item = (i32, u64)> {
        let own = self.partitions.get(&partition).into_iter();
        own.flat_map(|own| own.days.iter().map(|(day, rows)| (*day, *rows)))
    }

    /// Offsets by kind and reason.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        let kinds = self.kinds.iter();
        kinds.map(|((kind, reason), records)| (*kind, reason.as_str(), *records))
    }

    /// How many were late up to each bound, and beyond the last; the sum in seconds.
    pub(super) fn lateness(&self) -> (&[u64], f64) {
        (&self.lateness, self.lateness_micros as f64 / 1e6)
    }

    pub(super) fn future(&self) -> u64 {
        self.future
    }

    /// The latest event's own time, in µs since 1970.
    pub(super) fn newest_event(&self) -> Option<i64> {
        self.newest_event
    }

    /// Seconds from records' timestamps until `now`, each with the number of records it stands for.
    pub(super) fn delays(&self, now: i64) -> impl Iterator<Item = (f64, u64)> {
        self.timed
            .iter()
            .map(move |(stamp, records)| ((now - stamp).max(0) as f64 / 1e6, *records))
    }
}

fn own<'b>(batch: &'b RecordBatch, column: &str) -> &'b dyn arrow::array::Array {
    batch
        .column_by_name(column)
        .expect("every batch of a bronze table has the columns that are ours")
}

#[inline]
fn stamp(stamps: &TimestampMicrosecondArray, row: usize) -> Option<i64> {
    stamps.is_valid(row).then(|| stamps.value(row))
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use arrow::array::Int64Array;
    use arrow::datatypes::{Field, Fields, Schema};

    use super::*;
    use crate::bronze::{Cause, Events, Origin, Others, Raw};
    use crate::decode::{Code, Fault};
    use crate::protocol::Range;

    const SECOND: i64 = 1_000_000;

    fn origin(partition: i32, timestamp_ms: i64) -> Origin {
        Origin {
            partition,
            epoch: 0,
            offset: 0,
            timestamp_ms: Some(timestamp_ms),
        }
    }

    /// A good event for each of the partitions given, all with the same timestamp in s.
    pub(in super::super) fn good(partitions: &[i32], stamp: i64) -> RecordBatch {
        good_of_day(partitions, stamp, 0)
    }

    /// The same, of a day since 1970-01-01.
    pub(in super::super) fn good_of_day(partitions: &[i32], stamp: i64, day: i32) -> RecordBatch {
        let mut events = Events::new(Fields::empty()).expect("no fields");
        for partition in partitions {
            let midnight = i64::from(day) * 86_400_000_000;
            events.close(origin(*partition, stamp * 1000), 1, midnight);
        }
        events.finish(0).expect("a batch")
    }

    pub(in super::super) fn gap(partition: i32, offsets: i64) -> RecordBatch {
        let mut others = Others::default();
        let range = Range {
            start: 20,
            end: 20 + offsets,
        };
        others.gap(partition, 0, range, Cause::Skipped);
        others.finish(0).expect("a batch")
    }

    /// Good events: the time of each, and its record's timestamp, in s.
    fn timed(times: &[(i64, i64)]) -> RecordBatch {
        let mut events = Events::new(Fields::empty()).expect("no fields");
        for (_, stamp) in times {
            events.close(origin(0, stamp * 1000), 1, 0);
        }
        let (schema, mut columns, _) = events.finish(0).expect("a batch").into_parts();
        let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new("ts", DataType::Int64, true)));
        let millis = times.iter().map(|(event, _)| event * 1000);
        columns.push(Arc::new(Int64Array::from_iter_values(millis)));
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("a batch")
    }

    #[test]
    fn good_rows_are_counted_by_partition() {
        let mut rows = Rows::default();
        rows.add(&good(&[0, 0, 1, 0], 7), None);
        rows.add(&good(&[1], 9), None);
        assert_eq!(rows.of(0), (3, 0, 0, Some(7 * SECOND)));
        assert_eq!(rows.of(1), (2, 0, 0, Some(9 * SECOND)));
        assert_eq!(rows.of(2), (0, 0, 0, None));
        rows.add(&good_of_day(&[1], 9, 3), None);
        assert_eq!(rows.days(1).collect::<Vec<_>>(), [(0, 2), (3, 1)]);
        assert_eq!(rows.days(2).count(), 0);
        assert_eq!(rows.batches(), 3);
        assert_eq!(rows.kinds().collect::<Vec<_>>(), [("good", "", 6)]);
        assert_eq!(
            rows.newest_event(),
            Some(9 * SECOND),
            "the timestamp is the event's time"
        );
    }

    #[test]
    fn others_are_counted_by_reason_and_gaps_by_their_length() {
        let mut others = Others::default();
        let raw = Raw {
            key: None,
            value: None,
            headers: None,
        };
        others.start(0, 0, 5);
        for code in [Code::Truncated, Code::BadUtf8, Code::Truncated] {
            others.bad(origin(0, 3000), None, &Fault::new(code, "why"), raw);
        }
        let ranges = [(5, 8), (20, 24)].map(|(start, end)| Range { start, end });
        others.gaps(1, 0, &ranges, Cause::Skipped);
        others.gap(1, 0, Range { start: 30, end: 31 }, Cause::OutOfRange);
        let mut rows = Rows::default();
        rows.add(&others.finish(0).expect("a batch"), None);
        assert_eq!(rows.of(0), (0, 3, 0, Some(3 * SECOND)));
        assert_eq!(rows.of(1), (0, 0, 8, None));
        assert_eq!(
            rows.kinds().collect::<Vec<_>>(),
            [
                ("bad", "bad_utf8", 1),
                ("bad", "truncated", 2),
                ("gap", "out_of_range", 1),
                ("gap", "skipped", 7),
            ]
        );
    }

    #[test]
    fn events_are_sorted_by_how_late_they_came() {
        let mut rows = Rows::default();
        let day = 86_400;
        rows.add(
            &timed(&[
                (100, 100),
                (99, 100),
                (40, 100),
                (0, 3 * day),
                (0, 90 * day),
                (200, 100),
            ]),
            Some("ts"),
        );
        let (counts, seconds) = rows.lateness();
        assert_eq!(counts, [3, 0, 1, 0, 0, 0, 0, 1, 0, 1]);
        assert!(
            (seconds - (1 + 60 + 93 * day) as f64).abs() < 1e-6,
            "{seconds}"
        );
        assert_eq!(rows.future(), 1);
        assert_eq!(rows.newest_event(), Some(200 * SECOND));
    }

    #[test]
    fn one_record_in_many_is_timed_and_all_are_counted() {
        let mut rows = Rows::default();
        rows.add(&good(&[0; 150], 10), None);
        let delays: Vec<_> = rows.delays(12 * SECOND).collect();
        assert_eq!(delays, [(2.0, 64), (2.0, 64), (2.0, 22)]);
    }

    #[test]
    fn a_record_without_a_timestamp_is_counted_and_not_timed() {
        let mut events = Events::new(Fields::empty()).expect("no fields");
        let origin = Origin {
            timestamp_ms: None,
            ..origin(0, 0)
        };
        events.close(origin, 1, 0);
        let mut rows = Rows::default();
        rows.add(&events.finish(0).expect("a batch"), None);
        assert_eq!(rows.of(0), (1, 0, 0, None));
        assert_eq!(rows.delays(0).count(), 0);
        assert_eq!(rows.lateness().0.iter().sum::<u64>(), 0);
    }
}
