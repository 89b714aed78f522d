//! What a round did, for logs, metrics and people.

use std::fmt;

use serde::Serialize;

/// What a round did; in a dry run, what it would have done.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Nothing was changed.
    pub dry_run: bool,
    /// A request to stop ended it early.
    pub interrupted: bool,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// One a table, in the order of their paths.
    pub tables: Vec<TableReport>,
    /// Tables that have a retention and do not exist.
    pub missing: Vec<String>,
}

/// What was done to a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TableReport {
    /// The table's path.
    pub table: String,
    /// The version found.
    pub version: i64,
    /// Its live files.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// Small files made into larger ones.
    pub compaction: Compaction,
    /// Days removed, where the table has a retention.
    pub retention: Option<Retention>,
    /// What nobody needs removed; not at every round.
    pub cleaning: Option<Cleaning>,
    /// Why nothing more was done.
    pub failure: Option<String>,
}

/// Small files made into larger ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compaction {
    /// Commits made.
    pub commits: u64,
    /// Commits that were refused, because somebody else changed the same files.
    pub refused: u64,
    /// Files taken away.
    pub files_removed: u64,
    /// Files that came instead.
    pub files_added: u64,
    /// Rows rewritten.
    pub rows: u64,
    /// Size of the files taken away.
    pub bytes_removed: u64,
    /// Size of those that came.
    pub bytes_added: u64,
    /// Why the table was left alone.
    pub skipped: Option<String>,
}

/// Days removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Retention {
    /// Days before this one go, as `2026-10-01`.
    pub before: String,
    /// How many days went.
    pub days: u64,
    /// Their files.
    pub files: u64,
    /// Their rows.
    pub rows: u64,
    /// Their size.
    pub bytes: u64,
    /// Somebody else changed the same files; the next round tries again.
    pub refused: bool,
}

/// What nobody needs any more, removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cleaning {
    /// The version of a checkpoint that was written because writers had not.
    pub checkpoint: Option<i64>,
    /// The oldest version that can be read.
    pub oldest_version: i64,
    /// Commits removed from the log.
    pub commits: u64,
    /// Checkpoints removed.
    pub checkpoints: u64,
    /// Temporary files removed.
    pub temporary: u64,
    /// Data files removed.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
}

impl Report {
    /// The first failure of a table, with how many more there are.
    pub fn failure(&self) -> Option<String> {
        let mut failures = self.tables.iter().filter_map(|table| {
            let why = table.failure.as_ref()?;
            Some(format!("{}: {why}", table.table))
        });
        let first = failures.next()?;
        match failures.count() {
            0 => Some(first),
            more => Some(format!("{first} (and {more} tables more)")),
        }
    }

    /// Files compacted away, days, commits of the log and data files removed, over all tables.
    pub fn totals(&self) -> (u64, u64, u64, u64) {
        let mut totals = (0, 0, 0, 0);
        for table in &self.tables {
            totals.0 += table.compaction.files_removed;
            totals.1 += table.retention.as_ref().map_or(0, |own| own.days);
            if let Some(cleaning) = &table.cleaning {
                totals.2 += cleaning.commits;
                totals.3 += cleaning.files;
            }
        }
        totals
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            writeln!(f, "{table}")?;
        }
        for table in &self.missing {
            writeln!(f, "{table}: it has a retention and does not exist")?;
        }
        let (compacted, days, commits, files) = self.totals();
        let what = if self.dry_run {
            "nothing was changed; to be done:"
        } else {
            "done:"
        };
        write!(
            f,
            "{what} {compacted} files compacted, {days} days removed, {commits} commits and {files} files cleaned up, {:.1} s",
            self.seconds
        )?;
        if self.interrupted {
            write!(f, "; stopped before the end")?;
        }
        Ok(())
    }
}

impl fmt::Display for TableReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: version {}, {} files, {}",
            self.table,
            self.version,
            self.files,
            size(self.bytes)
        )?;
        let own = &self.compaction;
        if own.files_removed > 0 {
            write!(
                f,
                "; {} files ({}) compacted to {} ({})",
                own.files_removed,
                size(own.bytes_removed),
                own.files_added,
                size(own.bytes_added)
            )?;
        }
        if own.refused > 0 {
            write!(f, "; {} compactions refused", own.refused)?;
        }
        if let Some(why) = &own.skipped {
            write!(f, "; not compacted: {why}")?;
        }
        if let Some(own) = self.retention.as_ref().filter(|own| own.files > 0) {
            write!(
                f,
                "; {} days before {} with {} rows {}",
                own.days,
                own.before,
                own.rows,
                if own.refused {
                    "to be removed next time"
                } else {
                    "removed"
                }
            )?;
        }
        if let Some(own) = &self.cleaning {
            if let Some(version) = own.checkpoint {
                write!(f, "; checkpoint of version {version}")?;
            }
            if own.commits + own.checkpoints + own.temporary + own.files > 0 {
                write!(
                    f,
                    "; removed {} commits, {} checkpoints, {} temporary files, {} data files ({})",
                    own.commits,
                    own.checkpoints,
                    own.temporary,
                    own.files,
                    size(own.bytes)
                )?;
            }
        }
        if let Some(failure) = &self.failure {
            write!(f, "; FAILED: {failure}")?;
        }
        Ok(())
    }
}

fn size(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    format!("{mib:.1} MiB")
}
