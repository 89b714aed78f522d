//! Moments as operators write and read them.

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};

/// A moment in µs since 1970, written `2026-10-01`, which is its first moment in UTC, or `2026-10-01T14:30:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Moment {
    /// In ms since 1970.
    pub fn millis(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(day) = text.parse::<NaiveDate>() {
            return Ok(Self(
                day.and_time(NaiveTime::MIN).and_utc().timestamp_micros(),
            ));
        }
        let moment = DateTime::parse_from_rfc3339(text);
        moment
            .map(|moment| Self(moment.timestamp_micros()))
            .map_err(|_| {
                "write a day, 2026-10-01, or a moment with its zone, 2026-10-01T14:30:00Z"
                    .to_owned()
            })
    }
}

/// A moment in µs since 1970 as people read it.
pub fn text(micros: i64) -> String {
    match DateTime::<Utc>::from_timestamp_micros(micros) {
        Some(moment) => moment.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        None => format!("{micros} µs since 1970"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_its_first_moment_and_a_time_needs_its_zone() {
        let parsed = |text: &str| text.parse::<Moment>().map(|moment| moment.0);
        assert_eq!(parsed("1970-01-02"), Ok(86_400_000_000));
        assert_eq!(parsed("1970-01-02T00:00:01.5Z"), Ok(86_401_500_000));
        assert_eq!(parsed("1970-01-02T02:00:00+02:00"), Ok(86_400_000_000));
        for text in ["yesterday", "1970-01-02T00:00:00", "1970-13-01", ""] {
            assert!(parsed(text).is_err(), "{text}");
        }
        assert_eq!(text(86_401_500_000), "1970-01-02T00:00:01.500Z");
    }
}
