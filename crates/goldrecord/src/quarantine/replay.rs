//! Bad records decoded again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr;

use clap::ValueEnum;
use goldrecord_ingestor::mend::{Fixes, Replayed, replay};
use goldrecord_ingestor::{Finder, Settings};
use goldrecord_lake::Lake;
use goldrecord_registry::Client;
use goldrecord_service::Config;

use super::which::Which;
use crate::Result;
use crate::moment::Moment;
use crate::output::{size, thousands};

/// Where an event's time is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EventTimeFrom {
    /// The record's own timestamp in Kafka
    Kafka,
}

/// Times from one moment to before another, in µs since 1970, written `1999-01-01..2000-01-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    from: i64,
    to: i64,
}

impl FromStr for Times {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text
            .split_once("..")
            .ok_or_else(|| "write FROM..TO, such as 1999-01-01..2000-01-01".to_owned())?;
        let (from, to) = (from.parse::<Moment>()?.0, to.parse::<Moment>()?.0);
        if from >= to {
            return Err("it ends before it begins".to_owned());
        }
        Ok(Self { from, to })
    }
}

/// What the arguments ask for.
pub fn fixes(event_time_from: Option<EventTimeFrom>, accept_times: Option<Times>) -> Fixes {
    Fixes {
        event_time_from_kafka: event_time_from == Some(EventTimeFrom::Kafka),
        accept_times: accept_times.map(|times| times.from..=times.to - 1),
    }
}

/// Replay every topic meant; what was done, by topic.
pub async fn run(
    lake: &Lake,
    config: &Config,
    which: &Which,
    fixes: &Fixes,
    dry_run: bool,
) -> Result<BTreeMap<String, Replayed>> {
    let registry = Client::of(&config.registry)?;
    let settings = Settings::from(config);
    let finder = Finder::new(&settings)?;
    let filter = which.filter();
    let mut done = BTreeMap::new();
    for topic in which.topics(lake).await? {
        // Whether the ingestor is told to read it or not.
        let own = finder.rules(&topic);
        let replayed = replay(lake, &registry, &topic, &own, &filter, fixes, dry_run).await?;
        done.insert(topic, replayed);
    }
    Ok(done)
}

/// For a terminal.
pub fn text(done: &BTreeMap<String, Replayed>, dry_run: bool) -> String {
    let mut text = String::new();
    for (topic, replayed) in done.iter().filter(|(_, replayed)| replayed.tried > 0) {
        let become_so = if dry_run {
            "would become events"
        } else {
            "are events now"
        };
        let _ = writeln!(
            text,
            "{topic}: {} of {} bad records {become_so}",
            thousands(replayed.mended),
            thousands(replayed.tried)
        );
        for (reason, count) in &replayed.still_bad {
            let example = replayed.examples.get(reason).map_or("", String::as_str);
            let _ = writeln!(
                text,
                "  {} stay bad: {reason} ({example})",
                thousands(*count)
            );
        }
        if replayed.mended > 0 {
            let _ = writeln!(text, "  {}", files(replayed, dry_run));
        }
        if !replayed.columns.is_empty() {
            let _ = writeln!(text, "  new columns: {}", replayed.columns.join(", "));
        }
    }
    if text.is_empty() {
        text.push_str("no record that is meant is bad");
    }
    text.trim_end().to_owned()
}

fn files(replayed: &Replayed, dry_run: bool) -> String {
    let removed = format!(
        "{} files ({}) with {} other rows",
        thousands(replayed.files_removed),
        size(replayed.bytes_removed),
        thousands(replayed.rows_rewritten)
    );
    match replayed.version {
        Some(version) if !dry_run => format!(
            "version {version}: {removed} were written anew, as {} files ({})",
            thousands(replayed.files_added),
            size(replayed.bytes_added)
        ),
        _ => format!("{removed} would be written anew"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_from_a_moment_to_before_another() {
        let times: Times = "1970-01-01..1970-01-02".parse().expect("times");
        let fixes = fixes(None, Some(times));
        assert_eq!(fixes.accept_times, Some(0..=86_399_999_999));
        for text in ["1970-01-01", "1970-01-02..1970-01-01", "..1970-01-02"] {
            assert!(text.parse::<Times>().is_err(), "{text}");
        }
    }
}
