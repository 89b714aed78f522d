//! One table: made, read, written, committed to.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::stream::BoxStream;

use crate::changes;
use crate::commit::{self, Committer};
use crate::error::{Error, Result};
use crate::lake::{Lake, validate_path};
use crate::log::open::{self, CaughtUp};
use crate::proposal::{Outcome, Proposal};
use crate::read;
use crate::snapshot::{AddFile, Changes, Snapshot};
use crate::write::{self, WriteOptions, Writer};

/// How a new table shall be.
#[derive(Debug, Clone, PartialEq)]
pub struct TableSpec {
    /// All columns, partition columns included.
    pub schema: SchemaRef,
    /// The names of the partition columns, outermost folder first.
    pub partition_columns: Vec<String>,
    /// The table's properties.
    pub properties: BTreeMap<String, String>,
    /// What the table is for.
    pub description: Option<String>,
}

/// A table of a lake, whether it exists or not. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Table {
    lake: Lake,
    path: Arc<str>,
}

impl Table {
    pub(crate) fn new(lake: Lake, path: &str) -> Self {
        Self {
            lake,
            path: path.into(),
        }
    }

    /// The path from the lake's root, such as `bronze/listen_events`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The lake it belongs to.
    pub fn lake(&self) -> &Lake {
        &self.lake
    }

    /// Makes the table: version 0 holds protocol and definition, no data. Already there: its latest
    /// snapshot, whatever its definition.
    pub async fn create(&self, spec: &TableSpec) -> Result<Snapshot> {
        commit::create(self.committer()?, spec).await
    }

    /// The latest version; `None` where there is no such table.
    pub async fn latest(&self) -> Result<Option<Snapshot>> {
        validate_path(&self.path)?;
        open::latest(self.lake.store(), &self.path).await
    }

    /// The table at one version.
    pub async fn at(&self, version: i64) -> Result<Snapshot> {
        validate_path(&self.path)?;
        open::at(self.lake.store(), &self.path, version)
            .await?
            .ok_or_else(|| Error::NoTable {
                table: self.path.to_string(),
                lake: self.lake.url().to_owned(),
            })
    }

    /// The latest version, from a snapshot: reads the commits since by name and lists nothing, unless they were
    /// removed since; then the table is opened anew.
    pub async fn refresh(&self, snapshot: &Snapshot) -> Result<Snapshot> {
        let mut newest = snapshot.clone();
        let store = self.lake.store();
        match open::catch_up(store, &self.path, &mut newest, i64::MAX).await? {
            CaughtUp::Yes => Ok(newest),
            CaughtUp::Cut => open::after_cut(store, &self.path, snapshot).await,
        }
    }

    /// Which files came and went after version `since`, up to version `until`. Commits that only
    /// rearranged rows are skipped.
    pub async fn changes(&self, since: i64, until: i64) -> Result<Changes> {
        validate_path(&self.path)?;
        changes::changes(self.lake.store(), &self.path, since, until).await
    }

    /// Writes rows as Parquet files, split by partition. Nothing is visible until the files are committed.
    /// Columns are found by name; a table's column that the batches lack is null when read.
    pub async fn write(
        &self,
        snapshot: &Snapshot,
        batches: Vec<RecordBatch>,
        options: &WriteOptions,
    ) -> Result<Vec<AddFile>> {
        let mut writer = self.writer(snapshot, options.clone());
        for batch in batches {
            if let Err(error) = writer.push(batch).await {
                writer.abort().await?;
                return Err(error);
            }
        }
        writer.finish().await
    }

    /// The same for rows that come one batch after the other.
    pub fn writer(&self, snapshot: &Snapshot, options: WriteOptions) -> Writer {
        Writer::new(self.lake.shared_store(), &self.path, snapshot, options)
    }

    /// Commits a proposal. `snapshot`, old or new, becomes the version committed, or the newest one, which
    /// refused. An error leaves it as it was; after [`Error::OutcomeUnknown`] read the table again before anything
    /// else: the transaction numbers tell whether the proposal is in it.
    pub async fn commit(&self, snapshot: &mut Snapshot, proposal: &Proposal) -> Result<Outcome> {
        commit::commit(self.committer()?, snapshot, proposal).await
    }

    /// Reads a file's rows with the table's columns (or those named, in that order): partition columns filled
    /// in, columns that the file lacks null.
    pub async fn read(
        &self,
        file: &AddFile,
        snapshot: &Snapshot,
        columns: Option<&[&str]>,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let location = self.location(file)?;
        read::read(self.lake.store(), location, file, snapshot, columns).await
    }

    /// Where a file lies, from the lake's root: its path in [`Lake::object_store`].
    pub fn location(&self, file: &AddFile) -> Result<String> {
        write::location(&self.path, file)
    }

    /// Deletes files that were written and will not be committed.
    pub async fn discard(&self, files: &[AddFile]) -> Result<()> {
        write::discard(self.lake.store(), &self.path, files).await
    }

    pub(crate) fn committer(&self) -> Result<Committer<'_>> {
        validate_path(&self.path)?;
        Ok(Committer {
            store: self.lake.store(),
            table: &self.path,
        })
    }
}
