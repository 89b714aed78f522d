//! The balance of bronze: `next − start = good + bad + gaps + expired`, and no offset twice.

use std::collections::BTreeMap;

use datafusion::prelude::SessionContext;
use goldrecord_lake::{Lake, Snapshot};

use super::Check;
use crate::output::thousands;
use crate::rows::query;
use crate::{Error, Result};

/// A Kafka partition's epoch in a bronze table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stretch {
    partition: i64,
    epoch: i64,
}

/// What bronze holds of one stretch of offsets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    /// Where the epoch began, from its `start` row.
    start: Option<i64>,
    good: i64,
    bad: i64,
    gaps: i64,
    expired: i64,
    /// How many different offsets the good and bad rows have.
    distinct: i64,
    /// The lowest and highest offset of a good or bad row.
    range: Option<(i64, i64)>,
}

impl Held {
    /// Why `self` is not exactly the offsets from its start to `next`; `None` when it is.
    fn fault(&self, next: i64) -> Option<String> {
        let Some(start) = self.start else {
            return Some("has no start row, so where the epoch began is unknown".into());
        };
        let kept = self.good + self.bad;
        if self.distinct + self.expired < kept {
            return Some(format!(
                "{} offsets are held more than once",
                kept - self.distinct
            ));
        }
        if let Some((low, high)) = self.range
            && (low < start || high >= next)
        {
            return Some(format!(
                "offsets {low}..={high} reach outside of {start}..{next}"
            ));
        }
        let unaccounted = self.unaccounted(next);
        (unaccounted != 0)
            .then(|| format!("{unaccounted} offsets of {start}..{next} are not accounted for"))
    }

    /// Offsets up to `next` that are neither held nor gone for a known reason.
    fn unaccounted(&self, next: i64) -> i64 {
        let accounted = self.good + self.bad + self.gaps + self.expired;
        next - self.start.unwrap_or_default() - accounted
    }

    fn figures(&self, next: i64) -> String {
        let mut text = format!("{} events", thousands(self.good as u64));
        for (count, what) in [
            (self.bad, "bad"),
            (self.gaps, "in gaps"),
            (self.expired, "expired"),
        ] {
            if count > 0 {
                text += &format!(" + {} {what}", thousands(count as u64));
            }
        }
        text + &format!(" = offsets {}..{next}", self.start.unwrap_or_default())
    }
}

