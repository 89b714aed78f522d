//! Which days are over.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, Utc};
use goldrecord_lake::{AddFile, Snapshot};

/// The UTC day of an event: the partition column of a bronze table.
pub(super) const EVENT_DATE: &str = "event_date";
/// The columns that a bronze table counts its rows by.
pub(super) const COUNTED: [&str; 3] = ["_partition", "_epoch", "_offset"];

/// What is over in a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// Days before this one are.
    pub before: NaiveDate,
    /// The days that the table has of them.
    pub days: BTreeSet<NaiveDate>,
    /// Their files.
    pub files: Vec<AddFile>,
}

/// Which files hold days of which no moment is younger than `retention`; the error says why the table has no days.
/// Rows without a day stay: bad records, gaps, starts of epochs.
pub fn due(snapshot: &Snapshot, retention: Duration, now: DateTime<Utc>) -> Result<Due, String> {
    if snapshot.partition_columns != [EVENT_DATE] {
        return Err(format!(
            "only bronze tables have days, in the partition column `{EVENT_DATE}`, and this one is partitioned by {:?}",
            snapshot.partition_columns
        ));
    }
    let own = ["_kind", "_offset_end"].iter().chain(&COUNTED);
    for column in own {
        if snapshot.schema.field_with_name(column).is_err() {
            return Err(format!(
                "only bronze tables have days, and this one has no column `{column}`"
            ));
        }
    }
    let before = first_kept(retention, now);
    let (mut days, mut files) = (BTreeSet::new(), Vec::new());
    for file in snapshot.files.values() {
        let Some(Some(day)) = file.partition_values.get(EVENT_DATE) else {
            continue;
        };
        let day: NaiveDate = day
            .parse()
            .map_err(|error| format!("`{day}` is no day: {error}"))?;
        if day < before {
            days.insert(day);
            files.push(file.clone());
        }
    }
    Ok(Due {
        before,
        days,
        files,
    })
}

/// The first day that has a moment within the retention.
fn first_kept(retention: Duration, now: DateTime<Utc>) -> NaiveDate {
    let whole = retention.as_secs() / 86_400;
    let rest = Duration::from_secs(retention.as_secs() % 86_400);
    // A retention that reaches beyond the calendar removes nothing.
    let earliest = (now - rest).date_naive().checked_sub_days(Days::new(whole));
    earliest.unwrap_or(NaiveDate::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_goes_when_its_last_moment_is_over() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        let now = |text: &str| text.parse::<DateTime<Utc>>().expect("a time");
        let days = |count: u64| Duration::from_secs(count * 86_400);
        let kept = first_kept(days(7), now("2026-10-20T00:00:00Z"));
        assert_eq!(kept, day("2026-10-13"), "the 12th ended 7 days ago");
        let kept = first_kept(days(7), now("2026-10-19T23:59:59Z"));
        assert_eq!(kept, day("2026-10-12"));
        let half = days(7) + Duration::from_hours(12);
        assert_eq!(
            first_kept(half, now("2026-10-20T11:00:00Z")),
            day("2026-10-12")
        );
        assert_eq!(
            first_kept(half, now("2026-10-20T13:00:00Z")),
            day("2026-10-13")
        );
        assert_eq!(
            first_kept(
                Duration::from_secs(u64::MAX / 2),
                now("2026-10-20T11:00:00Z")
            ),
            NaiveDate::MIN
        );
    }
}
