//! A round over the tables of a lake.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use goldrecord_lake::{Lake, Table};
use goldrecord_service::{Shutdown, notify};

use crate::clean::{Clean, Needs, clean};
use crate::compact::{Guard, Rule, compact};
use crate::error::{Error, Result};
use crate::report::{Report, TableReport};
use crate::retain::expire;
use crate::settings::Settings;

/// How many times a table is cleaned while something is kept. It reads the log, and there is no hurry.
const CLEANINGS_A_KEEP: u32 = 24;

/// A lake and what keeps it in shape.
#[derive(Debug)]
pub struct Upkeep {
    lake: Lake,
    settings: Settings,
    shutdown: Shutdown,
    dry_run: bool,
    /// When each table was last cleaned.
    cleaned: BTreeMap<String, Instant>,
}

impl Upkeep {
    /// Rounds over `lake`; a dry run only says what would be done.
    pub fn new(lake: Lake, settings: Settings, shutdown: Shutdown, dry_run: bool) -> Self {
        Self {
            lake,
            settings,
            shutdown,
            dry_run,
            cleaned: BTreeMap::new(),
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// One round over all tables. What fails at one table does not keep the others from their turn, unless the lake is
    /// away; the report says it. An error means that the tables are not even known.
    pub async fn round(&mut self) -> Result<Report> {
        let begun = Instant::now();
        let lake = self.lake.url();
        let tables = self.lake.tables().await;
        let tables = tables.map_err(Error::lake(format!("list the tables of the lake {lake}")))?;
        let mut report = Report {
            dry_run: self.dry_run,
            missing: self
                .settings
                .retention
                .keys()
                .filter(|table| !tables.contains(table))
                .cloned()
                .collect(),
            ..Report::default()
        };
        self.cleaned.retain(|table, _| tables.contains(table));
        for table in tables {
            if self.shutdown.is_requested() {
                break;
            }
            let mut own = TableReport {
                table,
                ..TableReport::default()
            };
            let done = self.table(&mut own).await;
            let away = done.as_ref().is_err_and(Error::is_unavailable);
            if let Err(error) = done {
                tracing::warn!(table = own.table, %error, "maintenance of a table failed");
                own.failure = Some(error.to_string());
            }
            report.tables.push(own);
            notify::turned();
            if away {
                break;
            }
        }
        report.interrupted = self.shutdown.is_requested();
        report.seconds = begun.elapsed().as_secs_f64();
        Ok(report)
    }

    async fn table(&mut self, report: &mut TableReport) -> Result<()> {
        let table = self.lake.table(&report.table);
        let read = || Error::lake(format!("read table `{}`", table.path()));
        let Some(mut snapshot) = table.latest().await.map_err(read())? else {
            // Its first commit is on its way, or it was just removed.
            return Ok(());
        };
        report.version = snapshot.version;
        report.files = snapshot.files.len() as u64;
        report.bytes = snapshot.bytes() as u64;
        let needs = Needs::of(&self.lake).await?;
        let now = Utc::now();
        if let Some(retention) = self.settings.retention.get(table.path()) {
            let (shutdown, dry_run) = (&self.shutdown, self.dry_run);
            report.retention =
                expire(&table, &mut snapshot, *retention, now, shutdown, dry_run).await?;
        }
        if let Some(why) = needs.at_work_on(&snapshot) {
            report.compaction.skipped = Some(why);
        } else {
            let rule = Rule {
                target_bytes: self.settings.target_file_bytes,
                written_before_ms: before(now, self.settings.compact_after),
            };
            let guard = Guard {
                shutdown: &self.shutdown,
                dry_run: self.dry_run,
            };
            report.compaction = compact(&table, &mut snapshot, rule, &guard).await?;
        }
        if self.cleaning_is_due(&table) && !self.shutdown.is_requested() {
            let how = Clean {
                now_ms: now.timestamp_millis(),
                cutoff_ms: before(now, self.settings.keep),
                patience_ms: millis(self.patience()),
                named: needs.named(table.path()),
                shutdown: &self.shutdown,
                dry_run: self.dry_run,
            };
            report.cleaning = Some(clean(&table, &snapshot, &how).await?);
            self.cleaned.insert(table.path().to_owned(), Instant::now());
        }
        Ok(())
    }

    fn patience(&self) -> Duration {
        self.settings.keep / CLEANINGS_A_KEEP
    }

    fn cleaning_is_due(&self, table: &Table) -> bool {
        let last = self.cleaned.get(table.path());
        last.is_none_or(|last| last.elapsed() >= self.patience())
    }
}

/// The moment a span ago, in milliseconds since 1970.
fn before(now: DateTime<Utc>, span: Duration) -> i64 {
    let span = TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
    now.checked_sub_signed(span)
        .map_or(i64::MIN, |then| then.timestamp_millis())
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
