//! Data files: found by listing, and removed where nobody can want them any more.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt as _;
use goldrecord_lake::{LogFileKind, Snapshot, StoredFile, Table};
use goldrecord_service::notify;

use super::log::Clean;
use crate::error::{Error, Result};
use crate::failpoint::failpoint;
use crate::report::Cleaning;

/// Removes data files that are older than the cutoff and that no version from `begins` on names, nor a temporary file.
pub(super) async fn vacuum(
    table: &Table,
    newest: &Snapshot,
    begins: &Snapshot,
    how: &Clean<'_>,
    done: &mut Cleaning,
) -> Result<()> {
    let failed = || Error::lake(format!("clean up the files of table `{}`", table.path()));
    let mut unwanted = Unwanted::default();
    unwanted.list(table, newest, how.cutoff_ms).await?;
    if unwanted.is_empty() {
        return Ok(());
    }
    // In this order: a temporary file that became a version meanwhile is then found in the log.
    for file in table.log_files().await.map_err(failed())? {
        if file.kind == LogFileKind::Temporary {
            unwanted.keep(table.proposed_files(&file).await.map_err(failed())?);
        }
    }
    let newest = table.refresh(newest).await.map_err(failed())?;
    unwanted.keep(table.live_files(begins).map_err(failed())?);
    let mut read = begins.version;
    let mut commits = Box::pin(table.added_files(begins.version, newest.version));
    while let Some((version, added)) = commits.try_next().await.map_err(failed())? {
        unwanted.keep(added);
        read = version;
        notify::turned();
    }
    drop(commits);
    if read != newest.version {
        // Another cleaner is at work, and the log is cut under us: it does what is to be done.
        return Ok(());
    }
    for file in unwanted.into_files() {
        if how.shutdown.is_requested() {
            return Ok(());
        }
        if !how.dry_run {
            table.delete_stored(&file).await.map_err(failed())?;
            failpoint("maintenance::clean::file_deleted")?;
        }
        done.files += 1;
        done.bytes += file.size;
        notify::turned();
    }
    Ok(())
}

/// Files that nobody is known to want.
#[derive(Default)]
struct Unwanted(BTreeMap<String, StoredFile>);

impl Unwanted {
    /// All that are old and not live. Those are few where cleaning is done regularly, whatever the table's size.
    async fn list(&mut self, table: &Table, newest: &Snapshot, cutoff_ms: i64) -> Result<()> {
        let failed = || Error::lake(format!("list the files of table `{}`", table.path()));
        let live = table.live_files(newest).map_err(failed())?;
        let live: BTreeSet<String> = live.into_iter().collect();
        let mut files = table.stored_files().map_err(failed())?;
        while let Some(file) = files.try_next().await.map_err(failed())? {
            if file.modified_ms <= cutoff_ms && !live.contains(&file.path) {
                self.0.insert(file.path.clone(), file);
            }
            notify::turned();
        }
        Ok(())
    }

    fn keep(&mut self, paths: Vec<String>) {
        for path in paths {
            self.0.remove(&path);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn into_files(self) -> impl Iterator<Item = StoredFile> {
        self.0.into_values()
    }
}
