//! Batches of time: how a model's time is cut, and which pieces a build computes.

use std::fmt;

use chrono::{DateTime, Datelike, Days, Months, SecondsFormat, TimeDelta, Timelike, Utc};

/// How long a batch is. All are of UTC's calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchSize {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A month.
    Month,
    /// A year.
    Year,
}

/// The time from `start` until before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// The first moment in it.
    pub start: DateTime<Utc>,
    /// The first moment after it.
    pub end: DateTime<Utc>,
}

impl BatchSize {
    /// All, by their names in dbt.
    pub const ALL: [(&'static str, Self); 4] = [
        ("hour", Self::Hour),
        ("day", Self::Day),
        ("month", Self::Month),
        ("year", Self::Year),
    ];

    /// The beginning of the batch that a moment is in.
    pub fn truncated(self, at: DateTime<Utc>) -> DateTime<Utc> {
        let day = at.date_naive();
        let cut = match self {
            Self::Hour => day.and_hms_opt(at.hour(), 0, 0),
            Self::Day => day.and_hms_opt(0, 0, 0),
            Self::Month => day.with_day(1).and_then(|day| day.and_hms_opt(0, 0, 0)),
            Self::Year => day.with_ordinal(1).and_then(|day| day.and_hms_opt(0, 0, 0)),
        };
        cut.expect("every hour, day, month and year has a beginning")
            .and_utc()
    }

    /// The moment itself where a batch begins with it, else the end of the batch that it is in.
    pub fn ceiled(self, at: DateTime<Utc>) -> DateTime<Utc> {
        let cut = self.truncated(at);
        if cut == at { at } else { self.after(cut) }
    }

    /// The beginning of the next batch, where one begins at `start`. Where the calendar ends, `start` itself.
    fn after(self, start: DateTime<Utc>) -> DateTime<Utc> {
        let next = match self {
            Self::Hour => start.checked_add_signed(TimeDelta::hours(1)),
            Self::Day => start.checked_add_days(Days::new(1)),
            Self::Month => start.checked_add_months(Months::new(1)),
            Self::Year => start.checked_add_months(Months::new(12)),
        };
        next.unwrap_or(start)
    }

    /// So many batches before the beginning of the batch that `at` is in.
    fn before(self, at: DateTime<Utc>, batches: u32) -> DateTime<Utc> {
        let start = self.truncated(at);
        let then = match self {
            Self::Hour => start.checked_sub_signed(TimeDelta::hours(i64::from(batches))),
            Self::Day => start.checked_sub_days(Days::new(u64::from(batches))),
            Self::Month => start.checked_sub_months(Months::new(batches)),
            Self::Year => batches
                .checked_mul(12)
                .and_then(|months| start.checked_sub_months(Months::new(months))),
        };
        then.unwrap_or(DateTime::UNIX_EPOCH)
    }

    /// The first batch that is computed again when the newest ends at `checkpoint`: `lookback` before the one that the
    /// checkpoint is in, or ends.
    pub fn looking_back(self, checkpoint: DateTime<Utc>, lookback: u32) -> DateTime<Utc> {
        let ends = u32::from(checkpoint == self.truncated(checkpoint));
        self.before(checkpoint, lookback.saturating_add(ends))
    }

    /// The batches of the time between two moments, at least one.
    pub fn windows(self, start: DateTime<Utc>, end: DateTime<Utc>) -> Vec<Window> {
        let mut windows = Vec::new();
        let mut from = start;
        loop {
            let next = self.after(from);
            if next >= end || next == from {
                windows.push(Window { start: from, end });
                return windows;
            }
            windows.push(Window {
                start: from,
                end: next,
            });
            from = next;
        }
    }

    /// A batch as log lines name it: `2024-09-17T16`, `2024-09-17`, `2024-09`, `2024`.
    pub fn name(self, start: DateTime<Utc>) -> String {
        let format = match self {
            Self::Hour => "%Y-%m-%dT%H",
            Self::Day => "%Y-%m-%d",
            Self::Month => "%Y-%m",
            Self::Year => "%Y",
        };
        start.format(format).to_string()
    }
}

impl Window {
    /// A moment as dbt writes it into SQL.
    pub fn sql(at: DateTime<Utc>) -> String {
        let fraction = if at.timestamp_subsec_micros() == 0 {
            ""
        } else {
            "%.6f"
        };
        at.format(&format!("%Y-%m-%d %H:%M:%S{fraction}+00:00"))
            .to_string()
    }

