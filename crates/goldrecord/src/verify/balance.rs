//! The balance of bronze: `next − start = good + bad + gaps + expired`, and no offset twice.
//!
//! Rows and offsets are taken from one snapshot of the table, so the balance holds while an
//! ingestor runs, and it covers what no build has read yet.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use futures::{StreamExt, TryStreamExt};
use goldrecord_ingestor::protocol::AppId;
use goldrecord_lake::{Lake, Snapshot};

use super::Check;
use super::offsets::{Offsets, Range};
use crate::output::thousands;
use crate::{Error, Result};

/// How many faults of a kind are named.
const NAMED: usize = 5;
/// Files that are opened at the same time.
const FILES: usize = 8;

/// A Kafka partition's epoch in a bronze table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stretch {
    partition: i64,
    epoch: i64,
}

/// What bronze holds of one stretch of offsets.
#[derive(Clone, Debug, Default)]
struct Held {
    /// Where the epoch began, from its `start` row.
    start: Option<i64>,
    good: i64,
    bad: i64,
    /// Offsets that hold no record.
    gaps: Vec<Range>,
    /// How many rows retention removed.
    expired: i64,
    /// The offsets of good and bad rows.
    offsets: Offsets,
}

impl Held {
    fn add(&mut self, kind: &str, offset: i64, end: Option<i64>) -> Result<(), String> {
        let length = end.unwrap_or(offset) - offset;
        match kind {
            "good" => self.good += 1,
            "bad" => self.bad += 1,
            "gap" => self.gaps.push(offset..offset + length),
            "expired" => self.expired += length,
            "start" => self.start = Some(offset),
            other => return Err(other.to_owned()),
        }
        if matches!(kind, "good" | "bad") {
            self.offsets.insert(offset);
        }
        Ok(())
    }

    /// Why `self` is not exactly the offsets from its start to `next`, with the first of them that
    /// are wrong; `None` when it is.
    fn fault(&self, next: i64) -> Option<String> {
        let Some(start) = self.start else {
            return Some("has no start row, so where the epoch began is unknown".into());
        };
        let mut faults = Vec::new();
        let doubled = self.offsets.extra();
        if doubled > 0 {
            faults.push(format!("{} offsets too many", thousands(doubled)));
            faults.extend(
                self.offsets
                    .doubled()
                    .take(NAMED)
                    .map(|(offset, times)| format!("offset {offset} is there {times} times")),
            );
        }
        if let Some((low, high)) = self.offsets.bounds()
            && (low < start || high >= next)
        {
            faults.push(format!(
                "offsets {low}..={high} reach outside of {start}..{next}"
            ));
        }
        // Doubled rows must not make up for lost ones.
        let unaccounted = self.unaccounted(next) + doubled as i64;
        if unaccounted != 0 {
            faults.push(format!(
                "{unaccounted} offsets of {start}..{next} are not accounted for"
            ));
            let missing = self.offsets.missing(start..next, &self.gaps);
            faults.extend(
                missing
                    .take(NAMED)
                    .map(|range| format!("offsets {}..{} are missing", range.start, range.end)),
            );
        }
        (!faults.is_empty()).then(|| faults.join("; "))
    }

    /// Offsets up to `next` that are neither held nor gone for a known reason.
    fn unaccounted(&self, next: i64) -> i64 {
        let accounted = self.good + self.bad + self.in_gaps() + self.expired;
        next - self.start.unwrap_or_default() - accounted
    }

    fn in_gaps(&self) -> i64 {
        self.gaps.iter().map(|gap| gap.end - gap.start).sum()
    }

    fn figures(&self, next: i64) -> String {
        let others: String = [
            (self.bad, "bad"),
            (self.in_gaps(), "in gaps"),
            (self.expired, "expired"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .flat_map(|(count, what)| [" + ".into(), thousands(count as u64), format!(" {what}")])
        .collect();
        format!(
            "{} events{others} = offsets {}..{next}",
            thousands(self.good as u64),
            self.start.unwrap_or_default()
        )
    }
}

/// Check every partition of one topic.
pub async fn check(lake: &Lake, topic: &str) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for (stretch, (held, next)) in stretches(lake, topic).await? {
        let fault = match next {
            Some(next) => held.fault(next),
            None => Some("bronze holds rows of a partition that its log has no offset for".into()),
        };
        let next = next.unwrap_or_default();
        let differing = held
            .unaccounted(next)
            .unsigned_abs()
            .max(held.offsets.extra())
            .max(1);
        checks.push(Check {
            name: name(topic, stretch),
            holds: fault.is_none(),
            with_ledger: false,
            compared: (next - held.start.unwrap_or_default()).max(0) as u64,
            differing: if fault.is_some() { differing } else { 0 },
            detail: fault.unwrap_or_else(|| held.figures(next)),
        });
    }
    Ok(checks)
}

/// What became of a topic's offsets, over all partitions and epochs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Events.
    pub good: i64,
    /// Records in quarantine.
    pub bad: i64,
    /// Offsets that hold no record.
    pub gaps: i64,
    /// Offsets read, less everything that is accounted for.
    pub unaccounted: i64,
}

/// Sum up one topic.
pub async fn totals(lake: &Lake, topic: &str) -> Result<Totals> {
    let mut totals = Totals::default();
    for (held, next) in stretches(lake, topic).await?.values() {
        totals.good += held.good;
        totals.bad += held.bad;
        totals.gaps += held.in_gaps();
        totals.unaccounted += held.unaccounted(next.unwrap_or_default());
    }
    Ok(totals)
}

