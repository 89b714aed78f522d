//! The log: temporary files, checkpoints, old entries. Then the data files.

use goldrecord_lake::{LogFile, LogFileKind, Snapshot, Table};
use goldrecord_service::{Shutdown, notify};

use super::floor::{Floor, checkpoint_is_due, floor, goes};
use super::vacuum::vacuum;
use crate::error::{Error, Result};
use crate::failpoint::failpoint;
use crate::report::Cleaning;

/// What cleaning must know.
pub(crate) struct Clean<'a> {
    /// Now, in milliseconds since 1970.
    pub(crate) now_ms: i64,
    /// What is not older than this stays.
    pub(crate) cutoff_ms: i64,
    /// A changed table gets a checkpoint when the last is older than this.
    pub(crate) patience_ms: i64,
    /// The oldest version that a published build names.
    pub(crate) named: Option<i64>,
    pub(crate) shutdown: &'a Shutdown,
    /// Only say what would be done.
    pub(crate) dry_run: bool,
}

/// Cleans a table. `newest` is its newest version known.
pub(crate) async fn clean(table: &Table, newest: &Snapshot, how: &Clean<'_>) -> Result<Cleaning> {
    let failed = || Error::lake(format!("clean up the log of table `{}`", table.path()));
    let mut done = Cleaning::default();
    let log = table.log_files().await.map_err(failed())?;
    let abandoned =
        |file: &&LogFile| file.kind == LogFileKind::Temporary && file.modified_ms <= how.cutoff_ms;
    for file in log.iter().filter(abandoned) {
        if how.shutdown.is_requested() {
            return Ok(done);
        }
        how.delete(table, file).await?;
        done.temporary += 1;
        failpoint("maintenance::clean::temporary_deleted")?;
    }
    if checkpoint_is_due(&log, newest.version, how.now_ms, how.patience_ms) {
        if !how.dry_run {
            table.checkpoint(newest).await.map_err(failed())?;
            failpoint("maintenance::clean::checkpoint_written")?;
        }
        done.checkpoint = Some(newest.version);
    }
    let (floor, begins) = beginning(table, &log, how).await?;
    done.oldest_version = floor.version();
    for file in goes(&log, floor) {
        if how.shutdown.is_requested() {
            return Ok(done);
        }
        how.delete(table, file).await?;
        if matches!(file.kind, LogFileKind::Checkpoint(_)) {
            done.checkpoints += 1;
            failpoint("maintenance::clean::checkpoint_deleted")?;
        } else {
            done.commits += 1;
            failpoint("maintenance::clean::commit_deleted")?;
        }
        notify::turned();
    }
    vacuum(table, newest, &begins, how, &mut done).await?;
    Ok(done)
}

/// Where the log begins, and the table there. A checkpoint that cannot be read is no floor: nothing may rest on it.
async fn beginning(table: &Table, log: &[LogFile], how: &Clean<'_>) -> Result<(Floor, Snapshot)> {
    let failed = || {
        Error::lake(format!(
            "find where the log of table `{}` begins",
            table.path()
        ))
    };
    let found = floor(log, how.cutoff_ms, how.named);
    if let Floor::Checkpoint(version) = found
        && let Some(snapshot) = table.from_checkpoint(version).await.map_err(failed())?
    {
        return Ok((found, snapshot));
    }
    let oldest = floor(log, i64::MIN, None);
    let snapshot = table.at(oldest.version()).await.map_err(failed())?;
    Ok((oldest, snapshot))
}

impl Clean<'_> {
    async fn delete(&self, table: &Table, file: &LogFile) -> Result<()> {
        if self.dry_run {
            return Ok(());
        }
        let deleted = table.delete_log_file(file).await;
        deleted.map_err(Error::lake(format!(
            "clean up the log of table `{}`",
            table.path()
        )))
    }
}
