//! What lies in a table's folder, whether a version names it or not: for who cleans up.

use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::error::{Error, Result};
use crate::log::actions::Actions;
use crate::log::checkpoint;
use crate::log::names::{self, LOG_FOLDER, Name};
use crate::log::open;
use crate::snapshot::Snapshot;
use crate::table::Table;
use crate::write::partition;

/// A checkpoint is due after so many versions.
pub const CHECKPOINT_INTERVAL: i64 = checkpoint::INTERVAL;

/// A file in a table's log folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Its name in the folder.
    pub name: String,
    /// What it is.
    pub kind: LogFileKind,
    /// When it was written, in milliseconds since 1970 by the store's clock. A commit is written before it is in the
    /// log; a checkpoint after its version was.
    pub modified_ms: i64,
}

/// What a file in the log's folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFileKind {
    /// The commit of a version.
    Commit(i64),
    /// The checkpoint of a version.
    Checkpoint(i64),
    /// A commit or checkpoint on its way to its name, or left behind by who died.
    Temporary,
    /// None of ours, or the hint to the newest checkpoint.
    Other,
}

/// A file that rows were written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// From the table's folder, as the file system names it.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// When it was written, in milliseconds since 1970 by the store's clock.
    pub modified_ms: i64,
}

impl Table {
    /// The files in the log's folder.
    pub async fn log_files(&self) -> Result<Vec<LogFile>> {
        let folder = format!("{}/{LOG_FOLDER}", self.path());
        let files = self.list(&folder)?.map_ok(|found| {
            let name = found.location.filename().unwrap_or_default().to_owned();
            LogFile {
                kind: kind_of(&name),
                modified_ms: found.last_modified.timestamp_millis(),
                name,
            }
        });
        files.try_collect().await
    }

    /// The Parquet files that rows were written to, also those that no version names.
    pub fn stored_files(&self) -> Result<BoxStream<'static, Result<StoredFile>>> {
        let folder = format!("{}/", self.path());
        let files = self.list(self.path())?.try_filter_map(move |found| {
            let path = found.location.as_ref().strip_prefix(&folder);
            let file = path.filter(|path| is_data(path)).map(|path| StoredFile {
                path: path.to_owned(),
                size: found.size,
                modified_ms: found.last_modified.timestamp_millis(),
            });
            std::future::ready(Ok(file))
        });
        Ok(files.boxed())
    }

    /// The files that each version after `since` adds, as [`StoredFile::path`] names them, up to and with `until`.
    /// Fails where the log does not hold one of these versions.
    pub fn added_files(
        &self,
        since: i64,
        until: i64,
    ) -> impl futures::Stream<Item = Result<(i64, Vec<String>)>> + Send + '_ {
        let commits = open::stream_commits(self.lake().store(), self.path(), since + 1..=until);
        commits.map(|commit| {
            let (version, actions) = commit?;
            Ok((version, self.physical(&actions)?))
        })
    }

    /// The files that a temporary file would add if it became a version; nothing where it is no commit, no longer
    /// there or was not written to its end.
    pub async fn proposed_files(&self, temporary: &LogFile) -> Result<Vec<String>> {
        let path = self.log_path(temporary);
        let bytes = self.lake().store().read(&path).await?;
        match bytes.and_then(|bytes| Actions::parse(&bytes).ok()) {
            Some(actions) => self.physical(&actions),
            None => Ok(Vec::new()),
        }
    }

    /// The live files of a snapshot, as [`StoredFile::path`] names them.
    pub fn live_files(&self, snapshot: &Snapshot) -> Result<Vec<String>> {
        let paths = snapshot.files.keys();
        paths.map(|path| self.physical_path(path)).collect()
    }

    /// The table as the checkpoint of a version alone tells it; `None` where there is none that can be read.
    pub async fn from_checkpoint(&self, version: i64) -> Result<Option<Snapshot>> {
        open::from_checkpoint(self.lake().store(), self.path(), version).await
    }

    /// Writes the checkpoint of a snapshot, whatever its version, and the hint to it where it is the newest.
    pub async fn checkpoint(&self, snapshot: &Snapshot) -> Result<()> {
        self.committer()?.checkpoint(snapshot).await
    }

    /// Deletes a file of the log. Commits go from the oldest on, and none that a checkpoint does not stand for:
    /// writers find the newest version by name.
    pub async fn delete_log_file(&self, file: &LogFile) -> Result<()> {
        self.lake().store().delete(&self.log_path(file)).await
    }

    /// Deletes a file that no version names which somebody may still read.
    pub async fn delete_stored(&self, file: &StoredFile) -> Result<()> {
        let path = format!("{}/{}", self.path(), file.path);
        self.lake().store().delete(&path).await
    }

    fn list(&self, folder: &str) -> Result<BoxStream<'static, Result<ObjectMeta>>> {
        let failed = {
            let folder = folder.to_owned();
            move |source: object_store::Error| Error::Store {
                action: "list",
                path: folder.clone(),
                source,
            }
        };
        let prefix = Path::parse(folder).map_err(|error| failed(error.into()))?;
        let objects = self.lake().object_store();
        Ok(objects.list(Some(&prefix)).map_err(failed).boxed())
    }

    fn log_path(&self, file: &LogFile) -> String {
        format!("{}/{LOG_FOLDER}/{}", self.path(), file.name)
    }

    fn physical(&self, actions: &Actions) -> Result<Vec<String>> {
        let added = actions.adds.iter();
        added.map(|add| self.physical_path(&add.path)).collect()
    }

    fn physical_path(&self, logged: &str) -> Result<String> {
        partition::physical(logged).map_err(|error| Error::BrokenFile {
            path: format!("{}/{logged}", self.path()),
            why: format!("its path is not UTF-8: {error}"),
        })
    }
}

fn kind_of(name: &str) -> LogFileKind {
    match names::parse(name) {
        Some(Name::Commit(version)) => LogFileKind::Commit(version),
        Some(Name::Checkpoint(version)) => LogFileKind::Checkpoint(version),
        None if name.starts_with(names::TEMPORARY) => LogFileKind::Temporary,
        None => LogFileKind::Other,
    }
}

/// Whether a path from the table's folder is that of a data file: in partition folders, if in any, so that nothing else
/// that lies below is ever taken for one.
fn is_data(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let in_partitions = folders.is_empty() || folders.split('/').all(|folder| folder.contains('='));
    in_partitions && name.starts_with("part-") && name.ends_with(".parquet")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_as_rows_is_a_data_file() {
        for path in [
            "part-1.parquet",
            "day=2026-10-01/part-1.parquet",
            "a=1/b=2/part-1.parquet",
        ] {
            assert!(is_data(path), "{path}");
        }
        for path in [
            "_delta_log/00000000000000000100.checkpoint.parquet",
            "_delta_log/part-1.parquet",
            "other/day=1/part-1.parquet",
            "day=1/notes.txt",
            "README",
        ] {
            assert!(!is_data(path), "{path}");
        }
    }

    #[test]
    fn the_files_of_a_log_are_told_apart() {
        let name = |path: String| path.rsplit('/').next().map(str::to_owned).expect("a name");
        assert_eq!(
            kind_of(&name(names::commit("t", 7))),
            LogFileKind::Commit(7)
        );
        assert_eq!(
            kind_of(&name(names::checkpoint("t", 7))),
            LogFileKind::Checkpoint(7)
        );
        assert_eq!(
            kind_of(&name(names::temporary("t", "x"))),
            LogFileKind::Temporary
        );
        assert_eq!(kind_of("_last_checkpoint"), LogFileKind::Other);
    }
}
