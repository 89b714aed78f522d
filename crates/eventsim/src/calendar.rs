//! Days, hours and the United States' public holidays, in UTC.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Weekday};

use crate::error::{Error, Result};

/// Milliseconds in a day.
pub const DAY: i64 = 24 * HOUR;
/// Milliseconds in an hour.
pub const HOUR: i64 = 60 * MINUTE;
/// Milliseconds in a minute.
pub const MINUTE: i64 = 60_000;

/// Milliseconds since 1970 of a date (`2026-10-01`) or a date and time (`2026-10-01T06:00:00`), UTC.
pub fn parse_moment(text: &str) -> Result<i64> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .and_then(|date| date.and_hms_opt(0, 0, 0));
    let moment = date
        .or_else(|| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok())
        .or_else(|| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").ok())
        .filter(|moment| (1970..10_000).contains(&moment.year()));
    moment
        .map(|moment| moment.and_utc().timestamp_millis())
        .ok_or_else(|| Error::Date { text: text.into() })
}

/// `2026-10-01` for days since 1970.
pub fn day_name(day: i64) -> String {
    date(day).format("%Y-%m-%d").to_string()
}

/// `2026-10-01T06` for hours since 1970.
pub fn hour_name(hour: i64) -> String {
    format!(
        "{}T{:02}",
        day_name(hour.div_euclid(24)),
        hour.rem_euclid(24)
    )
}

/// Whether people in the United States are off work on a day since 1970.
pub fn is_free_day(day: i64) -> bool {
    let date = date(day);
    matches!(date.weekday(), Weekday::Sat | Weekday::Sun) || is_holiday(date)
}

fn date(day: i64) -> NaiveDate {
    // Event times are bounded where they enter, far inside what a date can hold.
    DateTime::from_timestamp(day * 86_400, 0)
        .unwrap_or_default()
        .date_naive()
}

/// Federal holidays on the day itself, not on the day it is observed.
fn is_holiday(date: NaiveDate) -> bool {
    let monday = date.weekday() == Weekday::Mon;
    match (date.month(), date.day()) {
        (1 | 7 | 11 | 12, day)
            if matches!((date.month(), day), (1, 1) | (7, 4) | (11, 11) | (12, 25)) =>
        {
            true
        }
        // Martin Luther King's birthday and Presidents' Day (the third Monday), Memorial Day (the
        // last), Labor Day (the first) and Columbus Day (the second).
        (1 | 2, 15..=21) | (5, 25..) | (9, 1..=7) | (10, 8..=14) => monday,
        // Thanksgiving: the fourth Thursday.
        (11, 22..=28) => date.weekday() == Weekday::Thu,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> i64 {
        parse_moment(text).expect("a date") / DAY
    }

    #[test]
    fn moments_are_read_in_utc() {
        assert_eq!(parse_moment("1970-01-02").expect("a date"), DAY);
        assert_eq!(
            parse_moment("1970-01-01T01:30:00").expect("a time"),
            HOUR + 30 * MINUTE
        );
        for bad in ["2026-13-01", "yesterday", "2026-10-01 06:00", ""] {
            assert!(parse_moment(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_those_of_the_ledger() {
        assert_eq!(day_name(day("2026-10-01")), "2026-10-01");
        assert_eq!(hour_name(day("2026-10-01") * 24 + 7), "2026-10-01T07");
    }

    #[test]
    fn weekends_and_holidays_are_free() {
        for free in [
            "2026-10-03",
            "2026-10-04",
            "2026-10-12",
            "2026-11-26",
            "2026-12-25",
            "2026-05-25",
            "2026-07-04",
        ] {
            assert!(is_free_day(day(free)), "{free}");
        }
        for work in ["2026-10-01", "2026-10-05", "2026-11-19", "2026-05-18"] {
            assert!(!is_free_day(day(work)), "{work}");
        }
    }
}