/// Check every partition of one topic.
pub async fn check(lake: &Lake, context: &SessionContext, topic: &str) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for (stretch, (held, next)) in stretches(lake, context, topic).await? {
        let fault = match next {
            Some(next) => held.fault(next),
            None => Some("bronze holds rows of a partition that its log has no offset for".into()),
        };
        let next = next.unwrap_or_default();
        let detail = match &fault {
            None => held.figures(next),
            Some(fault) => {
                format!(
                    "{fault}{}",
                    first_faults(context, topic, stretch, &held, next).await?
                )
            }
        };
        checks.push(Check {
            name: name(topic, stretch),
            holds: fault.is_none(),
            with_ledger: false,
            compared: (next - held.start.unwrap_or_default()).max(0) as u64,
            differing: if fault.is_some() {
                held.unaccounted(next).unsigned_abs().max(1)
            } else {
                0
            },
            detail,
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
pub async fn totals(lake: &Lake, context: &SessionContext, topic: &str) -> Result<Totals> {
    let mut totals = Totals::default();
    for (held, next) in stretches(lake, context, topic).await?.values() {
        totals.good += held.good;
        totals.bad += held.bad;
        totals.gaps += held.gaps;
        totals.unaccounted += held.unaccounted(next.unwrap_or_default());
    }
    Ok(totals)
}

/// Every stretch that bronze holds rows of or that its log has an offset for.
async fn stretches(
    lake: &Lake,
    context: &SessionContext,
    topic: &str,
) -> Result<BTreeMap<Stretch, (Held, Option<i64>)>> {
    let snapshot = lake
        .table(&format!("bronze/{topic}"))
        .latest()
        .await?
        .ok_or_else(|| Error::Refused(format!("bronze/{topic} vanished while it was verified")))?;
    let mut stretches: BTreeMap<Stretch, (Held, Option<i64>)> = held(context, topic)
        .await?
        .into_iter()
        .map(|(stretch, held)| (stretch, (held, None)))
        .collect();
    for (stretch, next) in offsets(&snapshot) {
        stretches.entry(stretch).or_default().1 = Some(next);
    }
    Ok(stretches)
}

fn name(topic: &str, stretch: Stretch) -> String {
    let epoch = if stretch.epoch == 0 {
        String::new()
    } else {
        format!(" epoch {}", stretch.epoch)
    };
    format!("balance of {topic}/{}{epoch}", stretch.partition)
}

/// The next offset of every stretch: the `txn` actions `<cluster>/<topic>/<partition>/<epoch>`.
fn offsets(snapshot: &Snapshot) -> BTreeMap<Stretch, i64> {
    snapshot
        .txns
        .iter()
        .filter_map(|(id, next)| {
            let mut parts = id.rsplit('/');
            let epoch = parts.next()?.parse().ok()?;
            let partition = parts.next()?.parse().ok()?;
            Some((Stretch { partition, epoch }, *next))
        })
        .collect()
}

async fn held(context: &SessionContext, topic: &str) -> Result<BTreeMap<Stretch, Held>> {
    let rows = query(
        context,
        &format!(
            r#"select "_partition", "_epoch", "_kind", count(*) as rows,
                      count(distinct "_offset") as offsets,
                      min("_offset") as low, max("_offset") as high,
                      sum("_offset_end" - "_offset") as length
               from bronze_raw."{topic}" group by "_partition", "_epoch", "_kind""#
        ),
    )
    .await?;
    let mut stretches: BTreeMap<Stretch, Held> = BTreeMap::new();
    for row in rows.iter() {
        let stretch = Stretch {
            partition: row.integer("_partition")?.unwrap_or(-1),
            epoch: row.integer("_epoch")?.unwrap_or(-1),
        };
        let held = stretches.entry(stretch).or_default();
        let count = row.integer("rows")?.unwrap_or_default();
        let length = row.integer("length")?.unwrap_or_default();
        match row.text("_kind")?.as_deref() {
            Some(kind @ ("good" | "bad")) => {
                if kind == "good" {
                    held.good += count
                } else {
                    held.bad += count
                }
                held.distinct += row.integer("offsets")?.unwrap_or_default();
                if let (Some(low), Some(high)) = (row.integer("low")?, row.integer("high")?) {
                    let (lowest, highest) = held.range.unwrap_or((low, high));
                    held.range = Some((lowest.min(low), highest.max(high)));
                }
            }
            Some("gap") => held.gaps += length,
            Some("expired") => held.expired += length,
            Some("start") => held.start = row.integer("low")?,
            other => {
                return Err(Error::Refused(format!(
                    "bronze/{topic} holds rows of the kind {other:?}, which this version does not know: use the version that wrote them"
                )));
            }
        }
    }
    Ok(stretches)
}

/// The first offsets that are held twice or not at all, for the operator to look at.
async fn first_faults(
    context: &SessionContext,
    topic: &str,
    stretch: Stretch,
    held: &Held,
    next: i64,
) -> Result<String> {
    let of_stretch = format!(
        r#""_partition" = {} and "_epoch" = {}"#,
        stretch.partition, stretch.epoch
    );
    let doubled = query(
        context,
        &format!(
            r#"select "_offset" as offset, count(*) as times from bronze_raw."{topic}"
               where {of_stretch} and "_kind" in ('good', 'bad')
               group by "_offset" having count(*) > 1 order by "_offset" limit 5"#
        ),
    )
    .await?;
    let start = held.start.unwrap_or_default();
    let missing = query(
        context,
        &format!(
            r#"select ended as first, offset as until from (
                 select offset, lag(until, 1, {start}) over (order by offset) as ended from (
                   select "_offset" as offset, coalesce("_offset_end", "_offset" + 1) as until
                   from bronze_raw."{topic}"
                   where {of_stretch} and "_kind" in ('good', 'bad', 'gap')
                   union all select {next} as offset, {next} as until
                 )
               ) where offset > ended order by offset limit 5"#
        ),
    )
    .await?;
    let mut text = String::new();
    for row in doubled.iter() {
        let offset = row.integer("offset")?.unwrap_or_default();
        text += &format!(
            "; offset {offset} is there {} times",
            row.integer("times")?.unwrap_or(0)
        );
    }
    for row in missing.iter() {
        let first = row.integer("first")?.unwrap_or_default();
        text += &format!(
            "; offsets {first}..{} are missing",
            row.integer("until")?.unwrap_or(0)
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Held {
        Held {
            start: Some(10),
            good: 7,
            bad: 1,
            gaps: 2,
            expired: 0,
            distinct: 8,
            range: Some((10, 19)),
        }
    }

    #[test]
    fn a_stretch_that_adds_up_has_no_fault() {
        assert_eq!(whole().fault(20), None);
        assert_eq!(
            Held {
                start: Some(5),
                ..Held::default()
            }
            .fault(5),
            None
        );
    }

    #[test]
    fn a_lost_record_is_a_fault() {
        let held = Held {
            good: 6,
            distinct: 7,
            ..whole()
        };
        assert!(
            held.fault(20)
                .is_some_and(|fault| fault.contains("1 offsets of 10..20"))
        );
    }

    #[test]
    fn a_doubled_record_is_a_fault_even_when_the_sum_is_right() {
        let held = Held {
            distinct: 7,
            ..whole()
        };
        assert!(
            held.fault(20)
                .is_some_and(|fault| fault.contains("more than once"))
        );
    }

    #[test]
    fn a_record_outside_of_the_stretch_is_a_fault() {
        let held = Held {
            range: Some((9, 19)),
            ..whole()
        };
        assert!(
            held.fault(20)
                .is_some_and(|fault| fault.contains("outside"))
        );
    }
}
