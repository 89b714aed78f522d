//! What maintenance must know, and how it comes out of the configuration file.

use std::collections::BTreeMap;
use std::time::Duration;

use goldrecord_service::Config;

use crate::error::{Error, Result};

/// A writer is given at least so long from writing a file to committing it.
pub const SHORTEST_KEEP: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Everything maintenance must know.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Time between two rounds.
    pub interval: Duration,
    /// Files smaller than half of this are compacted towards it, in bytes.
    pub target_file_bytes: u64,
    /// Younger files are left alone.
    pub compact_after: Duration,
    /// How long removed files and old versions stay readable.
    pub keep: Duration,
    /// After how long a table's days are removed, by the table's path.
    pub retention: BTreeMap<String, Duration>,
}

impl Settings {
    /// From the file. `short_keep` lets `keep` be shorter than [`SHORTEST_KEEP`].
    pub fn of(config: &Config, short_keep: bool) -> Result<Self> {
        let section = &config.maintenance;
        let settings = Self {
            interval: section.interval.0,
            target_file_bytes: section.target_file_size.0,
            compact_after: section.compact_after.0,
            keep: section.keep.0,
            retention: section
                .retention
                .iter()
                .map(|(table, span)| (table.clone(), span.0))
                .collect(),
        };
        if settings.keep < SHORTEST_KEEP && !short_keep {
            return Err(Error::KeepTooShort {
                keep: settings.keep,
                least: SHORTEST_KEEP,
            });
        }
        if let Some((table, retention)) = settings.retention.iter().find(|(_, span)| **span < DAY) {
            return Err(Error::RetentionTooShort {
                table: table.clone(),
                retention: *retention,
            });
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use goldrecord_service::config::Span;

    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_file() {
        let settings = Settings::of(&Config::default(), false).expect("sensible");
        assert_eq!(settings.keep, 7 * DAY);
        assert_eq!(settings.target_file_bytes, 128 << 20);
        assert!(settings.retention.is_empty());
    }

    #[test]
    fn what_would_lose_rows_is_refused_by_name() {
        let mut config = Config::default();
        config.maintenance.keep = Span(Duration::from_mins(5));
        let error = Settings::of(&config, false).expect_err("too short");
        assert!(error.to_string().contains("--allow-short-keep"), "{error}");
        Settings::of(&config, true).expect("was asked for");

        config = Config::default();
        let table = "bronze/listen_events".to_owned();
        let short = Span(Duration::from_hours(3));
        config.maintenance.retention.insert(table.clone(), short);
        let error = Settings::of(&config, false).expect_err("less than a day");
        assert!(error.to_string().contains(&table), "{error}");
    }
}