/// Every stretch that bronze holds rows of or that its log has an offset for.
async fn stretches(lake: &Lake, topic: &str) -> Result<BTreeMap<Stretch, (Held, Option<i64>)>> {
    let table = lake.table(&format!("bronze/{topic}"));
    let snapshot = table
        .latest()
        .await?
        .ok_or_else(|| Error::Refused(format!("bronze/{topic} vanished while it was verified")))?;
    let mut stretches: BTreeMap<Stretch, (Held, Option<i64>)> = BTreeMap::new();
    for (stretch, next) in next_offsets(&snapshot) {
        stretches.entry(stretch).or_default().1 = Some(next);
    }
    let columns = ["_kind", "_partition", "_epoch", "_offset", "_offset_end"];
    let files: Vec<_> = snapshot.files.values().cloned().collect();
    let mut batches = futures::stream::iter(files)
        .map(|file| {
            let (table, snapshot) = (&table, &snapshot);
            async move { table.read(&file, snapshot, Some(&columns)).await }
        })
        .buffer_unordered(FILES)
        .try_flatten();
    while let Some(batch) = batches.try_next().await? {
        count(&batch, &mut stretches).map_err(|kind| {
            Error::Refused(format!(
                "bronze/{topic} holds rows of the kind `{kind}`, which this version does not know: use the version that wrote them"
            ))
        })?;
    }
    drop(batches);
    Ok(stretches)
}

/// Count the rows of a batch; the error is a kind of row that is not known.
fn count(
    batch: &RecordBatch,
    stretches: &mut BTreeMap<Stretch, (Held, Option<i64>)>,
) -> Result<(), String> {
    let column = |index: usize, data_type: &DataType| {
        cast(batch.column(index), data_type)
            .expect("a bronze table's own columns are text and whole numbers")
    };
    let kinds = column(0, &DataType::Utf8);
    let kinds = kinds.as_string::<i32>();
    let numbers = [1, 2, 3, 4].map(|index| column(index, &DataType::Int64));
    let [partitions, epochs, offsets, ends] =
        numbers.each_ref().map(AsArray::as_primitive::<Int64Type>);
    for row in 0..batch.num_rows() {
        let stretch = Stretch {
            partition: partitions.value(row),
            epoch: epochs.value(row),
        };
        let end = ends.is_valid(row).then(|| ends.value(row));
        let (held, _) = stretches.entry(stretch).or_default();
        held.add(kinds.value(row), offsets.value(row), end)?;
    }
    Ok(())
}

fn name(topic: &str, stretch: Stretch) -> String {
    let epoch = if stretch.epoch == 0 {
        String::new()
    } else {
        format!(" epoch {}", stretch.epoch)
    };
    format!("balance of {topic}/{}{epoch}", stretch.partition)
}

/// The next offset of every stretch.
fn next_offsets(snapshot: &Snapshot) -> BTreeMap<Stretch, i64> {
    snapshot
        .txns
        .iter()
        .filter_map(|(id, next)| {
            let AppId {
                partition, epoch, ..
            } = AppId::parse(id)?;
            let stretch = Stretch {
                partition: partition.into(),
                epoch: epoch.into(),
            };
            Some((stretch, *next))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From 10 to 20: a gap of two, seven good records and a bad one.
    fn whole() -> Held {
        let mut held = Held::default();
        let mut add = |kind, offset, end| held.add(kind, offset, end).expect("a known kind");
        add("start", 10, None);
        add("gap", 12, Some(14));
        add("bad", 10, None);
        for offset in [11, 14, 15, 16, 17, 18, 19] {
            add("good", offset, None);
        }
        held
    }

    #[test]
    fn a_stretch_that_adds_up_has_no_fault() {
        assert_eq!(whole().fault(20), None);
        assert_eq!(
            whole().figures(20),
            "7 events + 1 bad + 2 in gaps = offsets 10..20"
        );
        let empty = Held {
            start: Some(5),
            ..Held::default()
        };
        assert_eq!(empty.fault(5), None);
    }

    #[test]
    fn a_lost_record_is_a_fault_and_its_offset_is_named() {
        let fault = whole().fault(21).expect("20 is missing");
        assert!(fault.contains("1 offsets of 10..21"), "{fault}");
        assert!(fault.contains("offsets 20..21 are missing"), "{fault}");
    }

    #[test]
    fn a_doubled_record_is_a_fault_even_when_the_sum_is_right() {
        let mut held = whole();
        held.add("good", 15, None).expect("a known kind");
        let fault = held.fault(21).expect("15 is doubled, 20 is missing");
        assert!(fault.contains("offset 15 is there 2 times"), "{fault}");
        assert!(fault.contains("offsets 20..21 are missing"), "{fault}");
    }

    #[test]
    fn a_record_outside_of_the_stretch_is_a_fault() {
        let fault = whole().fault(19).expect("19 is outside");
        assert!(fault.contains("outside"), "{fault}");
    }

    #[test]
    fn what_retention_removed_is_accounted_for() {
        let mut held = whole();
        held.add("expired", 0, Some(5)).expect("a known kind");
        assert_eq!(held.fault(25), None);
    }
}