    /// The condition that a column's value is in it.
    pub fn condition(&self, column: &str) -> String {
        format!(
            "{column} >= '{}' and {column} < '{}'",
            Self::sql(self.start),
            Self::sql(self.end)
        )
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        write!(f, "{}/{}", text(self.start), text(self.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        let text = format!("{text}Z");
        text.parse().expect("a moment")
    }

    fn told(windows: &[Window]) -> Vec<String> {
        windows.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn moments_are_cut_and_ceiled_by_the_calendar() {
        let moment = at("2024-09-17T16:06:00");
        for (size, cut, ceiled, name) in [
            (
                BatchSize::Hour,
                "2024-09-17T16:00:00",
                "2024-09-17T17:00:00",
                "2024-09-17T16",
            ),
            (
                BatchSize::Day,
                "2024-09-17T00:00:00",
                "2024-09-18T00:00:00",
                "2024-09-17",
            ),
            (
                BatchSize::Month,
                "2024-09-01T00:00:00",
                "2024-10-01T00:00:00",
                "2024-09",
            ),
            (
                BatchSize::Year,
                "2024-01-01T00:00:00",
                "2025-01-01T00:00:00",
                "2024",
            ),
        ] {
            assert_eq!(size.truncated(moment), at(cut));
            assert_eq!(size.ceiled(moment), at(ceiled));
            assert_eq!(size.ceiled(at(cut)), at(cut), "a beginning stays");
            assert_eq!(size.name(moment), name);
        }
    }

    #[test]
    fn looking_back_counts_whole_batches_before_the_newest() {
        let day = BatchSize::Day;
        // The newest batch is the 17th, whether its end is told or a moment in it.
        let end = at("2024-09-18T00:00:00");
        assert_eq!(day.looking_back(end, 1), at("2024-09-16T00:00:00"));
        assert_eq!(day.looking_back(end, 0), at("2024-09-17T00:00:00"));
        let month = BatchSize::Month;
        let end = at("2024-03-01T00:00:00");
        assert_eq!(month.looking_back(end, 2), at("2023-12-01T00:00:00"));
        let year = BatchSize::Year;
        let end = at("2025-01-01T00:00:00");
        assert_eq!(year.looking_back(end, 1), at("2023-01-01T00:00:00"));
        assert_eq!(year.looking_back(end, u32::MAX), DateTime::UNIX_EPOCH);
    }

    #[test]
    fn time_is_cut_into_batches_without_a_gap() {
        let windows =
            BatchSize::Month.windows(at("2023-12-01T00:00:00"), at("2024-03-01T00:00:00"));
        assert_eq!(
            told(&windows),
            [
                "2023-12-01T00:00:00Z/2024-01-01T00:00:00Z",
                "2024-01-01T00:00:00Z/2024-02-01T00:00:00Z",
                "2024-02-01T00:00:00Z/2024-03-01T00:00:00Z"
            ]
        );
        let future = BatchSize::Day.windows(at("2030-01-01T00:00:00"), at("2024-01-02T00:00:00"));
        assert_eq!(future.len(), 1, "as in dbt: one batch that holds nothing");
    }

    #[test]
    fn a_window_is_a_condition_as_dbt_writes_it() {
        let window = Window {
            start: at("2024-01-01T00:00:00"),
            end: at("2024-01-02T00:00:00"),
        };
        assert_eq!(
            window.condition("ts"),
            "ts >= '2024-01-01 00:00:00+00:00' and ts < '2024-01-02 00:00:00+00:00'"
        );
    }
}
